"""Jets of particles: against the sequential recombination written out, golden masses, Delphes' and exact formulae."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from hepad.io.clustering import cluster, soft_drop, subjettiness
from hepad.io.events import flat_columns
from hepad.io.reader import read_events

# m_jj, the number of jets above 20 GeV, and the constituents of the two leading ones of the events 0, 1 and 4: anti-kt,
# R = 1, massless particles. m_jj is the one that the organisers of the LHC Olympics give for these events.
LHCO = ((2580.489567709058, 2, 36, 33), (3859.3150469592965, 3, 84, 97), (3313.4888348250047, 4, 54, 57))


def momenta(pt: np.ndarray, eta: np.ndarray, phi: np.ndarray) -> np.ndarray:
    return np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta)])


def test_masses_of_the_lhc_olympics(data: Path) -> None:
    (chunk,) = read_events([data / "lhco.h5"], {"particles": {"eta", "phi"}, "label": {"signal"}})
    assert chunk.events.label.signal.tolist() == [False, False, True]
    offsets, flat = flat_columns(chunk.events.particles)
    found = cluster(np.diff(offsets), momenta(flat["pt"], flat["eta"], flat["phi"]), radius=1.0, min_pt=20)
    sizes = np.diff(found.offsets)
    for event, (mass, jets, first, second) in enumerate(LHCO):
        own = np.flatnonzero(found.event == event)
        x, y, z, e = found.momenta[:, own[:2]].sum(axis=1)
        assert np.sqrt(e**2 - x**2 - y**2 - z**2) == pytest.approx(mass, rel=2e-12)
        assert (len(own), *sizes[own[:2]]) == (jets, first, second)


def recombined(particles: np.ndarray, radius: float, power: int) -> list[frozenset[int]]:
    """Generalised kt as its paper has it: the least of d_ij and d_iB, again and again."""
    left = {frozenset([i]): particles[:, i] for i in range(particles.shape[1])}
    jets: list[frozenset[int]] = []
    while left:
        best: tuple[float, frozenset[int], frozenset[int] | None] = (np.inf, frozenset(), None)
        for one, p in left.items():
            weight = np.hypot(p[0], p[1]) ** (2 * power)
            best = min(best, (weight, one, None), key=lambda found: found[0])
            for other, q in left.items():
                if one is other:
                    continue
                rapidity = [0.5 * np.log((k[3] + k[2]) / (k[3] - k[2])) for k in (p, q)]
                turn = abs(np.arctan2(p[1], p[0]) - np.arctan2(q[1], q[0]))
                distance2 = (rapidity[0] - rapidity[1]) ** 2 + min(turn, 2 * np.pi - turn) ** 2
                d = min(weight, np.hypot(q[0], q[1]) ** (2 * power)) * distance2 / radius**2
                best = min(best, (d, one, other), key=lambda found: found[0])
        _, one, other = best
        if other is None:
            jets.append(one)
            del left[one]
        else:
            left[one | other] = left.pop(one) + left.pop(other)
    return jets


@pytest.mark.parametrize(("algorithm", "power"), [("anti-kt", -1), ("cambridge-aachen", 0), ("kt", 1)])
def test_jets_are_those_of_the_algorithm_written_out(algorithm: str, power: int) -> None:
    rng = np.random.default_rng(1)
    counts = np.array([0, 14, 1, 0, 9])
    particles = momenta(rng.exponential(20, 24), rng.uniform(-1, 1, 24), rng.uniform(-1, 1, 24))
    found = cluster(counts, particles, radius=0.6, min_pt=15.0, algorithm=algorithm)
    starts = np.cumsum(counts) - counts
    expected = set()
    for event in np.flatnonzero(counts):
        for jet in recombined(particles[:, starts[event] : starts[event] + counts[event]], 0.6, power):
            places = frozenset(int(starts[event]) + i for i in jet)
            if np.hypot(*particles[:2, sorted(places)].sum(axis=1)) > 15:
                expected.add((int(event), places))
    groups = [found.members[start:stop] for start, stop in zip(found.offsets[:-1], found.offsets[1:], strict=True)]
    assert {(int(e), frozenset(g.tolist())) for e, g in zip(found.event, groups, strict=True)} == expected
    assert len(found) == len(expected) > 3
    for jet, group in enumerate(groups):
        np.testing.assert_allclose(found.momenta[:, jet], particles[:, group].sum(axis=1), rtol=1e-12)
    pt = np.hypot(*found.momenta[:2])
    assert all((np.diff(pt[found.event == event]) < 0).all() for event in range(5))
    second = found.take(found.event == 4)
    assert second.members.tolist() == np.concatenate([groups[i] for i in np.flatnonzero(found.event == 4)]).tolist()


def test_no_particles_are_no_jets() -> None:
    found = cluster(np.zeros(3, dtype=np.int64), np.empty((4, 0)), radius=0.8, min_pt=1)
    assert (len(found), found.offsets.tolist()) == (0, [0])
    none = np.zeros(2, dtype=np.int64)
    assert soft_drop(none, np.empty((4, 0)), z_cut=0.1, beta=0, radius=0.8).tolist() == [0]
    assert subjettiness(none, np.empty((4, 0)), radius=0.8).tolist() == [[0, 0, 0, 0]]


def test_substructure_is_that_of_delphes(data: Path) -> None:
    """Its FatJetFinder: N-subjettiness and soft drop mass of these jets, whose momenta are rounded to ten bits."""
    tree = uproot.open(data / "jets.root")["tree"].arrays(library="np")
    counts = np.array([len(px) for px in tree["part_px"]])
    offsets = np.concatenate([[0], np.cumsum(counts)])
    flat = [np.concatenate(tree[f"part_{name}"]).astype(float) for name in ("px", "py", "pz", "energy")]
    taus = subjettiness(offsets, np.array(flat), radius=0.8)
    expected = np.stack([tree[f"jet_tau{n}"] for n in (1, 2, 3, 4)], axis=1)
    assert np.median(np.abs(taus / expected - 1), axis=0).max() < 3e-3  # other axes: above 1e-2
    np.testing.assert_allclose(taus, expected, atol=5e-3)
    two = subjettiness(offsets, np.array(flat), radius=0.8, orders=(2, 4))
    np.testing.assert_array_equal(two, taus[:, [1, 3]])
    masses = soft_drop(offsets, np.array(flat), z_cut=0.1, beta=0.0, radius=0.8)
    heavy = tree["jet_sdmass"] > 90  # of light ones the rounding is the larger part
    assert heavy.sum() == 12
    np.testing.assert_allclose(masses[heavy], tree["jet_sdmass"][heavy], rtol=0.03)
    assert np.median(np.abs(masses / tree["jet_sdmass"] - 1)[heavy]) < 3e-3


def test_substructure_of_two_particles_is_exact() -> None:
    eta, pt = np.array([0.0, 0.4]), np.array([100.0, 100.0])
    pair = momenta(pt, eta, np.zeros(2))
    offsets = np.array([0, 2, 3])
    both = np.concatenate([pair, pair[:, :1]], axis=1)
    taus = subjettiness(offsets, both, radius=0.8, orders=(1, 2))
    np.testing.assert_allclose(taus, [[0.25, 0], [0, 0]], atol=1e-9)  # wherever the axis is between the two
    mass = np.sqrt(2 * 100 * 100 * (np.cosh(0.4) - 1))
    for z_cut, kept in ((0.4, True), (0.499, True)):
        found = soft_drop(offsets, both, z_cut=z_cut, beta=0.0, radius=0.8)
        np.testing.assert_allclose(found, [mass if kept else 0.0, 0], atol=1e-5)
    soft = momenta(np.array([100.0, 8.0]), eta, np.zeros(2))
    at = np.array([0, 2])
    assert soft_drop(at, soft, z_cut=0.1, beta=0.0, radius=0.8)[0] == pytest.approx(0, abs=1e-4)  # z = 0.074
    assert soft_drop(at, soft, z_cut=0.1, beta=1.0, radius=0.8)[0] > 10  # z_cut 0.4 / 0.8
