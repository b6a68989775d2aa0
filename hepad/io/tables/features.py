"""Tables of features, an event a row: numpy (`.npy`, `.npz`), Parquet, HDF5 (frames of pandas, datasets) and ROOT.

A two-dimensional array has no names: its columns are `c0`, `c1`, ... The column `weight`, if there is one, is the
weight of the events. What a column means, its units included, is for the card to say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError, InputDataError, NotStoredError
from hepad.io.events import COLUMNS, Fields, SampleInfo, check_finite, record
from hepad.io.root.ntuple import CLASS, NTuple, open_table
from hepad.io.text import first_line
from hepad.paths import InputPath

__all__ = ["TableFile", "TablePath"]

_WEIGHT = "weight"
_Floats = npt.NDArray[np.float64]
_Read = Callable[[str], npt.NDArray[Any]]


@dataclass(frozen=True)
class TablePath:
    """The path of a file that is to be read as a table; see `hepad.paths.InputPath`."""

    path: InputPath

    @property
    def name(self) -> str:
        """The last segment."""
        return self.path.name

    @property
    def stem(self) -> str:
        """The last segment without its ending."""
        return self.path.stem

    @property
    def suffix(self) -> str:
        """The ending of the last segment, with its dot."""
        return self.path.suffix

    def __str__(self) -> str:
        return str(self.path)

    def resolve(self) -> Any:
        """What is equal for two ways to write the same path."""
        return self.path.resolve()

    def stat(self) -> Any:
        """The size of the file and the time of its last change."""
        return self.path.stat()

    def open(self, mode: Literal["rb"] = "rb", /) -> IO[bytes]:
        """The bytes of the file."""
        return self.path.open(mode)


class TableFile:
    """An open table; see `hepad.io.events.EventFile`. A column is read when it is first asked for, and kept.

    `InputDataError` if it is no table of numbers, or a column that is asked for is not there or not finite.
    """

    format = "table"

    def __init__(self, path: TablePath) -> None:
        self.path: InputPath = path
        self._columns: dict[str, _Floats] = {}
        self._stream = path.open("rb")
        try:
            self.names, self.entries, self._read = _opened(path, self._stream)
        except HepadError:
            self._stream.close()
            raise
        except Exception as error:  # each format has errors of its own
            self._stream.close()
            raise InputDataError(f"{path}: no table of numbers, or damaged ({first_line(error)})") from error

    def available(self) -> dict[str, set[str]]:
        """The columns."""
        return {COLUMNS: set(self.names)}

    def sample(self) -> SampleInfo:
        """Nothing: a table keeps no cross section and no energy."""
        return SampleInfo()

    def cuts(self, fields: Fields) -> list[int]:  # noqa: ARG002  any will do
        """Any entry will do."""
        return []

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the columns asked for."""
        others = sorted(set(fields) - {COLUMNS})
        if others:
            raise NotStoredError(f"{self.path}: a table has columns, and no {', '.join(others)}")
        wanted = sorted(fields.get(COLUMNS, ()))
        for name in wanted:
            if name not in self.names:
                known = ", ".join(self.names[:12]) + (", ..." if len(self.names) > 12 else "")
                raise NotStoredError(f"{self.path} has no column {name!r}; it has {known}")
        weight = self._column(_WEIGHT) if _WEIGHT in self.names else np.ones(self.entries)
        check_finite(weight[start:stop], path=self.path, branch=_WEIGHT, start=start)
        for first in range(start, min(stop, self.entries), step_size):
            rows = slice(first, min(first + step_size, stop, self.entries))
            columns: dict[str, Any] = {name: self._column(name)[rows] for name in wanted}
            for name, values in columns.items():
                check_finite(values, path=self.path, branch=name, start=first)
            size = len(weight[rows])
            # Of no columns a record has no length.
            own = record(columns or {"": np.zeros(size)})
            yield record({COLUMNS: own, "weight": weight[rows], "index": np.arange(first, first + size)})

    def close(self) -> None:
        """Close the file."""
        self._columns.clear()
        self._stream.close()

    def _column(self, name: str) -> _Floats:
        if name not in self._columns:
            try:
                values = np.asarray(self._read(name))
            except Exception as error:
                raise InputDataError(f"{self.path}: column {name!r} cannot be read ({first_line(error)})") from error
            if values.shape != (self.entries,) or values.dtype.kind not in "fiub":
                raise InputDataError(f"{self.path}: column {name!r} does not hold a number a row")
            self._columns[name] = values.astype(np.float64)
        return self._columns[name]


_Opened = tuple[tuple[str, ...], int, _Read]


def _opened(path: TablePath, stream: IO[bytes]) -> _Opened:
    """The columns of a file by its first bytes, the number of rows, and how to read a column."""
    magic = stream.read(8)
    stream.seek(0)
    if magic.startswith(b"\x93NUMPY"):
        return _of_array(path, np.load(stream, allow_pickle=False))
    if magic.startswith(b"PK\x03\x04"):
        archive = np.load(stream, allow_pickle=False)
        if len(archive.files) == 1:
            return _of_array(path, archive[archive.files[0]])
        return _of_arrays(path, {name: archive[name] for name in archive.files})
    if magic.startswith(b"PAR1"):
        return _parquet(stream)
    if magic.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5(path, stream)
    if magic.startswith(b"root"):
        return _root(path, stream)
    raise InputDataError(f"{path}: no table; hepad reads .npy, .npz, Parquet, HDF5 and ROOT")


def _of_array(path: TablePath, array: npt.NDArray[Any]) -> _Opened:
    if array.dtype.names:
        return tuple(array.dtype.names), len(array), lambda name: array[name]
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.dtype.kind not in "fiub":
        raise InputDataError(f"{path}: an array of shape {array.shape} is no table; it needs rows and columns")
    names = tuple(f"c{place}" for place in range(array.shape[1]))
    return names, len(array), lambda name: array[:, int(name[1:])]


def _of_arrays(path: TablePath, arrays: Mapping[str, npt.NDArray[Any]]) -> _Opened:
    flat = {name: values for name, values in arrays.items() if values.ndim == 1 and values.dtype.kind in "fiub"}
    if not flat or len({len(values) for values in flat.values()}) != 1:
        raise InputDataError(f"{path}: its arrays are no columns of one length ({', '.join(arrays)})")
    return tuple(flat), len(next(iter(flat.values()))), lambda name: flat[name]


def _parquet(stream: IO[bytes]) -> _Opened:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(stream)
    names = tuple(file.schema_arrow.names)
    return names, file.metadata.num_rows, lambda name: file.read([name])[name].to_numpy()


def _hdf5(path: TablePath, stream: IO[bytes]) -> _Opened:
    import h5py

    from hepad.io.detector.pandas_frame import Frame, frames_in

    handle = h5py.File(stream, "r")
    if frames := frames_in(handle):
        frame = Frame(path, handle, frames[0])
        block: list[npt.NDArray[Any]] = []

        def read(name: str) -> npt.NDArray[Any]:
            if not block:
                block.append(np.asarray(frame.read(0, frame.entries)))
            return np.asarray(block[0][:, frame.names.index(name)])

        return tuple(frame.names), frame.entries, read
    datasets = {name: handle[name] for name in handle if isinstance(handle.get(name), h5py.Dataset)}
    if len(datasets) == 1:
        return _of_array(path, np.asarray(next(iter(datasets.values()))[()]))
    return _of_arrays(path, {name: np.asarray(dataset[()]) for name, dataset in datasets.items()})


def _root(path: TablePath, stream: IO[bytes]) -> _Opened:
    import uproot

    file = uproot.open(stream)
    with suppress(StopIteration):
        name = next(name for name, kind in file.classnames(cycle=False).items() if kind in ("TTree", CLASS))
        tree = open_table(file, name)
        names = tuple(tree.keys(recursive=not isinstance(tree, NTuple)))
        return names, int(tree.num_entries), lambda column: np.asarray(tree[column].array(library="np"))
    raise InputDataError(f"{path}: no tree in it")
