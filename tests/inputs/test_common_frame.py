"""The frame that all jets have in common: what it is, what it does not see, and jets that have none."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.errors import CardError
from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.common_frame import CommonFrame, Particles, to_common_frame
from hepad.inputs.particle_set import ParticleSetCard
from hepad.io.memory import events_from
from hepad.io.reader import read_events
from hepad.testing import check_input

FEATURES = ("pt", "eta", "phi", "energy", "pt_rel", "delta_r")
WIDE = {"radius": 100.0}


def framed(pt: object, eta: object, phi: object, size: int = 20, **frame: float) -> Batch:
    """Jets, each a list of particles, in their common frame."""
    made = make_input(
        ParticleSetCard(kind="particle_set", max_particles=size, features=FEATURES, scale="none", frame=frame)
    )
    particles = {"pt": ak.Array(pt), "eta": ak.Array(eta), "phi": ak.Array(phi)}
    jet = {name: ak.Array([[100.0]] * len(particles["pt"])) for name in ("pt", "mass")}
    jet |= {name: ak.Array([[0.0]] * len(particles["pt"])) for name in ("eta", "phi")}
    events = events_from({"particles": particles | {"energy": particles["pt"]}, "fatjets": jet}, made.fields())
    return made(events)


def momenta(batch: Batch) -> np.ndarray:
    """px, py, pz, E of the particles, of shape (4, n, k)."""
    pt, eta, phi, energy = (batch.x[:, :, i].astype(np.float64) for i in range(4))
    return np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy])


def a_jet(seed: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.exponential(50, count) + 1, rng.normal(0.7, 0.2, count), rng.normal(-1.0, 0.2, count)


def test_mass_and_energy_are_those_of_the_frame(data: Path) -> None:
    card = {"kind": "particle_set", "max_particles": 20, "features": FEATURES, "scale": "none"}
    made = make_input(ParticleSetCard(**card, frame={"mass": 0.3, "energy": 2.0, "radius": 1.0}))
    (chunk,) = read_events([data / "jets.root"], made.fields())
    batch = made(chunk.events)
    px, py, pz, energy = momenta(batch).sum(axis=2)
    np.testing.assert_allclose(energy, 2.0, atol=1e-6)
    np.testing.assert_allclose(np.sqrt(energy**2 - px**2 - py**2 - pz**2), 0.3, atol=1e-6)
    np.testing.assert_allclose([py, pz], 0, atol=1e-6)
    counts = batch.mask.sum(axis=1)
    assert counts.max() == 20
    assert counts.min() >= 2
    assert (batch.x[:, :, 5] < 1).all()
    pt = batch.x[:, :, 0]
    assert (np.diff(pt, axis=1) <= 0).all()
    np.testing.assert_allclose(batch.x[:, :, 4], pt / np.sqrt(4 - 0.09), rtol=1e-6)
    hardest = np.take_along_axis(batch.x, np.argmax(batch.x[:, :, 3], axis=1)[:, None, None], axis=1)[:, 0]
    np.testing.assert_allclose(hardest[:, 1], 0, atol=1e-6)
    assert (hardest[:, 2] > 0).all()
    assert (batch.x[:, 1, 1] >= -1e-6).all()


def test_it_is_the_boosts_of_the_paper() -> None:
    """Step by step with the package vector: turned, boosted along the beam, scaled, boosted along the axis."""
    pt, eta, phi = a_jet(3, 6)
    p = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros(6)})
    total = p.sum()
    p = p.rotateZ(-total.phi)
    p = p.boostZ(beta=-total.pz / total.E)
    total = p.sum()
    p = p.scale(0.25 / total.mass)
    total = p.sum()
    speed, wanted = total.px / total.E, np.sqrt(1 - 0.25**2)
    p = p.boostX(beta=(wanted - speed) / (1 - wanted * speed))
    hardest = p[np.argmax(p.E)]
    p = p.rotateX(-np.arctan2(hardest.pz, hardest.py))
    order = np.argsort(-p.pt)
    sign = np.sign(p.eta[order[1]])
    found = framed([pt], [eta], [phi], **WIDE)
    for column, expected in enumerate((p.pt, sign * p.eta, p.phi, p.E)):
        np.testing.assert_allclose(found.x[0, :6, column], expected[order], atol=1e-6)


angle, rapidity, factor = (st.floats(a, b) for a, b in ((-3.1, 3.1), (-2.0, 2.0), (0.01, 100.0)))


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(2, 30), angle, rapidity, factor, rapidity, angle, st.booleans())
def test_what_is_turned_boosted_scaled_and_mirrored_is_the_same(
    seed: int, count: int, turn: float, along: float, scale: float, forward: float, about: float, mirror: bool
) -> None:
    pt, eta, phi = a_jet(seed, count)
    p = vector.array({"pt": pt, "eta": eta, "phi": phi, "mass": np.zeros(count)})
    total = p.sum()
    p = p.rotateZ(-total.phi).boostZ(beta=-total.pz / total.E)  # along its axis, and about it
    p = p.boostX(beta=np.tanh(forward / 4)).rotateX(about)
    p = p.boostZ(beta=np.tanh(along)).rotateZ(turn).scale(scale)
    eta_seen = -p.eta if mirror else p.eta
    rows = np.zeros(count, dtype=np.int64)
    found = [
        to_common_frame(Particles.of(rows, *columns), CommonFrame(), 20)
        for columns in ((pt, eta, phi), (p.pt, eta_seen, p.phi))
    ]
    for name in ("place", "pt", "eta", "phi"):
        one, other = (getattr(particles, name) for particles in found)
        np.testing.assert_allclose(one, other, atol=1e-9)


def test_jets_do_not_see_one_another_and_some_have_no_frame() -> None:
    """No particles, one, two of one direction, one of no momentum besides: no mass; absurd angles are angles."""
    whole = a_jet(1, 40)
    pt = [[], [50.0], [50.0, 20.0], [50.0, 0.0], [50.0, 20.0], [50.0, 1e-30], whole[0], whole[0][:7]]
    eta = [[], [1.0], [1.0, 1.0], [1.0, 0.5], [1.0, 1.1], [900.0, -900.0], whole[1], whole[1][:7]]
    phi = [[], [1.0], [1.0, 1.0], [1.0, 0.5], [1.0, 1.0], [1.0, 1.0], whole[2], whole[2][:7]]
    together = framed(pt, eta, phi)
    assert together.mask.sum(axis=1)[:5].tolist() == [0, 0, 0, 0, 2]
    assert together.mask.sum(axis=1)[6] <= 20
    assert np.isfinite(together.x).all()
    assert not together.x[~together.mask].any()
    for row in range(len(pt)):
        alone = framed([pt[row]], [eta[row]], [phi[row]])
        np.testing.assert_array_equal(alone.x[0], together.x[row])


def test_the_contract_is_kept_there() -> None:
    check_input(
        "particle_set", card={"max_particles": 3, "features": ["pt_rel", "eta", "d0"], "ids": "both", "frame": {}}
    )


def test_what_is_beside_goes_with_the_particle() -> None:
    """The codes follow the particles into their new order; wide ones are gone."""
    made = make_input(
        ParticleSetCard(kind="particle_set", max_particles=3, features=("pt",), ids="beside", scale="none", frame={})
    )
    pt, eta, phi = [40.0, 39.0, 30.0, 1.0], [0.0, 0.3, -0.2, 2.5], [0.0, 0.2, 0.1, 1.0]
    particles = {"pt": [pt], "eta": [eta], "phi": [phi], "id": [[1, 2, 3, 4]]}
    fatjets = {"pt": [[100.0]], "eta": [[0.0]], "phi": [[0.0]], "mass": [[10.0]]}
    found = made(events_from({"particles": particles, "fatjets": {k: ak.Array(v) for k, v in fatjets.items()}}))
    assert sorted(found.beside["id"][0].tolist()) == [1, 2, 3]


def test_an_impossible_frame_is_refused() -> None:
    with pytest.raises(ValueError, match=r"energy 0\.2 must be above mass 0\.25"):
        CommonFrame(energy=0.2)
    with pytest.raises((CardError, ValueError), match="radius"):
        CommonFrame(radius=0)
