"""Trigger objects and calorimeter regions in hardware units, by hand."""

from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest

from hepad.cards.input import parse_input
from hepad.errors import CardError
from hepad.inputs.base import make_input

STEP = 2 * math.pi / 144


def objects(*rows: list[tuple[float, float, float]]) -> ak.Array:
    flat = [[dict(zip(("pt", "eta", "phi"), one, strict=True)) for one in row] for row in rows]
    empty = ak.Array([{"pt": 0.0, "eta": 0.0, "phi": 0.0}])[:0]
    return (
        ak.values_astype(ak.concatenate([ak.Array([flat[0]])[:, :0], flat])[1:], np.float32)
        if any(flat)
        else (ak.unflatten(empty, [0] * len(rows)))
    )


def event(**collections: list[tuple[float, float, float]]) -> ak.Array:
    names = ("jets", "muons", "electrons", "photons", "towers")
    made = {name: objects(collections.get(name, [])) for name in names}
    pt, _, phi = collections.get("met", [(0.0, 0.0, 0.0)])[0]
    met = ak.zip({"pt": np.array([pt]), "phi": np.array([phi])})
    return ak.zip({**made, "met": met, "weight": np.ones(1)}, depth_limit=1)


def columns(card: dict[str, object], **collections: list[tuple[float, float, float]]) -> dict[str, float]:
    made = make_input(parse_input({"kind": "l1_hardware", **card}, "a card"))
    batch = made.raw(event(**collections))
    return {name: float(value) for name, value in zip(made.layout.columns, batch.x[0], strict=True) if value}


def test_objects_are_integers_of_the_trigger() -> None:
    found = columns(
        {},
        met=[(33.4, 0, -STEP)],  # 66 steps of 0.5 GeV, halved: 33
        electrons=[(20.6, 0.0435 * 7, 0.0)],
        photons=[(50.0, -0.0435 * 3.4, STEP * 5.4), (10.0, 0, 0)],
        muons=[(6.5, 0.010875 * 40, 2 * math.pi / 576 * 300)],  # 13 steps, counted from 1, halved: 7
        jets=[(1500.0, -1.0, math.pi), (30.49, 2.0, 3.0)],
    )
    assert found == {
        "met_pt": 33,
        "met_phi": 143,
        "egamma1_pt": 50,  # the photon is harder
        "egamma1_eta": -3,
        "egamma1_phi": 5,
        "egamma2_pt": 20,
        "egamma2_eta": 7,
        "egamma3_pt": 10,
        "muon1_pt": 7,
        "muon1_eta": 40,
        "muon1_phi": 300,
        "jet1_pt": 1023,  # 11 bits
        "jet1_eta": -23,
        "jet1_phi": 72,
        "jet2_pt": 30,
        "jet2_eta": 46,
        "jet2_phi": 69,
    }
    assert columns({"order": ["jets"], "counts": {"jets": 1}, "pt_divisor": 1}, jets=[(1500.0, 0, 0), (40, 0, 0)]) == {
        "jet1_pt": 2047
    }


def test_steps_that_single_precision_holds_are_kept() -> None:
    """Every step of E_T, eta and phi, as a reader in GeV gives it, comes back."""
    made = make_input(
        parse_input({"kind": "l1_hardware", "order": ["jets"], "counts": {"jets": 1}, "pt_divisor": 1}, "")
    )
    steps = np.arange(1, 2048)
    eta, phi = steps % 230 - 115, steps % 144
    columns = {"pt": steps * 0.5, "eta": eta * 0.0435, "phi": np.mod(phi * STEP + np.pi, 2 * np.pi) - np.pi}
    jets = ak.unflatten(ak.zip({name: values.astype(np.float32) for name, values in columns.items()}), [1] * len(steps))
    batch = made.raw(ak.zip({"jets": jets, "weight": np.ones(len(steps))}, depth_limit=1))
    np.testing.assert_array_equal(batch.x, np.stack([steps, eta, phi], axis=1))
    assert batch.mask.all()


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"order": ["jets", "jets"]}, "each once"),
        ({"counts": {"jets": 2}}, "counts must give a number for egammas, muons"),
        ({"bits": {"jets": 11}}, "bits must give a number for met"),
        ({"counts": {"jets": 0}}, "counts.jets"),
    ],
)
def test_cards_that_do_not_fit_are_refused(card: dict[str, object], reason: str) -> None:
    with pytest.raises(CardError, match=reason):
        parse_input({"kind": "l1_hardware", **card}, "a card")


def regions(
    card: dict[str, object] | None = None, **collections: list[tuple[float, float, float]]
) -> dict[tuple[int, int], float]:
    """Energies by (phi, eta)."""
    made = make_input(parse_input({"kind": "calo_regions", **(card or {})}, "a card"))
    image = made.raw(event(**collections)).x[0, 0]
    assert image.shape == (14, 18)
    return {(int(phi), int(eta)): float(image[eta, phi]) for eta, phi in zip(*np.nonzero(image), strict=True)}


def test_regions_are_sums_of_four_by_four_towers() -> None:
    tower = 2 * math.pi / 72
    found = regions(
        towers=[
            (10.3, 0.04, 0.5 * tower),  # ieta 1, iphi 1: region (0, 7)
            (5.0, 0.3, 1.5 * tower),  # ieta 4, iphi 2
            (2.0, -0.3, 1.5 * tower),  # ieta -4: region (0, 6)
            (4.0, 0.36, 2.5 * tower),  # ieta 5, iphi 3: region (1, 8)
            (8.0, 1.75, -0.5 * tower),  # ieta 21, iphi 72: region (0, 12)
            (300.0, -2.9, 70.5 * tower),  # ieta -28, iphi 71: 511 steps at most, region (0, 0)
            (300.0, -2.7, 70.5 * tower),
            (300.0, -2.55, 70.5 * tower),
            (9.0, 3.1, 0.0),  # beyond the towers
        ]
    )
    assert found == {(0, 7): 30, (0, 6): 4, (1, 8): 8, (0, 12): 16, (0, 0): 1023}


def test_regions_may_be_rounded_as_a_whole_and_begin_anywhere() -> None:
    """Three towers of 0.4 GeV are no step each, but two steps together; 1.2 GeV at 355 degrees are in the last region
    from 0 degrees on and in the first from -10 on. An edge of regions is at 0.695."""
    degree = math.pi / 180
    towers = [
        (0.4, 0.1, 1 * degree),
        (0.4, 0.6949, 1 * degree),
        (0.4, 0.2, 19 * degree),
        (0.4, 0.3, 11 * degree),
        (1.2, -0.6955, 355 * degree),
    ]
    assert regions({"round": "regions", "first_phi": 0}, towers=towers) == {(0, 7): 2, (17, 4): 2}
    assert regions({"round": "regions"}, towers=towers) == {(1, 7): 1, (0, 4): 2}
    assert regions({"tower_max": 1}, towers=towers) == {(0, 4): 1}
    with pytest.raises(CardError, match="round"):
        regions({"round": "events"}, towers=towers)


def test_missing_momentum_may_do_without_an_eta() -> None:
    card = {"order": ["jets", "met", "muons"], "counts": {"jets": 1, "muons": 1}, "met_eta": False}
    made = make_input(parse_input({"kind": "l1_hardware", **card}, "a card"))
    names = ("jet1_pt", "jet1_eta", "jet1_phi", "met_pt", "met_phi", "muon1_pt", "muon1_eta", "muon1_phi")
    assert made.layout.columns == names
    gelato = {"order": ["jets", "taus", "muons", "met"], "counts": {"jets": 6, "taus": 4, "muons": 4}}
    assert make_input(parse_input({"kind": "l1_hardware", **gelato, "met_eta": False}, "a card")).layout.size == 44
    found = columns(card, met=[(33.4, 0, 3 * STEP)], jets=[(20, 0.0435, STEP)], muons=[(6.5, 0, STEP)])
    assert found == {
        "jet1_pt": 20,
        "jet1_eta": 1,
        "jet1_phi": 1,
        "met_pt": 33,
        "met_phi": 3,
        "muon1_pt": 7,
        "muon1_phi": 4,
    }
