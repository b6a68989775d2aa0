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


FORWARD = {  # one jet of each kind: |eta|, neHEF, neEmEF, chHEF, chMultiplicity, neMultiplicity, tight?
    "central": (0.5, 0.98, 0.89, 0.02, 1, 1, True),
    "all neutral hadrons": (0.5, 0.99, 0.0, 0.02, 1, 1, False),
    "all photons": (2.6, 0.0, 0.9, 0.02, 1, 1, False),
    "one particle": (2.5, 0.0, 0.0, 0.02, 1, 0, False),
    "little charged energy": (2.5, 0.0, 0.0, 0.01, 1, 1, False),
    "nothing charged": (2.5, 0.0, 0.0, 0.02, 0, 2, False),
    "edge of the tracker": (2.65, 0.89, 0.98, 0.0, 0, 1, True),
    "edge, neutral hadrons": (2.65, 0.9, 0.0, 0.0, 0, 1, False),
    "edge, photons": (2.7, 0.0, 0.99, 0.0, 0, 1, False),
    "endcap": (3.0, 0.98, 1.0, 0.0, 0, 1, True),
    "endcap, neutral hadrons": (2.71, 0.99, 0.0, 0.0, 0, 1, False),
    "forward": (3.01, 1.0, 0.39, 0.0, 0, 2, True),
    "forward, photons": (4.0, 0.0, 0.4, 0.0, 0, 2, False),
    "forward, one particle": (4.0, 0.0, 0.0, 0.0, 0, 1, False),
}


def with_jets(path: Path, without: tuple[str, ...] = (), **more: list) -> Path:
    """One jet an event, of each kind above."""
    eta, nhf, nef, chf, charged, neutral, _ = (list(column) for column in zip(*FORWARD.values(), strict=True))
    names = ("neHEF", "neEmEF", "chHEF", "chMultiplicity", "neMultiplicity")
    leaves = dict(zip(names, (nhf, nef, chf, charged, neutral), strict=True)) | {"eta": [-x for x in eta]}
    leaves |= {"pt": [50.0 + i for i in range(len(eta))], "phi": [1.0] * len(eta), "mass": [5.0] * len(eta)}
    content = {f"Jet_{name}": [[value] for value in values] for name, values in leaves.items() if name not in without}
    empty: list[list[float]] = [[] for _ in eta]
    others = [f"{p}_{f}" for p in ("Electron", "Muon", "Photon") for f in ("pt", "eta", "phi")]
    others += ["Electron_cutBased", "Muon_mediumId", "Muon_pfRelIso04_all", "Photon_cutBased", "Photon_electronVeto"]
    content |= dict.fromkeys(others, empty) | more
    with uproot.recreate(path) as file:
        arrays = {name: ak.values_astype(ak.Array(v), "float32") for name, v in content.items()}
        arrays |= {
            name: ak.values_astype(a, "uint8") for name, a in arrays.items() if name.endswith(("jetId", "icity"))
        }
        types = {name: array.type.content for name, array in arrays.items()}
        file.mktree("Events", types, counter_name=lambda name: f"n{name}").extend(arrays)
    return path


def test_jets_are_tight_by_their_constituents_where_the_flag_is_wrong_or_gone(tmp_path: Path) -> None:
    """CMS' criteria for Run 3; with a flag in versions 13 and 14, which is not asked, and without in version 15."""
    expected = [tight for *_, tight in FORWARD.values()]
    jets = {"jets": {"pt"}}
    assert ak.num(read(with_jets(tmp_path / "v15.root"), jets).jets).tolist() == expected
    flags = [[0] if tight else [6] for tight in expected]
    v13 = with_jets(tmp_path / "v13.root", Jet_jetId=flags, Jet_btagPNetB=[[0.0]] * len(flags))
    assert ak.num(read(v13, jets).jets).tolist() == expected
    lost = with_jets(tmp_path / "lost.root", without=("chMultiplicity",))
    assert ak.sum(ak.num(read(lost, jets).jets)) == len(expected)


def test_the_flag_of_version_12_is_mended_by_energy_fractions(tmp_path: Path) -> None:
    """CMS' recipe: beyond 2.7 neHEF < 0.99 too, beyond 3.0 neEmEF < 0.4 instead; nothing else than the bit within."""
    multiplicities = ("chHEF", "chMultiplicity", "neMultiplicity")
    eta, nhf, nef, *_ = zip(*FORWARD.values(), strict=True)
    flags = [[2 + 4 * (i % 2)] for i in range(len(eta))]
    flags[0], flags[6] = [5], [4]  # loose and lepton veto without tight
    expected = [
        bool(flag[0] & 2) and (x <= 2.7 or (x <= 3.0 and n < 0.99) or (x > 3.0 and e < 0.4))
        for flag, x, n, e in zip(flags, eta, nhf, nef, strict=True)
    ]
    assert expected.count(False) == 4
    path = with_jets(tmp_path / "v12.root", without=multiplicities, Jet_jetId=flags)
    assert ak.num(read(path, {"jets": {"pt"}}).jets).tolist() == expected
    assert open_events(path).sample().notes == ()

    bare = with_jets(tmp_path / "bare.root", without=(*multiplicities, "neHEF"), Jet_jetId=flags)
    assert ak.num(read(bare, {"jets": {"pt"}}).jets).tolist() == [bool(flag[0] & 2) for flag in flags]
    (note,) = open_events(bare).sample().notes
    assert "do not trust forward jets" in note


def test_only_the_tight_bit_identifies_a_jet_of_older_versions(data: Path, tmp_path: Path) -> None:
    content = uproot.open(data / "nanoaod_cms_2015_ttbar.root")["Events"]
    assert "int32" in content["Jet_jetId"].typename
    path = write(tmp_path / "bits.root", Jet_jetId=[[5, 6], [4]], drop="Jet_btagUParTAK4B")
    assert read(path, {"jets": {"pt"}}).jets.pt.tolist() == [[60.0], []]
    path = write(tmp_path / "more.root", Jet_jetId=[[1, 3], [2]], drop="Jet_btagUParTAK4B")
    assert read(path, {"jets": {"pt"}}).jets.pt.tolist() == [[60.0], [30.0]]


@pytest.mark.parametrize("name", ["Photon_cutBasedBitmap", "Photon_cutBased17Bitmap"])
def test_photons_of_version_7_and_before(name: str, tmp_path: Path) -> None:
    """Bit 0 is loose, 1 medium, 2 tight; a newer `cutBased` counts from 0 to 3 instead and goes first."""
    photons = {"pt": [[90.0, 80.0, 70.0], [60.0, 50.0]], "eta": [[3.0] * 3, [3.0] * 2], "phi": [[0.0] * 3, [0.0] * 2]}
    content = {f"Photon_{leaf}": values for leaf, values in photons.items()}
    content |= {"Photon_electronVeto": [[True] * 3, [True, False]], name: [[1, 3, 4], [2, 7]]}
    old = write(tmp_path / "v7.root", drop="Photon_cutBased", **content)
    assert read(old, {"photons": {"pt"}}).photons.pt.tolist() == [[80.0], [60.0]]
    new = write(tmp_path / "v9.root", **content, Photon_cutBased=[[2, 1, 0], [1, 3]])
    assert read(new, {"photons": {"pt"}}).photons.pt.tolist() == [[90.0], []]
    lost = write(tmp_path / "lost.root", drop="Photon_cutBased", Photon_electronVeto=[[], []])
    with pytest.raises(InputDataError, match=r"no branch 'Photon_cutBased', needed for photons"):
        read(lost, {"photons": {"pt"}})


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
