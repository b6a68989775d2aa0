"""Charges of leptons, in the formats that store them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import read_events


def read(path: Path, fields: dict[str, set[str]]) -> ak.Array:
    return next(iter(read_events([path], fields))).events


def test_delphes_charges_are_those_of_the_branches(data: Path) -> None:
    path = data / "hpm_taunu_0.root"
    events = read(path, {"electrons": {"pt", "charge"}, "muons": {"charge"}})
    with uproot.open(path) as file:
        for name, branch in (("electrons", "Electron/Electron.Charge"), ("muons", "Muon/Muon.Charge")):
            assert events[name].charge.tolist() == file["Delphes"][branch].array().tolist()
            assert set(np.unique(ak.flatten(events[name].charge))) == {-1, 1}


def test_nanoaod_charges_go_with_the_electrons_kept(data: Path) -> None:
    events = read(data / "nanoaod_cms_2015_ttbar.root", {"electrons": {"pt", "charge"}, "muons": {"charge"}})
    with uproot.open(data / "nanoaod_cms_2015_ttbar.root") as file:
        pt, charge = (file["Events"][f"Electron_{leaf}"].array().tolist() for leaf in ("pt", "charge"))
    stored = [dict(zip(*event, strict=True)) for event in zip(pt, charge, strict=True)]
    for kept, known in zip(events.electrons.tolist(), stored, strict=True):
        assert [one["charge"] for one in kept] == [known[one["pt"]] for one in kept]
    assert 0 < ak.sum(ak.num(events.electrons)) < sum(map(len, pt))


def test_photons_have_none(data: Path) -> None:
    with pytest.raises(InputDataError, match="charge"):
        read(data / "hpm_taunu_0.root", {"photons": {"charge"}})
