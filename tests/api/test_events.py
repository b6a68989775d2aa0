"""Events of files and of memory are the same events, and what is wrong with them is said."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import hepad
from hepad.errors import InputDataError, UsageError
from hepad.io.events import SQRT_S
from hepad.io.loaded import LoadedEvents
from hepad.io.reader import expand_files, open_events, read_events
from hepad.provenance import file_record


def padded(jagged: ak.Array) -> np.ndarray:
    """A two-dimensional array, filled up with zeros."""
    width = int(ak.max(ak.num(jagged)))
    return ak.to_numpy(ak.fill_none(ak.pad_none(jagged, width), 0.0))


def test_files_and_what_is_made_of_them(examples: Path, data: Path) -> None:
    path = examples / "background.h5"
    events = hepad.load_events(path)
    assert set(events.fields) == {"electrons", "muons", "jets", "met", "weight", "index"}
    assert ak.array_equal(hepad.load_events(events).jets, events.jets)
    twice = hepad.load_events([str(path), examples / "h0.h5"], max_events=7200)
    assert len(twice) == 7200
    assert twice.index.tolist() == [*range(len(events)), *range(7200 - len(events))]
    assert ak.array_equal(twice.jets[: len(events)], events.jets)
    collections = {name: events[name] for name in ("electrons", "muons", "jets")}
    arrays = {f"{name}.{f}": padded(objects[f]) for name, objects in collections.items() for f in ("pt", "eta", "phi")}
    arrays |= {"met.pt": ak.to_numpy(events.met.pt), "met.phi": ak.to_numpy(events.met.phi)}
    again = hepad.load_events(arrays, sqrt_s_gev=13000)
    for name in collections:
        for feature in ("pt", "eta", "phi"):
            assert ak.to_list(again[name][feature]) == ak.to_list(events[name][feature])
    assert set(again[SQRT_S].tolist()) == {13000.0}
    assert hepad.load_events(again)[SQRT_S][0] == 13000.0
    assert hepad.load_events(path, fields={"met": {"pt"}}, sqrt_s_gev=8000.0, max_events=3).fields == [
        "met", "weight", "index", SQRT_S,
    ]  # fmt: skip
    nano = data / "nanoaod_cms_2015_ttbar.root"
    fields = {"muons": {"pt", "charge"}, "met": {"pt"}}
    branches = uproot.open(nano)["Events"].arrays(filter_name=["Muon_*", "MET_*"])
    assert ak.array_equal(
        hepad.load_events(branches, fields=fields).muons, hepad.load_events(nano, fields=fields).muons
    )


def test_files_with_different_collections_give_what_all_have(examples: Path) -> None:
    events = hepad.load_events([examples / "wprime_wz_2tev.root", examples / "h0.h5"])
    assert set(events.fields) == {"electrons", "muons", "jets", "met", "weight", "index"}
    assert "btag" not in events.jets.fields


def test_loaded_events_look_like_a_file(examples: Path) -> None:
    events = hepad.load_events(examples / "h0.h5", sqrt_s_gev=13000.0)
    path = LoadedEvents(events)
    assert expand_files([path]) == [path]
    file = open_events(path)
    assert file.sample().sqrt_s_gev == 13000.0
    assert file.available()["met"] == {"pt", "phi"}
    chunks = list(read_events([path], {"jets": {"pt"}, SQRT_S: set()}, step_size=1000, max_events=1500))
    assert [len(chunk.events) for chunk in chunks] == [1000, 500]
    assert ak.array_equal(ak.concatenate([chunk.events.jets for chunk in chunks]), events.jets[:1500])
    assert chunks[0].events.fields == ["jets", "weight", "index", SQRT_S]
    same, other = LoadedEvents(ak.copy(events)), LoadedEvents(events[:-1])
    assert file_record(path) == file_record(same) != file_record(other)
    assert path.resolve() == file_record(path)["sha256"]
    with pytest.raises(UsageError, match="given twice"):
        expand_files([path, same])
    mixed = ak.concatenate([events, hepad.load_events(examples / "h0.h5", sqrt_s_gev=8000.0)])
    with pytest.raises(InputDataError, match="several collision energies, 8000 and 13000 GeV"):
        open_events(LoadedEvents(mixed)).sample()


def test_collections_that_are_empty_in_all_events() -> None:
    events = hepad.load_events({"jets.pt": [[], []], "jets.eta": [[], []]})
    assert events.jets.pt.tolist() == [[], []]
    assert "float64" in str(events.jets.type)


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"jets.pt": [[np.inf]]}, InputDataError, "branch 'jets.pt' holds inf at entry 0"),
        ({"jets.pt": [[30.0], [-1.0]]}, InputDataError, "branch 'jets.pt' holds -1.0 at entry 1"),
        ({"jets.pt": [[30.0]], "met.pt": [1.0, 2.0]}, InputDataError, "'jets.pt' has 1 events, 'met.pt' has 2"),
        ({"jets.pt": [[5e5]] * 3}, InputDataError, "seems to be in MeV"),
        ({"Jets": [1.0]}, InputDataError, "names of no known format"),
        (17, UsageError, "events in memory are a record array or a mapping of names to arrays, not int"),
        ("no_such.root", InputDataError, "no_such.root: no such file"),
        ([], UsageError, "not list"),
    ],
)
def test_what_is_wrong(given: object, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        hepad.load_events(given)


def test_a_format_is_for_memory() -> None:
    with pytest.raises(UsageError, match="leave out format"):
        hepad.load_events("w_lnu.root", format="delphes")
