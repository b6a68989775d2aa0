"""The energy scale of jets: momenta and masses, and what missing momentum balances."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from hepad.objects.jet_scale import jet_scale_fields, with_jets_scaled


def events(*names: str) -> ak.Array:
    jets = {"pt": [[50.0, 40.0], [], [90.0]], "phi": [[0.0, np.pi / 2], [], [-2.0]], "mass": [[5.0, 6.0], [], [9.0]]}
    every = {
        "jets": ak.zip(jets),
        "fatjets": ak.zip({"pt": [[80.0], [], []], "phi": [[np.pi], [], []], "sdmass": [[20.0], [], []]}),
        "electrons": ak.zip({"pt": [[30.0], [20.0], []], "phi": [[0.1], [0.2], []]}),
        "met": ak.Array({"pt": [20.0, 60.0, 10.0], "phi": [0.0, 1.0, -3.0]}),
        "scalar_ht": ak.Array([120.0, 20.0, 90.0]),
    }
    return ak.Array({name: every[name] for name in names or every})


def test_the_momentum_of_an_event_is_kept() -> None:
    """Jets of 50 and 40 GeV along x and y that grow by a tenth take 5 and 4 GeV from what is missing."""
    found = with_jets_scaled(events(), 1.1)
    assert found.jets.pt.tolist() == [[pytest.approx(55.0), pytest.approx(44.0)], [], [pytest.approx(99.0)]]
    assert found.jets.mass.tolist() == [[pytest.approx(5.5), pytest.approx(6.6)], [], [pytest.approx(9.9)]]
    assert found.fatjets.sdmass[0, 0] == pytest.approx(22.0)
    assert found.fatjets.pt[0, 0] == pytest.approx(88.0)
    assert found.met.pt[0] == pytest.approx(np.hypot(15, 4))
    assert found.met.phi[0] == pytest.approx(np.arctan2(-4, 15))
    assert (found.met.pt[1], found.met.phi[1]) == (pytest.approx(60.0), pytest.approx(1.0))
    assert found.scalar_ht.tolist() == pytest.approx([129.0, 20.0, 99.0])
    assert found.electrons.tolist() == events().electrons.tolist()
    assert found.jets.phi.tolist() == events().jets.phi.tolist()


def test_fat_jets_alone_balance_what_is_missing() -> None:
    found = with_jets_scaled(events("fatjets", "met"), 0.9)
    assert found.met.pt[0] == pytest.approx(20.0 - 8.0)  # a fat jet of 80 GeV along -x, less of it


def test_without_jets_or_at_scale_one_nothing_changes() -> None:
    same = events()
    assert with_jets_scaled(same, 1.0) is same
    assert with_jets_scaled(events("electrons", "met"), 1.1).met.pt.tolist() == same.met.pt.tolist()
    assert "met" not in with_jets_scaled(events("jets"), 1.1).fields


def test_directions_are_read_where_they_are_needed() -> None:
    asked = {"jets": {"pt"}, "met": {"pt"}}
    assert jet_scale_fields(asked) == {"jets": {"pt", "phi"}, "met": {"pt", "phi"}}
    assert jet_scale_fields({"fatjets": {"pt"}, "met": {"pt"}})["fatjets"] == {"pt", "phi"}
    assert jet_scale_fields({"jets": {"pt"}}) == {"jets": {"pt"}}
    assert jet_scale_fields({"met": {"pt"}}) == {"met": {"pt"}}
