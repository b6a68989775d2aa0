"""RNTuples that ROOT wrote: the events of the trees that they were made of, every type of field as it was filled."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events
from hepad.io.root import lean
from hepad.io.root.index import OddRecordError
from hepad.io.root.lean import LeanFile
from hepad.io.root.ntuple_records import read_header

DATA = Path(__file__).parents[2] / "data"
EVENTS = np.arange(30)


def numbers(**options: Any) -> tuple[LeanFile, Any]:
    file = LeanFile(uproot.open(DATA / "rntuple_types.root", object_cache=None, **options))
    return file, file["numbers"]


def events(path: Path, step_size: int = 1000, stop: int | None = None) -> tuple[Any, str]:
    with closing(open_events(path)) as source:
        fields = source.available()
        stop = source.entries if stop is None else stop
        return ak.concatenate(list(source.iterate(fields, step_size=step_size, stop=stop))), source.whole  # type: ignore[attr-defined]


# Records of CMS with titles, names of ATLAS with colons and links, ROOT's importer with projected fields.
@pytest.mark.parametrize(
    ("name", "of", "entries", "cuts"),
    [
        ("rntuple_nanoaod.root", "nanoaod_cms_2015_ttbar.root", 60, [0, 25, 50, 60]),
        ("rntuple_physlite.root", "physlite_slim.root", 20, [0, 7, 14, 20]),
        ("rntuple_delphes.root", "tbhplus_2tev.root", 50, [0, 50]),
    ],
)
def test_the_events_are_those_of_the_tree(name: str, of: str, entries: int, cuts: list[int]) -> None:
    with closing(open_events(DATA / name)) as source, closing(open_events(DATA / of)) as tree:
        assert source.available() == tree.available()
        assert (source.format, source.entries) == (tree.format, entries)
        assert source.cuts(source.available()) == cuts
    expected, _ = events(DATA / of, stop=entries)
    for step in (11, 1000):  # within clusters, and over several
        found, whole = events(DATA / name, step)
        assert ak.array_equal(found, expected, equal_nan=True)
        assert whole == ""


def test_every_type_of_field() -> None:
    file, ntuple = numbers()
    scalars = {
        "int8": -EVENTS,
        "uint8": 200 + EVENTS,
        "int16": -1000 * EVENTS,
        "uint16": 2000 * EVENTS,
        "int32": -(10**7) * EVENTS,
        "uint32": 10**8 * EVENTS,
        "int64": -(10**15) * EVENTS,
        "uint64": 6 * 10**17 * EVENTS.astype(np.uint64),
        "bool": EVENTS % 3 == 0,
        "float": EVENTS + 0.5,
        "double": EVENTS + 0.1,
        "d32": EVENTS + 0.25,
        "half": EVENTS / 2,
        "pair._1": -EVENTS,
    }
    kinds = {"float": "f4", "double": "f8", "d32": "f8", "half": "f4", "pair._1": "i4"}
    for name, expected in scalars.items():
        for where in ((0, 30), (7, 23), (10, 20)):
            found = ntuple[name].array(None, *where, library="np")
            assert found.dtype == np.dtype(kinds.get(name, name))
            np.testing.assert_array_equal(found, expected[slice(*where)], err_msg=name)
    texts = [chr(ord("a") + i % 26) * (i % 4) for i in EVENTS]
    lists = {
        "text": texts,
        "texts": [[texts[i]] * (i % 3) for i in EVENTS],
        "floats": [[i + 0.5] * (i % 4) for i in EVENTS],
        "flags": [[bool(i % 2)] * (i % 5) for i in EVENTS],
        "nested": [[[10 * i + j] * (j + 1) for j in range(i % 3)] for i in EVENTS],
        "three": [[i, 2 * i, 3 * i] for i in EVENTS],
        "fixed": [[[i, -i]] * (i % 3) for i in EVENTS],
    }
    for name, values in lists.items():
        assert ntuple[name].array().tolist() == values
        assert ntuple[name].array(None, 8, 21).tolist() == values[8:21]
        assert ntuple[name].array(None, 4, 4).tolist() == []
    assert file.whole == {}
    assert ntuple["int8"].typename == "std::int8_t"
    assert ntuple.arrays(["float"], entry_start=28, library="np")["float"].tolist() == [28.5, 29.5]


def test_what_is_left_to_uproot_is_said() -> None:
    """A record, a missing number, cut and quantised ones (1024 steps from 0 to 32), a field added after 20 entries."""
    file, ntuple = numbers()
    left = {
        "pair": ("std::pair", [(float(i), -i) for i in EVENTS]),
        "perhaps": ("std::optional", None),
        "cut": ("of 20 bits", EVENTS.tolist()),
        "steps": ("of 10 bits", None),
        "late": ("added while writing", [i if i >= 20 else 0 for i in EVENTS]),
    }
    for name, (reason, values) in left.items():
        file.whole.clear()
        array = ntuple[name].array()
        assert reason in file.whole["numbers"]
        assert values is None or array.tolist() == values
    np.testing.assert_allclose(ntuple["steps"].array(library="np"), EVENTS, atol=16 / 1023)


def test_the_switch_leaves_all_to_uproot(monkeypatch: pytest.MonkeyPatch) -> None:
    expected, _ = events(DATA / "rntuple_nanoaod.root")
    monkeypatch.setenv(lean.SWITCH, "0")
    found, whole = events(DATA / "rntuple_nanoaod.root")
    assert ak.array_equal(found, expected, equal_nan=True)
    assert whole == "fields are left to uproot"


def test_missing_fields_and_damage_have_names(tmp_path: Path) -> None:
    path, data = tmp_path / "bad.root", bytearray((DATA / "rntuple_types.root").read_bytes())
    said = r"RNTuple 'Delphes' has no field 'FatJet\.PT', needed for fatjets"
    with closing(open_events(DATA / "rntuple_delphes.root")) as source, pytest.raises(InputDataError, match=said):
        list(source.iterate({"fatjets": {"pt"}}, step_size=9, stop=9))
    _, ntuple = numbers()
    place = ntuple["uint64"].place(1)
    number = int(place.removeprefix("cluster 1 at byte "))
    data[number] ^= 1
    path.write_bytes(data)
    damaged = LeanFile(uproot.open(path))["numbers"]
    assert damaged["uint64"].array(None, 0, 10).tolist() == [6 * 10**17 * i for i in range(10)]
    with pytest.raises(ValueError, match="a checksum does not fit"):
        damaged["uint64"].array()


def test_damaged_events_say_where(tmp_path: Path) -> None:
    whole, path = (DATA / "rntuple_nanoaod.root").read_bytes(), tmp_path / "bad.root"
    with closing(open_events(DATA / "rntuple_nanoaod.root")) as source:
        place = source.branch("Jet_pt").place(2)  # type: ignore[attr-defined]
    number = int(place.removeprefix("cluster 2 at byte "))
    path.write_bytes(whole[:number] + bytes([whole[number] ^ 1]) + whole[number + 1 :])
    with pytest.raises(InputDataError, match=rf"field 'Jet_pt', {place}, entries 50 to 59 \(a checksum does not fit"):
        events(path)
    for cut, said in [(number, "truncated"), (len(whole) - 1, "truncated")]:
        path.write_bytes(whole[:cut])
        with pytest.raises(InputDataError, match=said):
            events(path)
    with uproot.open(DATA / "rntuple_nanoaod.root") as file:
        header = file["Events"].member("fSeekHeader") + 100
    path.write_bytes(whole[:header] + bytes([whole[header] ^ 1]) + whole[header + 1 :])
    with pytest.raises(InputDataError, match="damaged or truncated"):
        events(path)


def test_empty_and_one_of_two(tmp_path: Path) -> None:
    """Without entries as a tree without; beside others that which is known; a name of trees goes before ATLAS'."""
    path = tmp_path / "new.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("EventData", {"x": np.ones(3)})
        file.mkrntuple("Events", {"nJet": np.dtype("i4"), "MET_pt": np.dtype("f4"), "MET_phi": np.dtype("f4")})
        file.mktree("Other", {"x": "f8"})
    with closing(open_events(path)) as source:
        assert (source.format, source.entries) == ("nanoaod", 0)
        assert list(source.iterate({"met": {"pt"}}, step_size=5, stop=5)) == []
    with uproot.recreate(path) as file:
        file.mkrntuple("other", {"x": np.ones(3)})
    with pytest.raises(InputDataError, match=r"no tree of events that hepad knows \(trees in it: other\)"):
        open_events(path)


def test_another_envelope_is_refused() -> None:
    with pytest.raises(ValueError, match="a checksum does not fit"):
        read_header(bytes(32))
    with pytest.raises(ValueError, match="a checksum does not fit"):
        read_header(b"")


def test_a_kind_of_rntuple_that_is_not_known_is_no_damage(data, monkeypatch):
    def odd(*_: object) -> None:
        raise OddRecordError("feature flag 7")

    monkeypatch.setattr("hepad.io.root.ntuple_records.read_footer", odd)
    with pytest.raises(InputDataError, match=r"a kind that hepad does not know \(feature flag 7\)"):
        open_events(data / "rntuple_nanoaod.root")


def test_a_compression_of_old_has_its_remedy(data: Path, tmp_path: Path) -> None:
    content = bytearray((data / "rntuple_nanoaod.root").read_bytes())
    with uproot.open(data / "rntuple_nanoaod.root") as file:
        start = file["Events"].member("fSeekHeader")
    content[start : start + 2] = b"CS"  # in place of the two letters that name what the header is compressed by
    path = tmp_path / "old.root"
    path.write_bytes(content)
    with pytest.raises(InputDataError, match="compressed as ROOT does no longer; write it anew"):
        open_events(path)
