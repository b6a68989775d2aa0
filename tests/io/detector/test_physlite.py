"""ATLAS PHYSLITE: the objects of real events against straight loops over the branches."""

from __future__ import annotations

import math
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.memory import events_from
from hepad.io.reader import open_events, read_events

MOMENTUM = {"pt", "eta", "phi", "mass"}


@pytest.fixture(scope="module")
def path(data: Path) -> Path:
    return data / "physlite_slim.root"


def read(path: Path, fields, **options) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


def objects(path: Path, name: str, **branches: str) -> list[list[dict[str, float]]]:
    """One list of objects an event, momenta in GeV, straight from the branches."""
    tree = uproot.open(path)["CollectionTree"]
    leaves = {"pt": "pt", "eta": "eta", "phi": "phi", **branches}
    arrays = {key: tree[f"Analysis{name}AuxDyn.{leaf}"].array() for key, leaf in leaves.items()}
    return ak.zip(arrays | {"pt": arrays["pt"] / np.float32(1000)}).tolist()


def apart(a: dict[str, float], others: list[dict[str, float]], radius: float = 0.4) -> bool:
    near = [math.hypot(a["eta"] - o["eta"], math.remainder(a["phi"] - o["phi"], 2 * math.pi)) for o in others]
    return not any(distance < radius for distance in near)


def selected(path: Path) -> tuple[list, list, list]:
    """Electrons, muons and photons as the reader's documentation words it."""
    track = "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000"
    candidates = objects(path, "Electrons", id="DFCommonElectronsLHMedium", track=track, calo="topoetcone20")
    electrons = [
        [e for e in es if e["id"] and e["track"] < 150 * e["pt"] and e["calo"] < 200 * e["pt"]] for es in candidates
    ]
    names = {"id": "DFCommonMuonPassIDCuts", "q": "quality", "flow": "neflowisol20"}
    candidates = objects(path, "Muons", **names, track="ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500")
    muons = [
        [m for m in ms if m["id"] and int(m["q"]) % 8 < 2 and m["track"] + 0.4 * m["flow"] < 160 * m["pt"]]
        for ms in candidates
    ]
    photons = []
    names = {"tight": "DFCommonPhotonsIsEMTight", "clean": "DFCommonPhotonsCleaning"}
    for event, gs in enumerate(objects(path, "Photons", **names, track="ptcone20", calo="topoetcone20")):
        leptons = [o for o in electrons[event] + muons[event] if o["pt"] > 10]
        good = [g for g in gs if g["tight"] and g["clean"] and g["track"] < 50 * g["pt"] and g["calo"] < 65 * g["pt"]]
        photons.append([g for g in good if apart(g, leptons)])
    return electrons, muons, photons


def falling(events: list[list[dict[str, float]]]) -> list[list[dict[str, float]]]:
    """The objects of each event by falling pT: what was calibrated is not always in order in the file."""
    return [sorted(objects, key=lambda o: -o["pt"]) for objects in events]


def test_leptons_photons_and_jets(path: Path) -> None:
    electrons, muons, photons = selected(path)
    events = read(path, dict.fromkeys(("jets", "electrons", "muons", "photons"), MOMENTUM), step_size=33)
    assert events.electrons.pt.tolist() == [[e["pt"] for e in es] for es in falling(electrons)]
    assert falling(electrons) != electrons
    assert events.muons.eta.tolist() == [[m["eta"] for m in ms] for ms in falling(muons)]
    assert events.photons.phi.tolist() == [[g["phi"] for g in gs] for gs in falling(photons)]
    assert ak.all(events.photons.mass == 0)
    kept = []
    for event, of_event in enumerate(objects(path, "Jets", mass="m", jvt="NNJvtPass")):
        others = [o for o in electrons[event] + muons[event] + photons[event] if o["pt"] > 10]
        kept.append([j for j in of_event if j["jvt"] and apart(j, others)])
    kept = falling(kept)
    assert events.jets.pt.tolist() == [[j["pt"] for j in of_event] for of_event in kept]
    assert np.allclose(ak.flatten(events.jets.mass), [j["mass"] / 1000 for js in kept for j in js], rtol=1e-6)
    assert [ak.sum(ak.num(events[n])) for n in ("electrons", "muons", "photons")] == [114, 1, 9]


def test_b_tags_follow_the_links(path: Path, tmp_path: Path) -> None:
    tree = uproot.open(path)["CollectionTree"]
    b, c, u = (tree[f"BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_p{flavour}"].array() for flavour in "bcu")
    tagged = np.log(b / (0.018 * c + 0.982 * u)) > 0.948
    pts = [round(float(pt), 3) for pt in ak.flatten(tree["AnalysisJetsAuxDyn.pt"].array()[tagged] / 1000)]
    events = read(path, {"jets": {"pt", "btag"}})
    found = [round(float(pt), 3) for pt in ak.flatten(events.jets.pt[events.jets.btag])]
    assert len(found) >= 5
    assert set(found) <= set(pts)
    untagged = {round(float(pt), 3) for pt in ak.flatten(events.jets.pt[~events.jets.btag])}
    assert untagged.isdisjoint(pts)

    index = "AnalysisJetsAuxDyn.btaggingLink.m_persIndex"
    key = "AnalysisJetsAuxDyn.btaggingLink.m_persKey"
    reversed_scores = {  # links that do not count from 0 upwards: the scores lie in the other order
        name: tree[name].array()[:, ::-1]
        for name in tree.keys(recursive=False)
        if "BTagging" in name and not name.startswith("n_")
    }
    order = tree[index].array()
    moved = rewrite(path, tmp_path / "moved.root", {**reversed_scores, index: ak.num(order) - 1 - order})
    assert ak.array_equal(read(moved, {"jets": {"pt", "btag"}}).jets.btag, events.jets.btag)
    unlinked = rewrite(path, tmp_path / "unlinked.root", {key: order * 0, index: order + 99})
    assert not ak.any(read(unlinked, {"jets": {"btag"}}).jets.btag)
    with pytest.raises(InputDataError, match=r"m_persIndex' does not match the jets"):
        read(rewrite(path, tmp_path / "wrong.root", {index: order + 99}), {"jets": {"btag"}})


def test_the_newer_tagger_is_taken_with_its_own_cut(path: Path, tmp_path: Path) -> None:
    tree = uproot.open(path)["CollectionTree"]
    old = "BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_p"
    new = "BTagging_AntiKt4EMPFlowAuxDyn.GN2v01_p"
    scores = {flavour: tree[old + flavour].array() for flavour in "bcu"}
    tau = scores["b"] * 10
    renamed = {new + flavour: array for flavour, array in scores.items()} | {f"{new}tau": tau}
    events = read(rewrite(path, tmp_path / "new.root", renamed), {"jets": {"pt", "btag"}})
    tagged = np.log(scores["b"] / (0.2 * scores["c"] + 0.01 * tau + 0.79 * scores["u"])) > 0.82
    pts = set(ak.flatten(tree["AnalysisJetsAuxDyn.pt"].array()[tagged] / np.float32(1000)).tolist())
    found = set(ak.flatten(events.jets.pt[events.jets.btag]).tolist())
    assert found
    assert found <= pts
    assert pts.isdisjoint(ak.flatten(events.jets.pt[~events.jets.btag]).tolist())


@pytest.mark.parametrize(
    ("tagger", "fractions", "cut"),
    [("DL1dv01", {"c": 0.018, "u": 0.982}, 0.948), ("GN2v01", {"c": 0.2, "tau": 0.01, "u": 0.79}, 0.82)],
)
def test_the_cut_of_a_tagger(path: Path, tmp_path: Path, tagger: str, fractions: dict[str, float], cut: float) -> None:
    """Scores set just above the cut in even events and just below in odd ones."""
    old = uproot.open(path)["CollectionTree"]["BTagging_AntiKt4EMPFlowAuxDyn.DL1dv01_pb"].array()
    scores = {flavour: ak.ones_like(old) * (0.1 + 0.2 * i) for i, flavour in enumerate(fractions)}
    other = sum(fraction * scores[flavour] for flavour, fraction in fractions.items())
    shift = np.where(np.arange(len(old)) % 2, -1e-3, 1e-3)
    scores["b"] = ak.values_astype(np.exp(cut + shift) * other, np.float32)
    names = {f"BTagging_AntiKt4EMPFlowAuxDyn.{tagger}_p{flavour}": array for flavour, array in scores.items()}
    btag = read(rewrite(path, tmp_path / "cut.root", names), {"jets": {"btag"}}).jets.btag
    assert ak.all(btag[::2])
    assert not ak.any(btag[1::2])


def test_missing_momentum(path: Path) -> None:
    """The formula of the documentation, event by event; the Z -> ee events of this file have no neutrinos."""
    electrons, muons, photons = selected(path)
    tree = uproot.open(path)["CollectionTree"]
    core = {axis: tree[f"MET_Core_AnalysisMETAuxDyn.mp{axis}"].array().tolist() for axis in "xy"}
    tracks = {axis: tree[f"METAssoc_AnalysisMETAux.jettrkp{axis}"].array().tolist() for axis in "xy"}
    expected = []
    for event, jets in enumerate(objects(path, "Jets", jvt="NNJvtPass")):
        leptons = electrons[event] + muons[event] + photons[event]
        px, py = (core[axis][event][1] / 1000 for axis in "xy")
        hard = list(leptons)
        for place, jet in enumerate(jets):
            if not apart(jet, [o for o in leptons if o["pt"] > 10]):
                continue
            if jet["jvt"] and jet["pt"] > (20 if abs(jet["eta"]) < 2.4 else 30):
                hard.append(jet)
            else:
                px -= tracks["x"][event][place] / 1000
                py -= tracks["y"][event][place] / 1000
        px -= sum(o["pt"] * math.cos(o["phi"]) for o in hard)
        py -= sum(o["pt"] * math.sin(o["phi"]) for o in hard)
        expected.append((px, py))
    events = read(path, {"met": {"pt", "phi"}}, step_size=41)
    x, y = np.array(expected).T
    pt, phi = ak.to_numpy(events.met.pt), ak.to_numpy(events.met.phi)
    assert np.allclose(pt * np.cos(phi), x, rtol=1e-4, atol=1e-3)
    assert np.allclose(pt * np.sin(phi), y, rtol=1e-4, atol=1e-3)
    hard_only = np.hypot(x - np.array([v[1] for v in core["x"]]) / 1000, y - np.array([v[1] for v in core["y"]]) / 1000)
    assert np.median(pt) < np.median(hard_only)  # the soft term balances what the objects leave


def test_the_soft_term_is_found_by_its_name(path: Path) -> None:
    """The order of the terms is the producer's; slims of uproot lose their names."""
    tree = uproot.open(path)["CollectionTree"]
    arrays = {name: tree[name].array() for name in tree.keys(recursive=False) if not name.startswith("n_")}
    turned = {name: array[:, ::-1] if name.startswith("MET_Core") else array for name, array in arrays.items()}
    named = turned | {"MET_Core_AnalysisMETAuxDyn.name": ak.Array([["PVSoftTrkCore", "SoftClusCore"]] * 100)}
    met = {"met": {"pt", "phi"}}
    assert ak.array_equal(events_from(named, met).met, read(path, met).met)
    assert not ak.array_equal(events_from(turned, met).met, read(path, met).met)
    other = turned | {"MET_Core_AnalysisMETAuxDyn.name": ak.Array([["SoftClusCore", "Muons"]] * 100)}
    with pytest.raises(InputDataError, match="has no term PVSoftTrkCore at entry 0"):
        events_from(other, met)


def test_weights_taus_and_fatjets(path: Path, tmp_path: Path) -> None:
    events = read(path, {"taus": MOMENTUM, "fatjets": MOMENTUM})
    tree = uproot.open(path)["CollectionTree"]
    assert np.array_equal(ak.to_numpy(events.weight), ak.to_numpy(tree["EventInfoAuxDyn.mcEventWeights"].array()[:, 0]))
    assert np.allclose(ak.flatten(events.fatjets.pt), ak.flatten(tree["AnalysisLargeRJetsAuxDyn.pt"].array()) / 1000)
    medium = tree["AnalysisTauJetsAuxDyn.pt"].array()[tree["AnalysisTauJetsAuxDyn.JetDeepSetMedium"].array() == 1]
    assert 0 < ak.sum(ak.num(events.taus)) <= ak.sum(ak.num(medium))
    real = rewrite(path, tmp_path / "data.root", {}, drop="EventInfo")
    assert read(real, {"taus": {"pt"}}).weight.tolist() == [1.0] * 100


def test_missing_and_damaged_branches_are_named(path: Path, tmp_path: Path) -> None:
    lacking = rewrite(path, tmp_path / "a.root", {}, drop="METAssoc")
    assert "met" not in open_events(lacking).available()
    with pytest.raises(InputDataError, match=r"no branch 'METAssoc_AnalysisMETAux\.jettrkpx'.*needed for met"):
        read(lacking, {"met": {"pt"}})
    tree = uproot.open(path)["CollectionTree"]
    thinned = {f"METAssoc_AnalysisMETAux.jettrkp{a}": tree[f"METAssoc_AnalysisMETAux.jettrkp{a}"].array() for a in "xy"}
    thinned = {name: array[:, 1:] for name, array in thinned.items()}
    with pytest.raises(InputDataError, match=r"jettrkpx' does not match the jets"):
        read(rewrite(path, tmp_path / "b.root", thinned), {"met": {"pt"}})
    core = {f"MET_Core_AnalysisMETAuxDyn.mp{a}": tree[f"MET_Core_AnalysisMETAuxDyn.mp{a}"].array()[:, :1] for a in "xy"}
    with pytest.raises(InputDataError, match="has no term PVSoftTrkCore at entry 0"):
        read(rewrite(path, tmp_path / "c.root", core), {"met": {"pt"}})
    with pytest.raises(InputDataError, match="PHYSLITE files have no scalar_ht"):
        read(path, {"scalar_ht": {"ht"}})


def rewrite(path: Path, target: Path, changed: dict[str, ak.Array], drop: str = "none") -> Path:
    """The slim again, with some branches replaced or left out."""
    tree = uproot.open(path)["CollectionTree"]
    names = [name for name in tree.keys(recursive=False) if not name.startswith("n_") and drop not in name]
    arrays = {name: tree[name].array() for name in names} | changed
    with uproot.recreate(target) as file:
        types = {name: array.type.content for name, array in arrays.items()}
        file.mktree("CollectionTree", types, counter_name=lambda name: "n_" + name.replace(".", "_")).extend(arrays)
    return target
