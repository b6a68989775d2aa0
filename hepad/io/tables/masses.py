"""Tables of events with one mass per spectrum: ROOT trees, Parquet and npz."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.root.ntuple import NTuple, open_table
from hepad.io.text import first_line

__all__ = ["read_masses"]

FloatArray = npt.NDArray[np.float64]


def read_masses(spec: str, columns: Sequence[str]) -> FloatArray:
    """Columns (events, columns) of `file.root:tree`, `file.parquet` or `file.npz`; NaN where an event has no mass.

    A ROOT file with one tree needs no name. `InputDataError` names the file and the column at fault.
    """
    name, found, tree = spec.partition(".root:")
    path = Path(name + ".root") if found else Path(spec)
    if path.suffix not in (".root", ".parquet", ".npz"):
        raise InputDataError(f"{spec} is not a table of events: give file.root:tree, file.parquet or file.npz")
    if not path.is_file():
        raise InputDataError(f"{path} does not exist" if not path.exists() else f"{path} is not a file")
    try:
        if path.suffix == ".root":
            content = _root(path, tree or None, columns)
        elif path.suffix == ".parquet":
            content = _parquet(path, columns)
        else:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in _present(path, columns, file.files)}
    except InputDataError:
        raise
    except Exception as error:  # the libraries raise many kinds for a file that is not what its name says
        raise InputDataError(f"{path} cannot be read as a table: {first_line(error)}") from error
    arrays = []
    for name in columns:
        values = np.asarray(content[name])
        if values.ndim != 1 or not np.issubdtype(values.dtype, np.number):
            raise InputDataError(
                f"{path}: column {name} has {values.dtype} of {values.ndim} dimensions, not one number"
            )
        arrays.append(values.astype(np.float64))
    if len({len(values) for values in arrays}) > 1:
        raise InputDataError(f"{path}: columns {', '.join(columns)} differ in length")
    return np.stack(arrays, axis=1)


def _present(path: Path, columns: Sequence[str], names: Sequence[str]) -> Sequence[str]:
    for column in columns:
        if column not in names:
            raise InputDataError(f"{path} has no column {column}; found {', '.join(map(str, names)) or 'none'}")
    return columns


def _parquet(path: Path, columns: Sequence[str]) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read(columns=list(_present(path, columns, file.schema_arrow.names)))
    # A missing mass is a null or a NaN.
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in columns}


def _root(path: Path, tree: str | None, columns: Sequence[str]) -> dict[str, Any]:
    import uproot

    with uproot.open(path, handler=uproot.MultithreadedFileSource, use_threads=False) as file:  # not by fsspec
        names = list(dict.fromkeys(file.keys(cycle=False, filter_classname=["TTree", "ROOT::RNTuple"])))
        if tree is None and len(names) != 1:
            raise InputDataError(f"{path} holds {', '.join(names) or 'no trees'}; say which as {path.name}:TREE")
        chosen = tree or names[0]
        if chosen not in names:
            raise InputDataError(f"{path} has no tree {chosen}; found {', '.join(names) or 'none'}")
        table = open_table(file, chosen)
        present = _present(path, columns, table.keys(recursive=not isinstance(table, NTuple)))
        arrays = table.arrays(list(present), library="np")
        return {str(name): arrays[name] for name in columns}
