"""The Delphes reader, on files that Delphes wrote and on slims."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.cards.selection import load_selection
from hepad.errors import CardError, InputDataError, UsageError
from hepad.io.events import merge_fields
from hepad.io.memory import events_from
from hepad.io.reader import open_events, read_events
from hepad.objects.selection import apply_selection
from hepad.pipeline.vectorize import VectorizeOptions, vectorize

FIELDS = {
    "jets": {"pt", "eta", "phi", "mass", "btag"},
    "electrons": {"pt", "mass"},
    "met": {"pt", "phi"},
    "scalar_ht": {"ht"},
}


def read(path: Path, fields=FIELDS, **options) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields, **options)])


def test_substructure_of_fat_jets(examples: Path, write_slim: Callable[..., Path]) -> None:
    """Delphes has five numbers of N-subjettiness a jet, and the momentum after soft drop."""
    path = examples / "w_lnu.root"
    found = read(path, {"fatjets": {"mass", "sdmass", "tau1", "tau2", "tau3", "tau4"}}, step_size=100).fatjets
    tree = uproot.open(path)["Delphes"]
    taus = ak.to_numpy(ak.flatten(tree["FatJet.Tau[5]"].array()))
    assert len(taus) == 10
    for n in (1, 2, 3, 4):
        np.testing.assert_array_equal(ak.flatten(found[f"tau{n}"]), taus[:, n - 1])
    jet = ak.flatten(tree["FatJet.SoftDroppedJet"].array())
    expected = np.sqrt(np.maximum(jet.fE**2 - jet.fP.fX**2 - jet.fP.fY**2 - jet.fP.fZ**2, 0))
    np.testing.assert_allclose(ak.flatten(found.sdmass), expected, atol=1e-3)
    assert float(ak.max(found.sdmass)) > 5
    momenta = {f"FatJet_{leaf}": [[300.0], [], [250.0]] for leaf in ("PT", "Eta", "Phi", "Mass")}
    with pytest.raises(InputDataError, match=r"'FatJet\.SoftDroppedJet' is not as Delphes writes it; leave out sdmass"):
        read(write_slim(**momenta, FatJet_SoftDroppedJet=[[1.0], [], [2.0]]), {"fatjets": {"sdmass"}})


@pytest.mark.parametrize("name", ["hpm_taunu_0.root", "w_lnu.root"])
def test_values_are_those_in_the_file(name: str, data: Path, examples: Path) -> None:
    path = (data if name.startswith("hpm") else examples) / name
    events = read(path)
    tree = uproot.open(path)["Delphes"]
    assert len(events) == tree.num_entries
    for feature, leaf in {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}.items():
        assert ak.array_equal(events.jets[feature], tree[f"Jet.{leaf}"].array(), equal_nan=False)
    assert ak.array_equal(events.jets.btag, tree["Jet.BTag"].array() % 2 == 1)
    assert np.array_equal(ak.to_numpy(events.met.pt), ak.to_numpy(tree["MissingET.MET"].array()[:, 0]))
    assert np.array_equal(ak.to_numpy(events.scalar_ht), ak.to_numpy(tree["ScalarHT.HT"].array()[:, 0]))
    assert np.array_equal(ak.to_numpy(events.weight), ak.to_numpy(tree["Weight.Weight"].array()[:, 0]))
    assert np.array_equal(ak.to_numpy(events.index), np.arange(len(events)))
    assert ak.all(abs(events.electrons.mass - 0.000511) < 1e-6)


@pytest.mark.parametrize("step_size", [1, 97, 680, 10_000])
def test_chunks_join_to_the_whole(step_size: int, data: Path) -> None:
    path = data / "hpm_taunu_0.root"
    chunks = [c.events for c in read_events([path], FIELDS, step_size=step_size, max_events=200)]
    assert max(len(c) for c in chunks) <= step_size
    assert ak.array_equal(ak.concatenate(chunks), read(path)[:200])


def test_max_events_counts_over_files(data: Path, write_slim) -> None:
    files = [write_slim(), data / "hpm_taunu_0.root"]
    chunks = list(read_events(files, {"met": {"pt"}}, max_events=10))
    assert [(c.file, len(c.events)) for c in chunks] == [(0, 3), (1, 7)]


def test_complete_objects_are_momentum_vectors(data: Path) -> None:
    events = read(data / "hpm_taunu_0.root", {"jets": {"pt", "eta", "phi", "mass"}})
    import vector

    vector.register_awkward()
    expected = events.jets.pt * np.sinh(events.jets.eta)
    assert ak.all(abs(events.jets.pz - expected) <= 1e-5 * abs(expected) + 1e-4)


def test_a_file_without_weights_has_unit_weights(write_slim) -> None:
    events = read(write_slim(drop="Weight"), {"met": {"pt"}})
    assert events.weight.tolist() == [1.0, 1.0, 1.0]


def test_the_nominal_weight_of_every_program_that_writes_delphes_files(write_slim) -> None:
    """HepMC repeats it in `Weight`; LHE events have variations there, or nothing; CMSFWLite has LHE weights there."""
    nominal = {"Event_Weight": [[2.0], [-3.0], [0.5]]}
    met = {"met": {"pt"}}
    lhef = {"Weight_ID": [[1], [1001], [1]], "Weight_Weight": [[3.1], [2.4], [np.nan]]}
    assert read(write_slim(**nominal, **lhef), met).weight.tolist() == [2.0, -3.0, 0.5]
    unweighted = {"Weight_ID": [[], [], []], "Weight_Weight": [[], [], []]}
    assert read(write_slim(**nominal, **unweighted), met).weight.tolist() == [2.0, -3.0, 0.5]
    assert read(write_slim(**nominal, Weight_Weight=[[], [], []]), met).weight.tolist() == [2.0, -3.0, 0.5]
    several = write_slim(**nominal, Weight_Weight=[[3.1, 2.4], [1.0, np.nan], [7.0, 7.0]])
    assert read(several, met).weight.tolist() == [2.0, -3.0, 0.5]
    scaled = write_slim(**nominal, Weight_Weight=[[4.0], [-6.0], [1.0]])  # the one weight, changed by hand
    assert read(scaled, met).weight.tolist() == [4.0, -6.0, 1.0]
    assert read(scaled, met, step_size=1).weight.tolist() == [4.0, -6.0, 1.0]
    without = write_slim(drop="Weight.Weight", **nominal)
    assert read(without, met).weight.tolist() == [2.0, -3.0, 0.5]


def test_weights_that_cannot_be_the_events(write_slim) -> None:
    met = {"met": {"pt"}}
    with pytest.raises(InputDataError, match=r"'Weight\.Weight' holds variations.*'Event\.Weight', is not there"):
        read(write_slim(Weight_ID=[[1], [1], [1]]), met)
    with pytest.raises(InputDataError, match=r"'Weight\.Weight' is empty at entry 1"):
        read(write_slim(Weight_Weight=[[1.0], [], [1.0]]), met)
    for name in ("Event_Weight", "Weight_Weight"):
        bad = write_slim(**{"Event_Weight": [[1.0], [1.0], [1.0]], name: [[1.0], [1.0], [np.nan]]})
        with pytest.raises(InputDataError, match=rf"'{name.replace('_', '.')}' holds nan at entry 2"):
            read(bad, met, step_size=2)


def test_a_cross_section_that_nobody_stated(write_slim) -> None:
    """DelphesLHEF writes 1; a HepMCEvent, known by its other leaves, may well have one of 1 pb."""
    one = {"Event_CrossSection": [[1.0], [1.0], [1.0]]}
    lhef = open_events(write_slim(**one)).sample()
    assert lhef.cross_section_pb is None
    assert len(lhef.notes) == 1
    assert "--xsec" in lhef.notes[0]
    for leaf in ("Event_MPI", "Event_X1", "Event_CrossSectionError"):
        hepmc = open_events(write_slim(**one, **{leaf: [[0], [0], [0]]})).sample()
        assert (hepmc.cross_section_pb, hepmc.notes) == (1.0, ())
    whizard = open_events(write_slim(Event_CrossSection=[[9.0], [9.0], [2.5]])).sample()
    assert (whizard.cross_section_pb, whizard.notes) == (2.5, ())
    assert open_events(write_slim(Event_CrossSection=[[0.0], [0.0], [0.0]])).sample().cross_section_pb is None


def test_what_is_available_is_what_is_there(data: Path, write_slim) -> None:
    full = open_events(data / "hpm_taunu_0.root").available()
    assert set(full) == {"jets", "electrons", "muons", "photons", "taus", "fatjets", "met", "scalar_ht"}
    slim = open_events(write_slim(drop="Muon")).available()
    assert "muons" not in slim
    assert slim["jets"] == {"pt", "eta", "phi", "mass"}


def test_missing_branch_is_named(write_slim) -> None:
    with pytest.raises(InputDataError, match=r"slim\.root.*'Muon\.PT'.*muons"):
        read(write_slim(drop="Muon"), {"muons": {"pt"}})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_not_finite_is_named_with_its_entry(bad: float, write_slim) -> None:
    path = write_slim(Jet_PT=[[50.0, 40.0], [], [bad]])
    with pytest.raises(InputDataError, match=r"slim\.root.*'Jet\.PT' holds (nan|inf) at entry 2"):
        read(path, {"jets": {"pt"}}, step_size=2)


def test_negative_momenta_are_refused(write_slim) -> None:
    with pytest.raises(InputDataError, match=r"'Electron\.PT' holds -30\.0 at entry 0"):
        read(write_slim(Electron_PT=[[-30.0], [], [25.0]]), {"electrons": {"pt"}})
    with pytest.raises(InputDataError, match=r"'MissingET\.MET' holds -60\.0 at entry 1"):
        read(write_slim(MissingET_MET=[[20.0], [-60.0], [10.0]]), {"met": {"pt"}})


def test_a_slim_with_one_number_an_event(tmp_path: Path) -> None:
    path = tmp_path / "flat.root"
    with uproot.recreate(path) as file:
        out = file.mktree("Delphes", {"MissingET.MET": "float32", "Weight.Weight": "float32", "Jet.PT": "float32"})
        out.extend({k: np.array([1.0, 2.0], dtype=np.float32) for k in ("MissingET.MET", "Weight.Weight", "Jet.PT")})
    events = read(path, {"met": {"pt"}})
    assert events.met.pt.tolist() == events.weight.tolist() == [1.0, 2.0]
    with pytest.raises(InputDataError, match=r"'Jet\.PT' must hold a list"):
        read(path, {"jets": {"pt"}})


def test_collections_of_unequal_counts_are_refused(write_slim) -> None:
    path = write_slim(Jet_Eta=[[0.5], [], [2.0]])
    with pytest.raises(InputDataError, match=r"'Jet\.Eta' has other counts"):
        read(path, {"jets": {"pt", "eta"}})


def test_an_event_without_met_is_refused(write_slim) -> None:
    path = write_slim(MissingET_MET=[[20.0], [], [10.0]])
    with pytest.raises(InputDataError, match=r"'MissingET\.MET' is empty at entry 1"):
        read(path, {"met": {"pt"}})


@pytest.mark.parametrize("fraction", [0.02, 0.3, 0.6, 0.95, 0.999])
def test_truncated_file(fraction: float, data: Path, tmp_path: Path) -> None:
    whole = (data / "hpm_taunu_0.root").read_bytes()
    path = tmp_path / "cut.root"
    path.write_bytes(whole[: int(len(whole) * fraction)])
    with pytest.raises(InputDataError, match=r"cut\.root.*(damaged|truncated)"):
        read(path)


def test_damaged_basket(data: Path, tmp_path: Path) -> None:
    content = bytearray((data / "hpm_taunu_0.root").read_bytes())
    start = uproot.open(data / "hpm_taunu_0.root")["Delphes"]["Jet.PT"].member("fBasketSeek")[0]
    content[start + 80 : start + 400] = b"\xff" * 320
    path = tmp_path / "bad.root"
    path.write_bytes(content)
    with pytest.raises(InputDataError, match=r"bad\.root.*damaged"):
        read(path, {"jets": {"pt"}})


def test_no_entries(write_slim) -> None:
    empty = {k: [] for k in ("Jet_PT", "Jet_Eta", "Jet_Phi", "Jet_Mass", "Electron_PT", "Electron_Eta", "Electron_Phi")}
    empty |= {k: [] for k in ("Muon_PT", "Muon_Eta", "Muon_Phi", "MissingET_MET", "MissingET_Phi", "Weight_Weight")}
    with pytest.raises(InputDataError, match=r"slim\.root: no entries"):
        read(write_slim(**empty), {"met": {"pt"}})


def test_no_tree_of_events(write_slim) -> None:
    with pytest.raises(InputDataError, match=r"no tree of events that hepad knows \(trees in it: other\)"):
        open_events(write_slim(tree="other"))


def test_taus_are_the_jets_with_a_tau_tag(data: Path) -> None:
    path = data / "hpm_taunu_0.root"
    events = read(path, {"taus": {"pt", "eta", "phi", "mass"}, "jets": {"pt"}})
    tree = uproot.open(path)["Delphes"]
    tagged = tree["Jet.TauTag"].array() == 1
    assert ak.array_equal(events.taus.pt, tree["Jet.PT"].array()[tagged])
    assert ak.array_equal(events.taus.mass, tree["Jet.Mass"].array()[tagged])
    assert ak.array_equal(events.jets.pt, tree["Jet.PT"].array())
    assert ak.sum(ak.num(events.taus)) == 52


def test_only_the_first_bit_tags(write_slim) -> None:
    """Bits 0, 1, 2 of `BTag` and `TauTag` are working points or taggers of a card; the first is the default one's."""
    tags = {"Jet_BTag": [[2, 1], [], [7]], "Jet_TauTag": [[6, 4], [], [3]]}
    events = read(write_slim(**tags), {"jets": {"btag"}, "taus": {"pt"}})
    assert events.jets.btag.tolist() == [[False, True], [], [True]]
    assert events.taus.pt.tolist() == [[], [], [90.0]]


def test_taus_can_be_selected_and_vectorized(data: Path, tmp_path: Path) -> None:
    card = tmp_path / "taus.yaml"
    card.write_text(
        "schema: selection/1\nname: taus\ntitle: a tau\nreference: none\nobjects: {taus: {pt: {min: 25}}}\n"
        "require:\n  - {name: one tau, all: [{taus: {abs_eta: {max: 2.5}}, min_count: 1}]}\n",
        encoding="utf-8",
    )
    options = VectorizeOptions(selection=str(card), order=("taus",), counts={"taus": 1})
    report = vectorize([str(data / "hpm_taunu_0.root")], tmp_path / "x.npz", options=options)
    taus = read(data / "hpm_taunu_0.root", {"taus": {"pt", "eta"}}).taus
    kept = ak.any((taus.pt > 25) & (abs(taus.eta) < 2.5), axis=1)
    assert report.columns == ("tau1_pt",)
    assert report.cutflow.selected.events == ak.sum(kept) > 20
    stored = np.load(tmp_path / "x.npz")["x"][:, 0]
    assert np.array_equal(stored, ak.to_numpy(ak.max(taus.pt[kept], axis=1)))


PHASE2 = {  # as the cards of the CMS Phase-II detector name them
    "JetPUPPI_PT": [[70.0], [45.0], []],
    "JetPUPPI_Eta": [[1.5], [0.1], []],
    "JetPUPPI_TauTag": [[1], [0], []],
    "GenJet_PT": [[1.0], [1.0], []],
    "MuonTight_PT": [[], [33.0], []],
    "MuonTight_Eta": [[], [0.2], []],
    "PuppiMissingET_MET": [[7.0], [8.0], [9.0]],
    "GenMissingET_MET": [[1.0], [1.0], [1.0]],
}


def selection_card(tmp_path: Path, collections: str) -> Path:
    card = tmp_path / "phase2.yaml"
    card.write_text(
        "schema: selection/1\nname: phase2\ntitle: PUPPI\nreference: none\n"
        f"{collections}\n"
        "objects: {jets: {pt: {min: 30}}, muons: {pt: {min: 3}}}\n"
        "require:\n  - {name: met, all: [{met: {min: 0}}]}\n",
        encoding="utf-8",
    )
    return card


def test_a_selection_chooses_among_the_collections_of_a_file(write_slim, tmp_path, caplog, monkeypatch) -> None:
    monkeypatch.setattr("hepad.io.detector.delphes._warned", set())
    path = write_slim(**PHASE2)
    source = open_events(path)
    assert source.others == {"jets": ("JetPUPPI",), "muons": ("MuonTight",), "met": ("PuppiMissingET",)}
    card = load_selection(str(selection_card(tmp_path, "collections: {jets: JetPUPPI, met: PuppiMissingET}")))
    events = read(path, merge_fields(card.fields(), {"taus": {"pt"}, "muons": {"pt"}}), step_size=2)
    assert events.jets.pt.tolist() == [[70.0], [45.0], []]
    assert events.taus.pt.tolist() == [[70.0], [], []]  # of the same jets
    assert events.muons.pt.tolist() == [[], [40.0], []]
    assert events.met.pt.tolist() == [7.0, 8.0, 9.0]
    assert not caplog.records
    assert apply_selection(events, card)[2].selected.events == 3
    arrays = {leaf: uproot.open(path)["Delphes"][leaf].array() for leaf in source.keys if "_size" not in leaf}
    assert ak.array_equal(events_from(arrays, card.fields()).jets.pt, events.jets.pt)

    usual = load_selection(str(selection_card(tmp_path, "")))
    assert read(path, usual.fields()).jets.pt.tolist() == [[50.0, 40.0], [], [90.0]]
    read(path, usual.fields())
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2  # once of jets, once of met
    assert "Jet is with all pile-up; JetPUPPI is there too" in said[0]
    named = load_selection(str(selection_card(tmp_path, "collections: {jets: Jet}")))
    assert read(path, named.fields()).jets.pt.tolist() == [[50.0, 40.0], [], [90.0]]


def test_choices_that_a_file_cannot_meet(write_slim, tmp_path: Path, examples: Path) -> None:
    path = write_slim(drop="Jet.", **PHASE2)
    with pytest.raises(InputDataError, match=r"'Jet\.PT', needed for jets; there is JetPUPPI: .*{jets: JetPUPPI}"):
        read(path, {"jets": {"pt"}})
    wrong = load_selection(str(selection_card(tmp_path, "collections: {jets: JetPuppi}")))
    with pytest.raises(InputDataError, match=r"takes 'JetPuppi' for jets .*no branch 'JetPuppi\.PT' .*: JetPUPPI\)"):
        read(path, wrong.fields())
    with pytest.raises(
        InputDataError, match=r"'JetPuppi' for jets .*Delphes and Level-1 files alone can have, not adc2021"
    ):
        read(examples / "h0.h5", wrong.fields())
    right = load_selection(str(selection_card(tmp_path, "collections: {jets: JetPUPPI}")))
    with pytest.raises(UsageError, match="jets are JetPUPPI in one selection and JetPuppi in another"):
        read(path, merge_fields(wrong.fields(), right.fields()))
    for bad in ("{jets: 'a=b'}", "{tops: Top}", "{jets: Jet.PT}"):
        with pytest.raises(CardError, match="collections"):
            load_selection(str(selection_card(tmp_path, f"collections: {bad}")))


def test_vertices_are_counted(tmp_path: Path, write_slim) -> None:
    path = tmp_path / "vertices.root"
    with uproot.recreate(path) as file:
        branches = {"Vertex_size": np.array([51, 0, 7], dtype=np.int32)}
        file.mktree("Delphes", {name: values.dtype for name, values in branches.items()}).extend(branches)
    assert read(path, {"vertices": {"number"}}).vertices.tolist() == [51, 0, 7]
    with closing(open_events(path)) as source:
        assert source.available()["vertices"] == {"number"}
    with pytest.raises(InputDataError, match="no branch 'Vertex_size', needed for vertices"):
        read(write_slim(), {"vertices": {"number"}})


def test_tracks_have_their_impact_parameters(write_slim: Callable[..., Path]) -> None:
    numbers = [[2.0, 9.0], [], [5.0]]
    branches = {f"Track_{leaf}": numbers for leaf in ("PT", "Eta", "Phi", "Charge", "D0", "DZ", "ErrorD0", "ErrorDZ")}
    wanted = {"tracks": {"charge", "d0", "dz", "d0err", "dzerr"}}
    (chunk,) = read_events([write_slim(**branches)], wanted)
    for name in ("pt", *wanted["tracks"]):
        assert chunk.events.tracks[name].tolist() == [[9, 2], [], [5]]
    with pytest.raises(InputDataError, match=r"Track\.ErrorD0"):
        list(read_events([write_slim(drop="ErrorD0", **branches)], wanted))
