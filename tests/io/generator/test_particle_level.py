"""Truth of hand-made records, and objects at particle level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import MissingExtraError
from hepad.io.generator.cells import charge_signs, ids_of, towers_of
from hepad.io.generator.isolation import flavours, uniform
from hepad.io.generator.particle_level import ParticleLevel, build_objects
from hepad.io.generator.particles import (
    BOTTOM,
    ELECTRON,
    INVISIBLE,
    MUON,
    OTHER,
    PHOTON,
    TAU,
    VISIBLE,
    Particles,
    classify,
)

# number, mother (place, -1 for none), final, pT, eta, phi; masses are neglected
RECORD = [
    (2212, -1, False, 0.0, 0.0, 0.0),
    (24, 0, False, 80.0, 0.0, 0.0),
    (13, 1, True, 50.0, 0.5, 1.0),
    (14, 1, True, 30.0, 0.0, 2.0),
    (22, 2, True, 2.0, 0.52, 1.02),  # radiated by the muon: dresses it
    (-15, 0, False, 60.0, -1.0, -1.0),
    (-15, 5, False, 60.0, -1.0, -1.0),  # the copy that decays
    (-16, 6, True, 20.0, -1.0, -1.0),
    (211, 6, True, 40.0, -1.0, -1.0),
    (5, 0, False, 70.0, 0.0, -2.5),
    (-513, 9, False, 70.0, 0.0, -2.5),  # B* to B
    (-511, 10, False, 70.0, 0.0, -2.5),
    (11, 11, True, 30.0, 0.01, -2.5),  # from a B: not prompt
    (211, 11, True, 40.0, -0.01, -2.5),
    (111, 9, False, 5.0, 2.0, 0.0),
    (22, 14, True, 5.0, 2.0, 0.0),
    (1000022, 0, True, 25.0, 1.0, 0.3),  # a neutralino
    (22, 0, True, 45.0, 1.2, -0.4),  # a photon of the hard process
    (2103, 0, True, 1.0, 4.0, 0.0),
]
KINDS = [OTHER, OTHER, MUON, INVISIBLE, PHOTON, OTHER, TAU, INVISIBLE, VISIBLE, OTHER, OTHER, BOTTOM, VISIBLE, VISIBLE]
KINDS += [OTHER, VISIBLE, INVISIBLE, PHOTON, VISIBLE]


def particles(copies: int = 1) -> Particles:
    pdg, mother, final, pt, eta, phi = map(np.array, zip(*RECORD, strict=True))
    n = len(pdg)
    mother = np.concatenate([np.where(mother >= 0, mother + n * k, -1) for k in range(copies)])
    momenta = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), pt * np.cosh(eta))
    return Particles(
        np.arange(copies + 1) * n, np.tile(pdg, copies), np.tile(final, copies), mother, *np.tile(momenta, (1, copies))
    )


def kinds(hidden: tuple[int, ...] = ()) -> list[int]:
    p = particles()
    momenta = np.array([p.px, p.py, p.pz, p.e])
    return list(classify(p.pdg, p.final, p.mother, momenta, np.array(hidden, dtype=np.int64))[0])


def test_what_each_particle_is() -> None:
    assert kinds() == KINDS


def test_a_hadron_can_be_hidden() -> None:
    assert [i for i, (a, b) in enumerate(zip(kinds((211,)), KINDS, strict=True)) if a != b] == [8, 13]


@pytest.mark.parametrize("number", [12, 16, 1000022, 1000039, 52, 9000005, 4900111, 5000039])
def test_what_is_stable_and_unknown_is_invisible(number: int) -> None:
    momenta, one = np.ones((4, 1)), np.array([number])
    assert classify(one, np.array([True]), np.array([-1]), momenta, np.empty(0, dtype=np.int64))[0][0] == INVISIBLE


@pytest.mark.parametrize("number", [211, 130, 310, 2112, -3122, 5, 21, 2203, 1000020040])
def test_known_matter_is_visible(number: int) -> None:
    momenta, one = np.ones((4, 1)), np.array([number])
    assert classify(one, np.array([True]), np.array([-1]), momenta, np.empty(0, dtype=np.int64))[0][0] == VISIBLE


def test_a_record_that_goes_in_circles_ends() -> None:
    found, _ = classify(
        np.array([24, 24, 11]), np.array([False, False, True]), np.array([1, 0, 0]), np.ones((4, 3)), np.empty(0, int)
    )
    assert found[2] == VISIBLE
    assert ELECTRON not in found


def test_objects_of_a_record() -> None:
    pytest.importorskip("fastjet")
    wanted = {"jets": {"pt", "btag", "mass"}, "muons": {"pt"}, "electrons": {"pt"}, "photons": {"pt", "eta"}}
    wanted |= {"taus": {"pt"}, "met": {"pt", "phi"}, "scalar_ht": {"ht"}, "fatjets": {"pt"}}
    found = build_objects(particles(), np.array([0]), wanted, ParticleLevel(b_efficiency=1.0))
    assert found["muons"].pt[0].to_list() == pytest.approx([52.0], abs=0.01)  # with its photon
    assert found["electrons"].pt[0].to_list() == []
    assert found["photons"].pt[0].to_list() == pytest.approx([45.0])
    assert found["taus"].pt[0].to_list() == pytest.approx([40.0])
    assert found["jets"].pt[0].to_list() == pytest.approx([70.0, 40.0], abs=0.1)  # the b jet, the tau
    assert found["jets"].btag[0].to_list()[0] is True
    x = sum(r[3] * np.cos(r[5]) for r in RECORD if r[0] in (14, -16, 1000022))
    y = sum(r[3] * np.sin(r[5]) for r in RECORD if r[0] in (14, -16, 1000022))
    assert found["met"].pt[0] == pytest.approx(np.hypot(x, y))
    assert found["met"].phi[0] == pytest.approx(np.arctan2(y, x))
    assert found["scalar_ht"][0] == pytest.approx(70 + 40 + 52 + 45, abs=0.1)


def test_visible_particles_are_what_jets_of_ones_own_are_made_of() -> None:
    found = build_objects(particles(2), np.arange(2), {"particles": {"energy", "charge", "id"}}, ParticleLevel())[
        "particles"
    ]
    expected = [50, 45, 40, 40, 30, 5, 2, 1]  # all that is stable but neutrinos and the neutralino, undressed
    np.testing.assert_allclose(found.pt, [expected] * 2)
    assert found.fields == ["pt", "energy", "charge", "id"]
    assert found.charge.tolist() == [[-1, 0, 1, 1, -1, 0, 0, 0]] * 2
    assert found.id.tolist() == [[7, 4, 1, 1, 5, 4, 4, 0]] * 2
    np.testing.assert_allclose(found.energy[0, :2], [50 * np.cosh(0.5), 45 * np.cosh(1.2)])


def test_tracks_and_towers_of_a_record() -> None:
    """Charged: muon, two pions and the electron; the diquark is no hadron and has no track. Towers: no muon."""
    wanted = {"tracks": {"eta", "phi"}, "towers": {"eta", "eem", "ehad"}, "track_count": {"number"}}
    found = build_objects(particles(2), np.arange(2), wanted, ParticleLevel())
    np.testing.assert_allclose(found["tracks"].pt, [[50, 40, 40, 30]] * 2)
    assert found["track_count"].tolist() == [4, 4]
    np.testing.assert_allclose(found["towers"].pt, [[45, 40, 40, 30, 5, 2, 1]] * 2)
    transverse = np.cosh(np.asarray(found["towers"].eta))
    np.testing.assert_allclose(np.asarray(found["towers"].eem) / transverse, [[45, 0, 0, 30, 5, 2, 0]] * 2, atol=1e-12)
    np.testing.assert_allclose(np.asarray(found["towers"].ehad) / transverse, [[0, 40, 40, 0, 0, 0, 1]] * 2, atol=1e-12)


def test_tracks_pass_the_collision_at_the_distance_of_their_line() -> None:
    """A particle along x from (3, 2, 4) mm passes the beam 2 mm away, at z = 4 - 3 sinh(eta); errors fall with pT."""
    pdg, final = np.tile([211, 2212], 500), np.ones(1000, dtype=bool)
    pt, pz = np.tile([1.0, 100.0], 500), np.tile(np.sinh(0.5) * np.array([1.0, 100.0]), 500)
    vertices = np.tile([[3.0], [2.0], [4.0]], 1000)
    parts = (pdg, final, np.full(1000, -1), pt, np.zeros(1000), pz, 2 * np.hypot(pt, pz))
    made = Particles(np.arange(0, 1001, 2), *parts, vertices=vertices)
    wanted = {"tracks": {"charge", "d0", "d0err", "dz", "dzerr"}}
    tracks = build_objects(made, np.arange(500), wanted, ParticleLevel())["tracks"]
    for name, exact in (("d0", -2.0), ("dz", 4 - 3 * np.sinh(0.5))):
        value, error = np.asarray(tracks[name]), np.asarray(tracks[f"{name}err"])
        assert (error[:, 0] < error[:, 1] / 2).all()  # by falling pT
        pull = (value - exact) / error
        assert np.abs(pull.mean()) < 0.15  # five errors of the mean of 1000
        assert pull.std() == pytest.approx(1, abs=0.12)
    later = build_objects(made, np.arange(500), wanted, ParticleLevel())["tracks"]
    assert later.d0.tolist() == tracks.d0.tolist()


def test_charges_of_stable_particles() -> None:
    positive = [-11, -13, 211, 321, 2212, -3112, 3222, -3312, -3334, 411, 431, 521, 541, 24, 1000010020]
    neutral = [22, 111, 130, 310, 2112, 3122, 3322, 421, 511, 311, 12, 2103, 21]
    for sign, numbers in ((1, positive), (-1, [-number for number in positive]), (0, neutral)):
        assert charge_signs(np.array(numbers)).tolist() == [sign] * len(numbers)
    codes = {211: 1, -211: 2, -3112: 1, 1000010020: 1, 130: 3, 2112: 3, 22: 4, 11: 5, -11: 6, 13: 7, -13: 8}
    assert ids_of(np.array([*codes, 15, 21, 2103])).tolist() == [*codes.values(), 0, 0, 0]
    _, columns = towers_of(np.array([310, -3122]), np.zeros(2), np.array([10.0, 20.0]))
    np.testing.assert_allclose([columns["eem"], columns["ehad"]], [[3, 6], [7, 14]])


def test_b_tags_have_the_stated_efficiency() -> None:
    pytest.importorskip("fastjet")
    n = 2000
    found = build_objects(particles(n), np.arange(n), {"jets": {"btag"}}, ParticleLevel())
    leading = np.asarray(found["jets"].btag[:, 0])
    assert abs(leading.mean() - 0.77) < 4 * np.sqrt(0.77 * 0.23 / n)


def test_no_tag_outside_the_tracker() -> None:
    pytest.importorskip("fastjet")
    found = build_objects(
        particles(), np.array([0]), {"jets": {"btag"}}, ParticleLevel(tag_max_eta=0.0, b_efficiency=1)
    )
    assert not any(found["jets"].btag[0].to_list())


def test_events_without_particles() -> None:
    pytest.importorskip("fastjet")
    empty = np.empty(0)
    none = Particles(np.zeros(3, int), empty.astype(int), empty.astype(bool), empty.astype(int), *[empty] * 4)
    found = build_objects(none, np.arange(2), {"jets": {"pt", "btag"}, "met": {"pt", "phi"}}, ParticleLevel())
    assert found["jets"].pt.to_list() == [[], []]
    assert found["met"].pt.to_list() == [0.0, 0.0]


def test_without_fastjet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "fastjet", None)
    with pytest.raises(MissingExtraError, match=r"hepad\[particles\]") as caught:
        build_objects(particles(), np.array([0]), {"jets": {"pt"}}, ParticleLevel())
    assert caught.value.exit_code == 5


def test_a_hadron_tags_its_nearest_jet_alone() -> None:
    offsets, eta, phi = np.array([0, 2]), np.array([0.0, 0.5]), np.array([3.1, 3.1])
    one = np.array([0, 1])
    assert flavours(offsets, eta, phi, one, np.array([5]), np.array([0.2]), np.array([-3.15]), 0.4).tolist() == [5, 0]


@given(st.integers(0, 2**31), st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 50)), min_size=1, unique=True))
def test_random_numbers_depend_on_entry_and_rank_alone(seed: int, places: list[tuple[int, int]]) -> None:
    entry, rank = np.array(places).T
    numbers = uniform(seed, entry, rank)
    assert ((numbers >= 0) & (numbers < 1)).all()
    assert len(set(numbers.tolist())) == len(places)
    assert uniform(seed, entry[-1:], rank[-1:])[0] == numbers[-1]


def test_random_numbers_are_uniform() -> None:
    numbers = uniform(1, np.repeat(np.arange(5000), 4), np.tile(np.arange(4), 5000))
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 45.3  # 0.1 % of the chi-squared distribution of 19
