"""Trees opened lean are uproot's: the same names, arrays and errors, whatever the file; else uproot reads them."""

from __future__ import annotations

import struct
from contextlib import closing
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.io.reader import open_events
from hepad.io.root import lean
from hepad.io.root.index import OddRecordError, read_index
from hepad.io.root.lean import LeanFile

DATA = Path(__file__).parents[2] / "data"
FRESH: dict[str, Any] = {"object_cache": None, "array_cache": None}


def opened(path: Path) -> tuple[LeanFile, Any]:
    return LeanFile(uproot.open(path, **FRESH)), uproot.open(path, **FRESH)


# Delphes: collections, objects in objects, counts of counts. NanoAOD: counters' leaves. PHYSLITE, vectors, jets.
@pytest.mark.parametrize(
    ("name", "tree", "every"),
    [
        ("hpm_taunu_0.root", "Delphes", 23),
        ("nanoaod_cms_2015_ttbar.root", "Events", 97),
        ("physlite_slim.root", "CollectionTree", 7),
        ("random_events.root", "Ntuple", 3),
        ("jets.root", "tree", 5),
    ],
)
def test_the_installed_uproot_opens_lean_and_gives_the_same(name: str, tree: str, every: int) -> None:
    file, plain = opened(DATA / name)
    ours, whole = file[tree], plain[tree]
    assert ours.keys() == whole.keys(recursive=True)
    assert ours.keys(recursive=False) == whole.keys(recursive=False)
    assert (ours.name, ours.num_entries, ours.aliases) == (whole.name, whole.num_entries, whole.aliases)
    for key in reversed(whole.keys()[::every]):  # the first may need those that come last
        branch, expected = ours[key], whole[key]
        assert (branch.name, branch.title, branch.typename) == (expected.name, expected.title, expected.typename)
        assert branch.entry_offsets == expected.entry_offsets
        counter = expected.count_branch
        assert counter is None or branch.count_branch.name == counter.name
        if not expected.branches:
            assert ak.array_equal(branch.array(), expected.array(), equal_nan=True)
    assert file.whole == {}  # not once had uproot to read the tree by itself


def test_what_a_new_root_says_of_its_classes_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(uproot.reading.ReadOnlyFile, "streamer_named", lambda _self, name, *_: asked.append(name))
    path = Path(__file__).parents[3] / "examples/data/w_lnu.root"
    with closing(open_events(path)) as source:  # its tree has a TAttMarker of a version that uproot does not know
        assert source.entries == 6173
    assert asked == []


def test_a_group_has_all_its_branches_in_their_order() -> None:
    file, plain = opened(DATA / "hpm_taunu_0.root")
    ours = file["Delphes"]
    few = ours["Jet/Jet.Phi"].parent.keys()
    assert few == ["Jet.fUniqueID", "Jet.Phi"]  # built with what the collection's own leaf refers to
    assert ours["Jet"].keys() == plain["Delphes"]["Jet"].keys()
    assert len(ours["Jet/Jet.Phi"].parent.keys()) > 20
    assert "Jet/Jet.Phi" in ours
    assert "Jet.Phi" not in ours
    assert file.whole == {}


def test_the_switch_and_unknown_versions_leave_it_to_uproot(monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> tuple[Any, str]:
        with closing(open_events(DATA / "tbhplus_2tev.root")) as source:
            fields = {"jets": {"pt", "eta"}, "met": {"pt"}}
            return next(source.iterate(fields, step_size=100, stop=100)), source.whole  # type: ignore[attr-defined]

    events, why = read()
    assert why == ""
    monkeypatch.setattr(lean, "_KNOWN", ((4, 0), (5, 0)))
    same, why = read()
    assert why == f"uproot {uproot.__version__} is not known to open lean"
    assert ak.array_equal(events, same)
    monkeypatch.setenv(lean.SWITCH, "0")
    same, why = read()
    assert why == "HEPAD_LEAN=0"
    assert ak.array_equal(events, same)


def test_another_way_of_reading_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if an uproot to come read arrays by another class."""
    monkeypatch.setattr(lean._Classes, "class_named", lambda self, *name: self._file.class_named(*name))
    file, plain = opened(DATA / "tbhplus_2tev.root")
    assert file["Delphes"].keys() == plain["Delphes"].keys()
    assert file.whole == {"Delphes": "uproot reads trees in another way"}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree whose record is not compressed, so that each byte of it can be bent."""
    path = tmp_path_factory.mktemp("small") / "small.root"
    with uproot.recreate(path, compression=None) as file:
        file.mktree("t", {"x": np.arange(3.0), "Jet": ak.Array([[1.0, 2.0], [3.0], []])})
    return path


def answer(tree: Any) -> list[Any]:
    return [tree[key].array().tolist() for key in ("x", "Jet")]


def outcome(path: Path, kind: Any) -> Any:
    """The arrays of a file, or the kind of error."""
    try:
        with uproot.open(path, **FRESH) as file:
            return answer(kind(file)["t"])
    except Exception as error:  # noqa: BLE001  compared
        return type(error)


def test_bent_bytes_give_what_uproot_gives(small: Path, tmp_path: Path) -> None:
    """Names, byte counts, classes: uproot's answer or its error, or the answer where it fails for what nobody reads."""
    data = small.read_bytes()
    record = data.index(b"TBranch\0") - 250
    bent, wholes, right = tmp_path / "bent.root", 0, outcome(small, lambda file: file)
    for at in range(record, record + 800, 23):
        bent.write_bytes(data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :])
        expected = outcome(bent, lambda file: file)
        files: list[LeanFile] = []
        found = outcome(bent, lambda file, files=files: files.append(LeanFile(file)) or files[0])
        wholes += bool(files and files[0].whole)
        assert found == expected or (found == right and isinstance(expected, type)), at
    assert wholes > 5


def test_records_that_are_cut_or_without_counts_are_odd() -> None:
    with pytest.raises(OddRecordError, match="byte count"):
        read_index(struct.pack(">I", 12) + bytes(12), 0, 0)
    with pytest.raises(OddRecordError, match="cut off"):
        read_index(struct.pack(">I", 0x40000002) + bytes(2), 0, 0)
