"""CMS NanoAOD: the objects of a real file against straight loops over its branches; names of other versions."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events

MOMENTUM = {"pt", "eta", "phi", "mass"}


def read(path: Path, fields, **options) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


def columns(path: Path, prefix: str, *leaves: str) -> list[list[dict[str, float]]]:
    """One list of objects an event, straight from the branches."""
    tree = uproot.open(path)["Events"]
    return ak.zip({leaf: tree[f"{prefix}_{leaf}"].array() for leaf in leaves}).tolist()


def close(a: dict[str, float], b: dict[str, float], radius: float) -> bool:
    dphi = math.remainder(a["phi"] - b["phi"], 2 * math.pi)
    return math.hypot(a["eta"] - b["eta"], dphi) < radius


def test_jets_are_identified_tagged_and_apart_from_leptons(data: Path) -> None:
    path = data / "nanoaod_cms_2015_ttbar.root"
    jets = columns(path, "Jet", "pt", "eta", "phi", "mass", "jetId", "btagCSVV2")
    electrons = columns(path, "Electron", "pt", "eta", "phi", "cutBased")
    photons = columns(path, "Photon", "pt", "eta", "phi", "cutBased", "electronVeto")
    expected = []
    for of_event, es, gs in zip(jets, electrons, photons, strict=True):
        others = [e for e in es if e["cutBased"] >= 3 and e["pt"] > 10]
        others += [g for g in gs if g["cutBased"] >= 2 and g["electronVeto"] and g["pt"] > 10]
        expected.append([j for j in of_event if int(j["jetId"]) & 2 and not any(close(j, o, 0.4) for o in others)])
    events = read(path, {"jets": MOMENTUM | {"btag"}}, step_size=71)
    for feature in MOMENTUM:
        assert events.jets[feature].tolist() == [[j[feature] for j in of_event] for of_event in expected]
    assert events.jets.btag.tolist() == [[j["btagCSVV2"] > 0.8484 for j in of_event] for of_event in expected]
    assert [sum(map(len, jets)), ak.sum(ak.num(events.jets)), ak.sum(events.jets.btag)] == [537, 460, 7]


def test_a_tagger_that_is_not_filled_is_passed_over(data: Path) -> None:
    tree = uproot.open(data / "nanoaod_cms_2015_ttbar.root")["Events"]
    assert ak.all(tree["Jet_btagDeepFlavB"].array() == -3000)
    needed = open_events(data / "nanoaod_cms_2015_ttbar.root").branches("jets", {"btag"})
    assert {branch for branch in needed if "btag" in branch} == {"Jet_btagCSVV2"}


def test_leptons_photons_taus_and_met(data: Path) -> None:
    path = data / "nanoaod_cms_2015_ttbar.root"
    names = ("electrons", "muons", "photons", "taus", "fatjets")
    events = read(path, dict.fromkeys(names, MOMENTUM) | {"met": {"pt"}})
    electrons = [[e["pt"] for e in es if e["cutBased"] >= 3] for es in columns(path, "Electron", "pt", "cutBased")]
    assert events.electrons.pt.tolist() == electrons
    assert ak.all(abs(events.electrons.mass - 0.000511) < 1e-6)
    tree = uproot.open(path)["Events"]
    assert ak.sum(tree["Muon_mediumId"].array()) == ak.sum(ak.num(events.muons)) == 0  # this sample fills no muon ids
    assert "4 = Medium" in tree["Tau_idMVAoldDM"].title
    good = tree["Tau_pt"].array()[(tree["Tau_idMVAoldDM"].array() & 4) > 0]
    assert 0 < ak.sum(ak.num(events.taus)) < ak.sum(ak.num(good))  # electrons pass as taus
    assert set(ak.flatten(events.taus.pt).tolist()) < set(ak.flatten(good).tolist())
    assert np.array_equal(ak.to_numpy(events.met.pt), tree["PuppiMET_pt"].array(library="np"))
    assert np.array_equal(ak.to_numpy(events.weight), tree["genWeight"].array(library="np"))


def test_what_a_file_of_version_15_lacks(tmp_path: Path) -> None:
    """No jetId, other taggers, PuppiMET or PFMET only; data has no genWeight."""
    path = write(tmp_path / "v15.root")
    source = open_events(path)
    leptons = dict.fromkeys(("electrons", "muons", "photons", "taus"), MOMENTUM)
    assert source.available() == {"jets": {*MOMENTUM, "btag"}, "met": {"pt", "phi"}} | leptons
    events = read(path, {"jets": {"pt", "btag"}, "muons": {"pt"}, "taus": {"pt"}, "met": {"pt"}})
    assert events.weight.tolist() == [1.0, 1.0]
    assert events.jets.pt.tolist() == [[60.0], [30.0]]  # the first of event 0 is its muon
    assert events.jets.btag.tolist() == [[True], [False]]
    assert events.muons.pt.tolist() == [[80.0], []]
    assert events.taus.pt.tolist() == [[], [30.0]]
    assert events.met.pt.tolist() == [5.0, 6.0]


def test_runs_count_what_was_generated(data: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "runs.root", runs=True)
    sample = open_events(path).sample()
    assert (sample.generated_events, sample.generated_weight) == (30, 25.5)
    assert (sample.cross_section_pb, sample.sqrt_s_gev) == (None, None)
    assert open_events(data / "nanoaod_cms_2015_ttbar.root").sample().generated_events is None


def test_missing_and_bad_branches_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputDataError, match=r"'Events' has no branch 'Muon_mediumId', needed for muons"):
        read(write(tmp_path / "a.root", drop="Muon_mediumId"), {"muons": {"pt"}})
    with pytest.raises(InputDataError, match=r"has no branch 'Jet_btagDeepFlavB', needed for jets"):
        read(write(tmp_path / "b.root", drop="Jet_btagUParTAK4B"), {"jets": {"btag"}})
    with pytest.raises(InputDataError, match="NanoAOD stores no btag for fatjets"):
        read(write(tmp_path / "c.root"), {"fatjets": {"btag"}})
    with pytest.raises(InputDataError, match=r"'Jet_phi' holds nan at entry 1"):
        read(write(tmp_path / "d.root", Jet_phi=[[1.0, 2.0], [np.nan]]), {"jets": {"pt"}})


def test_other_trees_of_events_are_refused(tmp_path: Path) -> None:
    """MiniAOD calls its tree `Events` too."""
    with uproot.recreate(tmp_path / "mini.root") as file:
        file.mktree("Events", {"EventAuxiliary": "int64"}).extend({"EventAuxiliary": np.array([1, 2])})
    with pytest.raises(InputDataError, match=r"mini\.root: tree 'Events' has no branch of NanoAOD"):
        open_events(tmp_path / "mini.root")


@pytest.mark.parametrize("fraction", [0.2, 0.9])
def test_truncated_file(fraction: float, data: Path, tmp_path: Path) -> None:
    whole = (data / "nanoaod_cms_2015_ttbar.root").read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(InputDataError, match=r"cut\.root.*(damaged|truncated)"):
        read(path, {"met": {"pt"}})


def write(path: Path, drop: str = "", runs: bool = False, **changed) -> Path:
    """Two events with the names of version 15: a muon that is a jet too, and a tau."""
    content: dict[str, list] = {"PFMET_pt": [5.0, 6.0], "PFMET_phi": [0.0, 1.0]}
    jets = {"pt": [[80.0, 60.0], [30.0]], "eta": [[1.0, -1.0], [0.0]], "phi": [[3.1, 2.0], [0.5]]}
    taus = {"pt": [[80.0], [30.0]], "eta": [[1.0], [0.0]], "phi": [[3.1], [0.5]], "mass": [[1.0], [1.0]]}
    muons = {"pt": [[80.0, 40.0], [50.0]], "eta": [[1.0, -1.0], [0.0]], "phi": [[-3.1, 2.0], [0.5]]}
    none: list[list[float]] = [[], []]
    content |= {f"Jet_{f}": v for f, v in (jets | {"mass": jets["pt"], "btagUParTAK4B": [[0.1, 0.2], [0.1]]}).items()}
    content |= {f"Tau_{f}": v for f, v in (taus | {"idDeepTau2018v2p5VSjet": [[6], [5]]}).items()}
    content |= {f"Muon_{f}": v for f, v in muons.items()}
    content |= {"Muon_mediumId": [[True, True], [False]], "Muon_pfRelIso04_all": [[0.1, 0.3], [0.1]]}
    content |= {f"Electron_{f}": none for f in ("pt", "eta", "phi", "cutBased")}
    content |= {f"Photon_{f}": none for f in ("pt", "eta", "phi", "cutBased", "electronVeto")}
    content |= changed
    arrays = {}
    for name, values in content.items():
        array = ak.Array(values)
        arrays[name] = ak.values_astype(array, np.float32) if "unknown" in str(array.type) else array
    arrays.pop(drop, None)
    with uproot.recreate(path) as file:
        types = {name: array.type.content if array.ndim > 1 else "float64" for name, array in arrays.items()}
        tree = file.mktree("Events", types, counter_name=lambda name: f"n{name}")
        tree.extend(arrays)
        if runs:
            file.mktree("Runs", {"genEventCount": "int64", "genEventSumw": "float64"}).extend(
                {"genEventCount": np.array([10, 20]), "genEventSumw": np.array([20.0, 5.5])}
            )
    return path
