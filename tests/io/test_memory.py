"""Events in memory against the readers of files: the same arrays must give the same events."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.bundles.bundle import load_bundle
from hepad.cards.selection import load_selection
from hepad.errors import HepadError, InputDataError, UsageError
from hepad.io.events import SQRT_S, merge_fields
from hepad.io.memory import events_from
from hepad.io.reader import open_events, read_events
from hepad.objects.selection import apply_selection
from hepad.samples.scoring import score_events

ALL = {"jets": {"pt", "eta", "phi", "mass", "btag"}, "electrons": {"pt", "charge"}, "met": {"pt", "phi"}}


def of_file(path: Path, fields) -> ak.Array:
    return ak.concatenate([chunk.events for chunk in read_events([path], fields)])


def branches(path: Path, tree: str) -> dict[str, ak.Array]:
    """The arrays of a tree by the last part of their names."""
    held = uproot.open(path)[tree]
    names = {name.rpartition("/")[2]: name for name in held.keys(recursive=True)}
    known = {leaf: name for leaf, name in names.items() if not leaf.startswith(("n_", "HLT", "L1", "f"))}
    readable = [leaf for leaf, name in known.items() if "TRef" not in held[name].typename]
    wanted = ("Jet", "Electron", "Muon", "Photon", "Tau", "Fat", "Missing", "Puppi", "gen", "Event", "Weight", "Ana")
    kept = [leaf for leaf in readable if leaf.startswith((*wanted, "BTagging", "MET_Core", "METAssoc"))]
    return {leaf: held[known[leaf]].array() for leaf in kept if not held[known[leaf]].typename.startswith("TLor")}


def as_records(arrays: dict[str, ak.Array], titles: dict[str, str]) -> ak.Array:
    """The collections as records with the titles of the branches at their numbers, as in coffea's NanoEvents."""
    parts: dict[str, dict[str, Any]] = {}
    offsets, found = {}, {}
    for name, array in arrays.items():
        prefix, _, leaf = name.partition("_")
        if array.ndim == 1:
            found[prefix] = array
            continue
        layout = ak.to_packed(array).layout
        offsets[prefix] = layout.offsets
        parts.setdefault(prefix, {})[leaf] = layout.content.copy(parameters={"__doc__": titles[name]})
    for prefix, leaves in parts.items():
        record = ak.contents.RecordArray(list(leaves.values()), list(leaves))
        found[prefix] = ak.Array(ak.contents.ListOffsetArray(offsets[prefix], record))
    return ak.zip(found, depth_limit=1)


def test_nanoaod_has_the_definitions_of_the_reader(data: Path) -> None:
    path = data / "nanoaod_cms_2015_ttbar.root"
    arrays = branches(path, "Events")
    selection, bundle = load_selection("adc2021"), load_bundle("snn_ae")
    fields = merge_fields(bundle.fields(selection), ALL)
    expected = of_file(path, fields)
    events = events_from(arrays, fields, format="nanoaod")
    assert ak.array_equal(events, expected)
    assert ak.array_equal(events_from(ak.zip(arrays, depth_limit=1), fields), expected)
    selected, _, flow = apply_selection(events, selection)
    assert flow.selected.events == 22
    reference = score_events(bundle, apply_selection(expected, selection)[0])
    assert np.array_equal(score_events(bundle, selected)["mse"], reference["mse"])


def test_records_with_titles_are_read_as_coffea_makes_them(data: Path) -> None:
    """The medium point of taus of this file stands in a title alone."""
    path = data / "nanoaod_cms_2015_ttbar.root"
    titles = {branch.name: branch.title for branch in uproot.open(path)["Events"].branches}
    leaves = ("pt", "eta", "phi", "mass", "cutBased", "mediumId", "pfRelIso04_all", "idMVAoldDM")
    kept = {n: a for n, a in branches(path, "Events").items() if n.partition("_")[2] in leaves or n == "genWeight"}
    kept = {n: a for n, a in kept.items() if not n.startswith("PuppiMET")}
    fields = {"taus": {"pt", "mass"}}
    events = events_from(as_records(kept, titles), fields)
    assert ak.array_equal(events, of_file(path, fields))
    assert ak.sum(ak.num(events.taus)) > 0
    assert not ak.all(events.weight == 1)


def test_delphes_and_physlite_have_the_definitions_of_their_readers(data: Path) -> None:
    for name, tree, kind in [
        ("hpm_taunu_0.root", "Delphes", "delphes"),
        ("physlite_slim.root", "CollectionTree", "physlite"),
    ]:
        arrays = branches(data / name, tree)
        fields = ALL | {"electrons": {"pt", "mass"}}
        expected = of_file(data / name, fields)
        assert ak.array_equal(events_from(arrays, fields), expected)
        assert ak.array_equal(events_from(arrays, fields, format=kind), expected)
        available = open_events(data / name).available()
        assert set(events_from(arrays, format=kind).fields) >= {*available, "weight", "index"} - {"scalar_ht"}


def mine() -> dict[str, Any]:
    """Two events of our own: jets padded with zeros and not by falling pT, a muon without a mass."""
    jets = {"pt": np.array([[30.0, 0.0, 60.0], [20.0, 0.0, 0.0]]), "eta": np.full((2, 3), 0.5)}
    jets |= {"phi": np.zeros((2, 3)), "mass": np.full((2, 3), 4), "btag": np.array([[0, 1, 1], [0, 0, 1]])}
    muons = ak.zip({"pt": [[], [40.0]], "eta": [[], [1.0]], "phi": [[], [1.0]], "charge": [[], [-1]]})
    return {"jets": jets, "muons": muons, "met": {"pt": np.array([5.0, 6.0]), "phi": np.zeros(2)}}


def test_arrays_with_hepads_names() -> None:
    events = events_from(mine())
    assert events.jets.pt.tolist() == [[60.0, 30.0], [20.0]]
    assert events.jets.btag.tolist() == [[True, False], [False]]
    assert events.muons.mass.tolist() == [[], [pytest.approx(0.1056583755)]]
    assert events.muons.charge.tolist() == [[], [-1]]
    assert (events.weight.tolist(), events.index.tolist()) == ([1.0, 1.0], [0, 1])
    given = mine() | {"weight": np.array([-2.0, 0.5]), "index": np.array([7, 9]), "scalar_ht": np.array([90.0, 20.0])}
    events = events_from(given, {"scalar_ht": {"ht"}, SQRT_S: set()}, sqrt_s_gev=13000.0)
    assert (events.weight.tolist(), events.index.tolist()) == ([-2.0, 0.5], [7, 9])
    assert events.scalar_ht.tolist() == [90.0, 20.0]
    assert events.sqrt_s.tolist() == [13000.0, 13000.0]
    again = events_from(events_from(mine()))
    assert ak.array_equal(again, events_from(mine()))
    optional = mine() | {"muons": ak.zip({"pt": ak.mask(ak.Array([[], [40.0]]), [True, True])})}
    assert events_from(optional, {"muons": {"pt"}}).muons.pt.tolist() == [[], [40.0]]
    table = np.array([(5.0,), (6.0,)], dtype=[("met.pt", "f8")])
    assert events_from(table).met.pt.tolist() == [5.0, 6.0]
    assert len(events_from({"met": {"pt": np.zeros(0)}})) == 0


def with_jets(**changed: Any) -> dict[str, Any]:
    return mine() | {"jets": {**mine()["jets"], **changed}}


JET_PT = mine()["jets"]["pt"]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (with_jets(pt=np.where(JET_PT == 60, np.nan, JET_PT)), r"'jets\.pt' holds nan at entry 0"),
        (with_jets(eta=np.full((2, 3), np.inf)), r"'jets\.eta' holds inf at entry 0"),
        (with_jets(pt=np.where(JET_PT == 20, -20.0, JET_PT)), r"'jets\.pt' holds -20\.0 at entry 1"),
        (with_jets(pt=JET_PT * 1000), r"median of the leading jets\.pt is 4e\+04.*in MeV; divide .* by 1000"),
        (mine() | {"met": {"pt": np.full(2, 30000.0), "phi": np.zeros(2)}}, r"leading met\.pt is 3e\+04.*in MeV"),
        (mine() | {"met": {"pt": np.array([5.0, np.nan])}}, r"'met\.pt' holds nan at entry 1"),
        (mine() | {"weight": np.array([1.0, np.nan])}, r"'weight' holds nan at entry 1"),
        (mine() | {"weight": np.ones(3)}, r"'.*' has . events, '.*' has . *"),
        (mine() | {"muons": ak.Array([[], [{"pt": None}]])}, r"'muons\.pt' must hold a list of numbers"),
        (mine() | {"muons": {"pt": [[], [object()]]}}, r"'muons\.pt' cannot be read as an array"),
        (with_jets(eta=ak.Array([[0.5], [0.5]])), r"'jets\.eta' has other counts than its collection"),
        (
            {"Jet": ak.zip({"pt": [[50.0]]})},
            r"no branch 'Jet_eta', 'Jet_phi', needed for jets; those that are there are Jet",
        ),
        ({"hits": np.ones(2)}, r"names of no known format .*; found hits"),
    ],
)
def test_what_is_wrong_is_named(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InputDataError, match=rf"^events in memory: .*{message}"):
        events_from(arrays, None if "Jet" not in arrays else {"jets": {"pt"}})


def test_what_is_missing_and_what_is_no_array_of_events() -> None:
    with pytest.raises(InputDataError, match=r"no branch 'electrons\.eta', 'electrons\.pt', needed for elec"):
        events_from(mine(), load_selection("adc2021").fields())
    with pytest.raises(UsageError, match="events in memory are events, nanoaod, delphes, physlite"):
        events_from(mine(), format="root")
    for nothing in ([1, 2], {}, "events.root", np.ones(3)):
        with pytest.raises(UsageError, match="a record array or a mapping of names to arrays, not"):
            events_from(nothing)

    class Lazy:
        def compute(self) -> None: ...

    with pytest.raises(UsageError, match=r"no lazy Lazy: give its \.compute\(\)"):
        events_from(Lazy())


def test_a_larger_collider_may_have_larger_momenta() -> None:
    huge = with_jets(pt=JET_PT * 300)
    with pytest.raises(InputDataError, match="in MeV"):
        events_from(huge)
    assert events_from(huge, sqrt_s_gev=100_000.0).jets.pt.tolist() == [[18000.0, 9000.0], [6000.0]]


def test_selections_and_models_refuse_other_events() -> None:
    selection, bundle = load_selection("adc2021"), load_bundle("snn_ae")
    good = events_from(mine() | {"electrons": ak.zip({"pt": [[25.0], []], "eta": [[0.1], []]})})
    chosen, _, flow = apply_selection(good, selection)
    assert flow.selected.events == 2
    assert len(score_events(bundle, chosen)["mse"]) == 2
    nested = ak.with_field(good, ak.with_field(good.jets, ak.Array([[[1], [2]], [[3]]]), "jets"), "jets")
    bad = [
        (ak.without_field(good, "weight"), r"lack weight, which selection 'adc2021' needs; make them with"),
        (ak.without_field(good, "muons"), r"lack muons, which selection"),
        (ak.without_field(good, ["jets", "eta"]), r"lack jets\.eta, which selection"),
        (ak.with_field(good, good.jets.pt * np.nan, ["jets", "pt"]), r"jets\.pt of these events holds nan"),
        (ak.with_field(good, good.met.pt * np.nan, ["met", "pt"]), r"met\.pt of these events holds nan"),
        (nested, r"the jets of these events are no plain lists of numbers"),
        ({"jets": 1}, r"takes hepad's events, an awkward array, not dict"),
    ]
    for events, message in bad:
        with pytest.raises(HepadError, match=message):
            apply_selection(events, selection)
    with pytest.raises(InputDataError, match=r"lack met, which model 'snn_ae' needs"):
        score_events(bundle, ak.without_field(chosen, "met"))
