"""Sets of particles, against the numbers that files of JetClass have of them, and the scaling of its paper's code."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.inputs.base import make_input
from hepad.inputs.batch import Batch
from hepad.inputs.particle_set import ParticleSet, ParticleSetCard
from hepad.io.memory import events_from
from hepad.io.reader import read_events

ALL = tuple(ParticleSetCard.model_fields["features"].annotation.__args__[0].__args__)


def kind(**card: object) -> ParticleSet:
    return make_input(ParticleSetCard(kind="particle_set", **card))


def batch(path: Path, **card: object) -> Batch:
    made = kind(**card)
    (chunk,) = read_events([path], made.fields())
    return made(chunk.events)


def padded(values: ak.Array, size: int) -> np.ndarray:
    return ak.to_numpy(ak.fill_none(ak.pad_none(values, size, clip=True), 0))


def test_features_are_those_of_the_file(data: Path) -> None:
    tree = uproot.open(data / "jets.root")["tree"].arrays()
    pt = np.hypot(tree.part_px, tree.part_py)
    order = ak.argsort(pt, ascending=False, stable=True)
    found = batch(data / "jets.root", features=ALL, scale="none", ids="both", max_particles=64)
    names = found.layout.features
    assert found.x.shape == (24, 64, len(ALL) + 8)
    there = padded(ak.ones_like(pt), 64) != 0
    np.testing.assert_array_equal(found.mask, there)
    expected = {
        "pt": pt,
        "log_pt_rel": np.log(pt / tree.jet_pt),
        "energy_rel": tree.part_energy / tree.jet_energy,
        "log_energy": np.log(tree.part_energy),
        "deta": tree.part_deta,
        "dphi": tree.part_dphi,
        "delta_r": np.hypot(tree.part_deta, tree.part_dphi),
        "charge": tree.part_charge,
        "is_photon": tree.part_isPhoton,
        "is_muon": tree.part_isMuon,
        "is_electron": tree.part_isElectron,
        "is_charged_hadron": tree.part_isChargedHadron,
        "is_neutral_hadron": tree.part_isNeutralHadron,
        "d0": tree.part_d0val,
        "dzerr": tree.part_dzerr,
    }
    assert ak.any(tree.jet_eta < 0)
    for name, values in expected.items():  # momenta in the file are rounded to ten bits
        np.testing.assert_allclose(
            found.x[:, :, names.index(name)], padded(values[order], 64), atol=2e-3, rtol=2e-3, err_msg=name
        )
    one_hot = found.x[:, :, len(ALL) :]
    np.testing.assert_array_equal(one_hot.sum(axis=2), there)
    np.testing.assert_array_equal(np.where(there, one_hot.argmax(axis=2) + 1, 0), found.beside["id"])
    assert names[-8:] == ("id_positive_hadron", "id_negative_hadron", "id_neutral_hadron", *names[-5:])
    assert "id" not in batch(data / "jets.root", ids="features").beside
    assert kind(ids="beside").layout.features == ("log_pt_rel", "log_energy_rel", "deta", "dphi")


def test_the_usual_scale_is_that_of_jetclass(data: Path) -> None:
    """As ParT's configuration for JetClass has it: (subtract, multiply), tanh of d0 and dz, clipped."""
    raw, scaled = (batch(data / "jets.root", features=ALL, scale=scale) for scale in ("none", "usual"))
    table = {"log_pt": (1.7, 0.7), "log_energy": (2.0, 0.7), "log_pt_rel": (-4.7, 0.7), "log_energy_rel": (-4.7, 0.7)}
    table |= {"delta_r": (0.2, 4.0), "deta": (0, 1), "charge": (0, 1)}
    there = raw.mask
    for i, name in enumerate(ALL):
        x, y = raw.x[:, :, i][there], scaled.x[:, :, i][there]
        if name in table:
            shift, gain = table[name]
            np.testing.assert_allclose(y, np.clip((x - shift) * gain, -5, 5), rtol=1e-5, atol=1e-6)
        elif name in {"d0", "dz"}:
            np.testing.assert_allclose(y, np.tanh(x), rtol=1e-5)
        elif name in {"d0err", "dzerr"}:
            np.testing.assert_array_equal(y, np.clip(x, 0, 1))
        elif name in {"pt", "energy"}:
            np.testing.assert_array_equal(y, x)
    assert not scaled.x[~there].any()


def test_the_order_of_particles_does_not_matter_and_the_softest_are_left_out() -> None:
    rng = np.random.default_rng(1)
    made = kind(max_particles=5, ids="beside", features=("pt", "dphi"), scale="none")
    pt = np.array([9.0, 8, 7, 6, 5, 4, 3])
    columns = {"pt": pt, "eta": 0.1 * pt, "phi": np.linspace(2.9, 3.1, 7), "id": np.array([1, 2, 3, 4, 5, 6, 7])}
    jet = {"pt": [[40.0]], "eta": [[0.0]], "phi": [[-3.1]], "mass": [[5.0]]}
    found = []
    for order in (np.arange(7), rng.permutation(7)):
        particles = {name: values[order][None] for name, values in columns.items()}
        events = events_from(
            {"particles": particles, "fatjets": {n: ak.Array(v) for n, v in jet.items()}}, made.fields()
        )
        found.append(made(events))
    first, second = found
    np.testing.assert_array_equal(first.x, second.x)
    assert first.x[0, :, 0].tolist() == [9, 8, 7, 6, 5]
    assert first.beside["id"].tolist() == second.beside["id"].tolist() == [[1, 2, 3, 4, 5]]
    np.testing.assert_allclose(first.x[0, 0, 1], 2.9 + 3.1 - 2 * np.pi, rtol=1e-5)  # across the seam


def test_a_jet_of_nothing_and_an_event_without_a_jet_are_empty_sets() -> None:
    made = kind(ids="beside")
    arrays = {
        "particles": ak.Array({n: [[], [2.0]] for n in ("pt", "eta", "phi", "energy", "id")}),
        "fatjets": ak.Array({n: [[1.0], []] for n in ("pt", "eta", "phi", "mass")}),
    }
    found = made(events_from(arrays, made.fields()))
    assert not found.mask.any()
    assert not found.x.any()
    assert not found.beside["id"].any()


def test_what_a_card_cannot_say_is_named() -> None:
    with pytest.raises(ValueError, match="name each property once"):
        kind(features=("pt", "pt"))


def test_tracks_are_those_of_the_nearest_of_two_jets() -> None:
    made = kind(
        of="tracks", jets=2, radius=0.8, max_particles=2, scale="none", features=("pt", "energy_rel", "dphi", "d0")
    )
    assert made.fields()["tracks"] == {"pt", "eta", "phi", "d0"}
    jets = {"pt": [[500.0, 400.0]], "eta": [[0.0, 1.0]], "phi": [[0.0, 3.1]], "mass": [[0.0, 0.0]]}
    tracks = {  # the second jet's across the seam; one of none; the third of the first jet is the softest
        "pt": [[90.0, 80.0, 70.0, 60.0, 50.0]],
        "eta": [[0.1, 1.0, 0.2, 0.0, 0.0]],
        "phi": [[0.0, -3.1, 1.0, 0.1, 0.2]],
        "d0": [[1.0, 2.0, 3.0, 4.0, 5.0]],
    }
    arrays = {name: {n: ak.Array(v) for n, v in of.items()} for name, of in (("fatjets", jets), ("tracks", tracks))}
    found = made(events_from(arrays, made.fields()))
    assert found.mask.tolist() == [[True, True, True, False]]
    assert found.x[0, :, 0].tolist() == [90, 60, 80, 0]
    assert found.x[0, :, 3].tolist() == [1, 4, 2, 0]
    np.testing.assert_allclose(found.x[0, :3, 1], [90 * np.cosh(0.1) / 500, 60 / 500, 80 / 400], rtol=1e-6)
    np.testing.assert_allclose(found.x[0, :3, 2], [0, 0.1, 2 * np.pi - 6.2], rtol=1e-5)


@pytest.mark.parametrize(
    ("card", "fault"),
    [
        ({"jets": 2}, "need a radius"),
        ({"of": "tracks"}, "need a radius"),
        ({"radius": 0.8, "frame": {}}, "leave out radius"),
        ({"of": "tracks", "radius": 0.8, "features": ("is_muon",)}, "kind of a track is not known"),
    ],
)
def test_a_card_says_whose_particles_they_are(card: dict[str, object], fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        kind(**card)
