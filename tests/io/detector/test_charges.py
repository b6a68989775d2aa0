"""Charges of leptons, in the formats that store them."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events


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


@pytest.mark.parametrize("name", ["z_mlm.lhe.gz", "ttbar_hepmc2.hepmc.gz", "ttbar_hepmc3.hepmc.gz"])
def test_generators_know_the_charge(name: str, data: Path) -> None:
    for package in ("pythia8mc", "pyhepmc", "fastjet"):
        pytest.importorskip(package)
    file = open_events(data / name)
    fields = {n: {"pt", "eta", "phi", "mass", "charge"} for n in ("electrons", "muons")}
    events = next(file.iterate(fields, step_size=60, stop=60))
    particles, _ = next(file.blocks(min(60, file.entries)))  # type: ignore[attr-defined]
    p, seen = particles, 0
    phi, eta = np.arctan2(p.py, p.px), np.arcsinh(p.pz / np.maximum(np.hypot(p.px, p.py), 1e-9))
    for kind, number in (("electrons", 11), ("muons", 13)):
        for event, leptons in enumerate(events[kind].tolist()):
            own = slice(particles.offsets[event], particles.offsets[event + 1])
            same = particles.final[own] & (abs(particles.pdg[own]) == number)
            for lepton in leptons:  # dressed, so that it is near its particle and not the same
                distance = np.hypot(eta[own] - lepton["eta"], np.remainder(phi[own] - lepton["phi"] + 3, 6.2831853) - 3)
                nearest = np.argmin(np.where(same, distance, np.inf))
                assert lepton["charge"] == (-1 if particles.pdg[own][nearest] > 0 else 1)
                seen += 1
        if name.startswith("z"):
            assert {sum(lepton["charge"] for lepton in e) for e in events[kind].tolist() if len(e) == 2} == {0}
    assert seen >= (1 if "hepmc" in name else 20)
