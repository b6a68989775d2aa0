"""Quantities of events, against plain uproot and four-momenta of our own on the same file."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.cards.input import parse_input
from hepad.errors import CardError
from hepad.inputs.base import make_input
from hepad.io.memory import events_from
from hepad.io.reader import read_events

NAMES = (
    *("jet1_pt", "jet1_eta", "jet1_phi", "jet2_mass", "jet1+jet2_mass", "jet1+jet2+jet3_mass", "jet1+jet2_lightest"),
    *("jet1+jet2_heaviest", "jet1+jet2_deta", "jet1+jet2_dphi", "jet1+jet2_dr", "met_pt", "met_phi", "jets_n"),
    *("jets_ht", "bjets_n", "lightjets_ht", "jet2_btag"),
)


def card(**changes: object) -> object:
    return parse_input({"kind": "event_features", "features": list(NAMES), **changes}, "a card")


def momentum(pt: float, eta: float, phi: float, mass: float) -> np.ndarray:
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.array([np.sqrt(pt**2 + z**2 + mass**2), x, y, z])


def mass_of(*jets: tuple[float, float, float, float]) -> float:
    e, *p = sum(momentum(*jet) for jet in jets)
    return float(np.sqrt(max(e**2 - np.dot(p, p), 0)))


def expected(jets: list[tuple[float, float, float, float]], tags: list[bool], met: tuple[float, float]) -> dict:
    found = {"met_pt": met[0], "met_phi": met[1], "jets_n": len(jets), "jets_ht": sum(jet[0] for jet in jets)}
    found |= {"bjets_n": sum(tags), "lightjets_ht": sum(j[0] for j, t in zip(jets, tags, strict=True) if not t)}
    if len(jets) > 0:
        found |= dict(zip(("jet1_pt", "jet1_eta", "jet1_phi"), jets[0], strict=False))
    if len(jets) > 1:
        a, b = jets[:2]
        found["jet2_btag"] = float(tags[1])
        dphi = abs((a[2] - b[2] + np.pi) % (2 * np.pi) - np.pi)
        found |= {"jet2_mass": b[3], "jet1+jet2_mass": mass_of(a, b), "jet1+jet2_lightest": min(a[3], b[3])}
        found |= {"jet1+jet2_heaviest": max(a[3], b[3]), "jet1+jet2_deta": abs(a[1] - b[1]), "jet1+jet2_dphi": dphi}
        found["jet1+jet2_dr"] = np.hypot(a[1] - b[1], dphi)
    if len(jets) > 2:
        found["jet1+jet2+jet3_mass"] = mass_of(*jets[:3])
    return found


@pytest.fixture(scope="module")
def truth(examples: Path) -> list[dict[str, float]]:
    """The quantities of each event that has them."""
    tree = uproot.open(examples / "wprime_wz_2tev.root")["Delphes"]
    jet = {leaf: tree[f"Jet.{leaf}"].array().tolist() for leaf in ("PT", "Eta", "Phi", "Mass", "BTag")}
    met = {leaf: tree[f"MissingET.{leaf}"].array().tolist() for leaf in ("MET", "Phi")}
    rows = []
    for i in range(tree.num_entries):
        jets = list(zip(*(jet[leaf][i] for leaf in ("PT", "Eta", "Phi", "Mass")), strict=True))
        tags = [bool(tag & 1) for tag in jet["BTag"][i]]
        order = sorted(range(len(jets)), key=lambda k: -jets[k][0])
        sorted_jets, sorted_tags = [jets[k] for k in order], [tags[k] for k in order]
        rows.append(expected(sorted_jets, sorted_tags, (met["MET"][i][0], met["Phi"][i][0])))
    return rows


def test_quantities_are_those_of_the_file(examples: Path, truth: list[dict[str, float]]) -> None:
    kind = make_input(card(mass="jet1+jet2+jet3"))
    (chunk,) = read_events([examples / "wprime_wz_2tev.root"], kind.fields())
    batch = kind.raw(chunk.events)
    assert batch.columns == NAMES
    assert len(batch) == len(truth)
    for row, wanted in enumerate(truth):
        assert {name for name, there in zip(NAMES, batch.there[row], strict=True) if there} == set(wanted)
        found = {name: value for name, value in zip(NAMES, batch.x[row], strict=True) if name in wanted}
        assert found == pytest.approx(wanted, rel=2e-5, abs=1e-4)
        assert batch.beside["mass"][row] == pytest.approx(
            wanted.get("jet1+jet2+jet3_mass", np.nan), nan_ok=True, rel=1e-5
        )
    assert 0 < np.isnan(batch.beside["mass"]).sum() < len(batch)


def test_the_standard_score_is_of_the_events_that_have_the_quantity(
    examples: Path, truth: list[dict[str, float]]
) -> None:
    kind = make_input(card())
    (chunk,) = read_events([examples / "wprime_wz_2tev.root"], kind.fields())
    batch = kind.raw(chunk.events)
    assert "mass" not in batch.beside
    scaled = kind.fitted(batch).scaled(batch)
    for column, name in enumerate(NAMES):
        values = np.array([row[name] for row in truth if name in row])
        there = scaled.x[scaled.there[:, column], column]
        np.testing.assert_allclose(there, (values - values.mean()) / values.std(), atol=2e-3)
    constant = make_input(card(features=["met_pt"])).raw(chunk.events[:1])
    assert make_input(card(features=["met_pt"])).fitted(constant).scaled(constant).x.tolist() == [[0.0]]
    assert make_input(card(scale="none")).scaled(batch) is batch


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"features": ["jet1"]}, "'jet1' is no quantity: write OBJECTS_WHAT"),
        ({"features": ["jet1_charm"]}, "'jet1_charm' is no quantity: of jet1 there are pt, eta, phi, mass"),
        ({"features": ["jet1+jet2_pt"]}, "of jet1+jet2 there are mass, lightest, heaviest, deta, dphi, dr"),
        ({"features": ["jet1+jet2+jet3_dr"]}, "of jet1+jet2+jet3 there are mass, lightest, heaviest"),
        ({"features": ["jets_mass"]}, "of jets there are n, ht"),
        ({"features": ["met_eta"]}, "of met there are pt, phi"),
        ({"features": ["jet1+jet1_mass"]}, "names an object twice"),
        ({"features": ["met_pt", "met_pt"]}, "each quantity once"),
        ({"features": []}, "features"),
        ({"mass": "jet"}, "'jet' is not an object"),
    ],
)
def test_a_card_that_names_no_quantity_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(CardError) as caught:
        card(**changes)
    assert said in str(caught.value)


def test_a_fat_jet_has_ratios_of_its_subjettiness(data: Path) -> None:
    """Against the file's own branches; of a jet of one particle, whose tau1 is 0, there is no ratio."""
    branches = ["jet_sdmass", "jet_pt", *(f"jet_tau{n}" for n in (1, 2, 3, 4))]
    tree = uproot.open(data / "jets.root")["tree"].arrays(branches)
    names = ("fatjet1_sdmass", "fatjet1_tau21", "fatjet1_tau32", "fatjet1_tau43", "fatjet1_tau42", "fatjet1_sdrho")
    vector = make_input(card(features=list(names), scale="none"))
    (chunk,) = read_events([data / "jets.root"], vector.fields())
    x = vector(chunk.events).x
    tau = np.stack([tree[f"jet_tau{n}"].to_numpy().astype(float) for n in (1, 2, 3, 4)])
    np.testing.assert_allclose(x[:, 1:4], (tau[1:] / tau[:-1]).T, rtol=1e-6)
    np.testing.assert_allclose(x[:, 4], tau[3] / tau[1], rtol=1e-6)
    np.testing.assert_array_equal(x[:, 0], tree["jet_sdmass"].to_numpy())
    np.testing.assert_allclose(x[:, 5], (tree["jet_sdmass"] / tree["jet_pt"]).to_numpy(), rtol=1e-6)
    one = events_from({"fatjets": ak.Array([[{"pt": 600.0, "tau1": 0.0, "tau2": 0.0}]]), "weight": [1.0]})
    found = make_input(card(features=["fatjet1_tau21", "fatjet1_pt"], scale="none"))(one)
    assert found.there.tolist() == [[False, True]]
    assert found.x[0, 0] == 0
    with pytest.raises(CardError, match="of jet1 there are pt, eta, phi, mass"):
        card(features=["jet1_tau21"])
