"""Tables of features: the same columns from each format, and what is no table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot

from hepad.errors import InputDataError
from hepad.io.reader import open_events, read_events
from hepad.io.tables.features import TablePath

ROWS = 7
COLUMNS = {"mass": np.arange(ROWS) + 0.5, "n": np.arange(ROWS), "weight": np.linspace(1, 2, ROWS)}


def _hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        for name, values in COLUMNS.items():
            file[name] = values


def _root(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mktree("events", COLUMNS)


def _rntuple(path: Path) -> None:
    with uproot.recreate(path) as file:
        file.mkrntuple("events", COLUMNS)


def _structured(path: Path) -> None:
    array = np.zeros(ROWS, dtype=[(name, values.dtype) for name, values in COLUMNS.items()])
    for name, values in COLUMNS.items():
        array[name] = values
    np.save(path, array)


WRITERS: dict[str, Callable[[Path], None]] = {
    "t.npz": lambda path: np.savez(path, **COLUMNS),
    "t.npy": _structured,
    "t.parquet": lambda path: pq.write_table(pa.table(COLUMNS), path),
    "t.h5": _hdf5,
    "t.root": _root,
    "new.root": _rntuple,
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_gives_the_same_columns(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    chunks = list(read_events([TablePath(tmp_path / name)], {"columns": {"mass", "n"}}, step_size=3))
    assert [len(chunk.events) for chunk in chunks] == [3, 3, 1]
    for column in ("mass", "n"):
        found = np.concatenate([chunk.events.columns[column] for chunk in chunks])
        np.testing.assert_array_equal(found, COLUMNS[column])
    np.testing.assert_array_equal(np.concatenate([chunk.events.weight for chunk in chunks]), COLUMNS["weight"])
    assert np.concatenate([chunk.events.index for chunk in chunks]).tolist() == list(range(ROWS))


def test_columns_of_a_plain_array_are_numbered(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(6.0).reshape(3, 2))
    (chunk,) = read_events([TablePath(tmp_path / "a.npy")], {"columns": {"c1"}})
    assert chunk.events.columns.c1.tolist() == [1, 3, 5]
    assert chunk.events.weight.tolist() == [1, 1, 1]


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "cube.npy", np.zeros((2, 2, 2)))
    np.savez(tmp_path / "uneven.npz", a=np.zeros(2), b=np.zeros(3))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "text.csv").write_text("a,b\n1,2\n")
    pq.write_table(pa.table({"a": ["x"], "b": [float("nan")]}), tmp_path / "texts.parquet")
    for name, said in (
        ("cube.npy", "no table; it needs rows and columns"),
        ("uneven.npz", "no columns of one length"),
        ("objects.npy", "no table of numbers, or damaged"),
        ("text.csv", "no table; hepad reads .npy"),
    ):
        with pytest.raises(InputDataError, match=said):
            open_events(TablePath(tmp_path / name))
    for column, said in (
        ("a", "column 'a' does not hold a number a row"),
        ("b", "branch 'b' holds nan at entry 0"),
        ("c", "has no column 'c'; it has a, b"),
    ):
        with pytest.raises(InputDataError, match=said):
            list(read_events([TablePath(tmp_path / "texts.parquet")], {"columns": {column}}))
    np.savez(tmp_path / "weights.npz", a=np.zeros(3), weight=[1.0, 1.0, np.nan])
    with pytest.raises(InputDataError, match="branch 'weight' holds nan at entry 2"):
        list(read_events([TablePath(tmp_path / "weights.npz")], {"columns": {"a"}}, step_size=1))
    with pytest.raises(InputDataError, match="a table has columns, and no jets"):
        list(read_events([TablePath(tmp_path / "texts.parquet")], {"jets": {"pt"}}))
