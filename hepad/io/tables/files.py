"""Write rows of numbers as .npz, HDF5 or Parquet, in pieces: memory does not grow with the number of rows."""

from __future__ import annotations

import errno
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Protocol

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError

__all__ = ["FORMATS", "TableWriter", "check_format", "read_info"]

FORMATS = (".npz", ".h5", ".parquet")

Arrays = Mapping[str, npt.NDArray[Any]]


class _Backend(Protocol):
    def __init__(self, path: Path, columns: npt.NDArray[np.str_]) -> None: ...

    def write(self, arrays: Arrays) -> None: ...

    def describe(self, info: str) -> None: ...

    def close(self, *, complete: bool) -> None: ...


class TableWriter:
    """Write arrays of equal length: `x` of shape (n, *columns.shape), if any, and others of shape (n,).

    Parquet, which has no arrays of more axes, gets one column for each number of `x`.
    """

    def __init__(self, path: Path, columns: npt.NDArray[np.str_]) -> None:
        check_format(path)
        backends: dict[str, type[_Backend]] = {".npz": _Npz, ".h5": _Hdf5, ".parquet": _Parquet}
        self._backend = backends[path.suffix](path, columns)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.close(complete=kind is None)

    def write(self, arrays: Arrays) -> None:
        """Append rows; the same arrays each time."""
        self._backend.write(arrays)

    def describe(self, info: Mapping[str, Any]) -> None:
        """Write what the file says of itself, after all rows."""
        self._backend.describe(json.dumps(info, allow_nan=False))


def check_format(path: Path) -> None:
    """`UsageError` if a table cannot be written under such a name."""
    if path.suffix not in FORMATS:
        raise UsageError(f"output must end in {', '.join(FORMATS)}, not {path.suffix or 'nothing'!r}")


def read_info(path: Path) -> dict[str, Any]:
    """What a table says of itself; `InputDataError` if it is none."""
    try:
        info = json.loads(_READERS[path.suffix](path))
    except Exception as error:  # a foreign or damaged file surfaces as many kinds of error
        raise InputDataError(f"{path}: not a table that hepad wrote") from error
    if not isinstance(info, dict):
        raise InputDataError(f"{path}: not a table that hepad wrote")
    return info


class _Npz:
    """numpy's zip of .npy files; rows are spooled to temporary files because a .npy header holds the final length."""

    def __init__(self, path: Path, columns: npt.NDArray[np.str_]) -> None:
        self._path, self._columns, self._info = path, columns, "{}"
        self._spools: dict[str, tuple[IO[bytes], np.dtype[Any], tuple[int, ...]]] = {}
        self._rows = 0

    def write(self, arrays: Arrays) -> None:
        for name, array in arrays.items():
            if name not in self._spools:
                spool = TemporaryFile(dir=self._path.parent)  # noqa: SIM115  closed in `close`
                self._spools[name] = (spool, array.dtype, array.shape[1:])
            self._spools[name][0].write(np.ascontiguousarray(array).tobytes())
        self._rows += len(next(iter(arrays.values())))

    def describe(self, info: str) -> None:
        self._info = info

    def close(self, *, complete: bool) -> None:
        try:
            if complete:
                self._assemble()
        finally:
            for spool, _, _ in self._spools.values():
                spool.close()

    def _assemble(self) -> None:
        with zipfile.ZipFile(self._path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, values in (("columns", self._columns), ("provenance", np.array(self._info))):
                with archive.open(f"{name}.npy", "w") as out:
                    np.lib.format.write_array(out, values, allow_pickle=False)
            for name, (spool, dtype, tail) in self._spools.items():
                spool.seek(0)
                header = {
                    "descr": np.lib.format.dtype_to_descr(dtype),
                    "fortran_order": False,
                    "shape": (self._rows, *tail),
                }
                with archive.open(f"{name}.npy", "w", force_zip64=True) as out:
                    np.lib.format.write_array_header_1_0(out, header)
                    while piece := spool.read(1 << 20):
                        out.write(piece)


class _Hdf5:
    """HDF5 cannot close a file on a full disk (it crashes the process), so the room is asked for before each write."""

    def __init__(self, path: Path, columns: npt.NDArray[np.str_]) -> None:
        import h5py

        self._folder = path.parent
        self._check_room(0)
        self._file = h5py.File(path, "w")
        names = np.char.encode(columns) if columns.size else columns.astype("S1")  # of none numpy 1 makes numbers
        self._file.create_dataset("columns", data=names)

    def describe(self, info: str) -> None:
        self._check_room(len(info))
        self._file.attrs["provenance"] = info

    def _check_room(self, needed: int) -> None:
        if shutil.disk_usage(self._folder).free < needed + (1 << 20):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write(self, arrays: Arrays) -> None:
        self._check_room(sum(array.nbytes for array in arrays.values()))
        for name, array in arrays.items():
            if name not in self._file:
                self._file.create_dataset(
                    name, data=array, maxshape=(None, *array.shape[1:]), chunks=True, compression="gzip"
                )
                continue
            data = self._file[name]
            old = data.shape[0]
            data.resize(old + len(array), axis=0)
            data[old:] = array

    def close(self, *, complete: bool) -> None:  # noqa: ARG002  an incomplete file is removed by the caller
        self._file.close()


class _Parquet:
    """`x` becomes one column a feature, as data-frame users expect."""

    def __init__(self, path: Path, columns: npt.NDArray[np.str_]) -> None:
        self._path, self._columns = path, columns.ravel().tolist()
        self._out: Any = None

    def write(self, arrays: Arrays) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        x = arrays["x"].reshape(len(arrays["x"]), -1).T if "x" in arrays else ()
        data = {name: pa.array(np.ascontiguousarray(column)) for name, column in zip(self._columns, x, strict=True)}
        data |= {name: pa.array(array) for name, array in arrays.items() if name != "x"}
        table = pa.table(data)
        if self._out is None:
            self._out = pq.ParquetWriter(self._path, table.schema, write_page_checksum=True)
        self._out.write_table(table)

    def close(self, *, complete: bool) -> None:  # noqa: ARG002  an incomplete file is removed by the caller
        if self._out is not None:
            self._out.close()

    def describe(self, info: str) -> None:
        self._out.add_key_value_metadata({"provenance": info})


def _npz_info(path: Path) -> str:
    with np.load(path, allow_pickle=False) as archive:
        return str(archive["provenance"])


def _hdf5_info(path: Path) -> str:
    import h5py

    with h5py.File(path, "r") as file:
        return str(file.attrs["provenance"])


def _parquet_info(path: Path) -> str:
    import pyarrow.parquet as pq

    return str((pq.read_metadata(path).metadata or {})[b"provenance"].decode())


_READERS: dict[str, Callable[[Path], str]] = {".npz": _npz_info, ".h5": _hdf5_info, ".parquet": _parquet_info}
