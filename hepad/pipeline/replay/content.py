"""What is in an output, as named values: the numbers of all kinds of files that hepad writes, without provenance."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

__all__ = ["Value", "values_of"]

Value = npt.NDArray[Any] | bytes | str | int | float | bool | None

_VERSIONS = re.compile(
    r"hepad \d[\w.+]*, Python \d|^\s*(<[^>]*>)*(numpy|awkward|uproot|torch|snntorch|pyhf|onnxruntime) \d"
)
_TEXT = {".csv", ".htm", ".html", ".md", ".svg", ".txt", ".v", ".yaml", ".yml", ".cc", ".h", ".cpp"}


def values_of(path: Path) -> Iterator[tuple[str, Value]]:
    """Names and values of a file, one at a time; the whole as bytes where its kind is not known.

    Provenance is left out: entries of that name, and the lines of reports that say versions.
    """
    with path.open("rb") as stream:
        magic = stream.read(8)
    for start, read in _READERS.items():
        if magic.startswith(start):
            yield from read(path)
            return
    if path.suffix == ".json" or magic.startswith(b"{"):
        yield from _json(json.loads(path.read_text(encoding="utf-8")), "")
    elif path.suffix == ".safetensors":
        from safetensors.numpy import load_file

        yield from load_file(path).items()
    elif path.suffix in _TEXT:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        yield from ((f"line {i}", line) for i, line in enumerate(lines, 1) if not _VERSIONS.search(line))
    else:
        yield "bytes", path.read_bytes()


def _json(content: Any, name: str) -> Iterator[tuple[str, Value]]:
    if isinstance(content, dict):
        for key, value in content.items():
            if key != "provenance":
                yield from _json(value, f"{name}.{key}" if name else key)
    elif isinstance(content, list):
        if content and all(isinstance(item, int | float) and not isinstance(item, bool) for item in content):
            yield name, np.array(content, dtype=np.float64)
            return
        for i, item in enumerate(content):
            yield from _json(item, f"{name}[{i}]")
        yield f"len({name})", len(content)
    else:
        yield name, content


def _root(path: Path) -> Iterator[tuple[str, Value]]:
    from hepad.io.reader import open_root
    from hepad.io.root.ntuple import NTuple, open_table

    with open_root(path) as file:
        for name in file.keys(cycle=False):
            item = open_table(file, name)
            if isinstance(item, NTuple):
                for field in item.keys(recursive=False):
                    array = item[field].array()
                    yield f"{name}.{field}", ak.to_numpy(ak.flatten(array, axis=None))
                    if array.ndim > 1:
                        yield f"{name}.len({field})", ak.to_numpy(ak.num(array))
            elif hasattr(item, "num_entries"):
                for branch in item.branches:
                    yield f"{name}.{branch.name}", branch.array(library="np")
            elif hasattr(item, "axes"):
                for i, axis in enumerate(item.axes):
                    yield f"{name}.edges{i}", axis.edges(flow=True)
                yield f"{name}.values", item.values(flow=True)
                yield f"{name}.variances", item.variances(flow=True)
            elif name != "provenance":
                yield name, str(item)


def _parquet(path: Path) -> Iterator[tuple[str, Value]]:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    for name in file.schema_arrow.names:
        yield name, file.read([name])[name].to_numpy()


def _hdf5(path: Path) -> Iterator[tuple[str, Value]]:
    import h5py

    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        for name in names:
            if isinstance(file[name], h5py.Dataset):
                yield name, file[name][()]


def _zip(path: Path) -> Iterator[tuple[str, Value]]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as stream:
                if name.endswith(".npy"):
                    if name != "provenance.npy":
                        yield name.removesuffix(".npy"), np.lib.format.read_array(stream, allow_pickle=False)
                elif name.endswith(".json"):
                    yield from _json(json.load(stream), name)
                else:
                    yield name, stream.read()


def _png(path: Path) -> Iterator[tuple[str, Value]]:
    from matplotlib.image import imread

    yield "pixels", imread(path)


_READERS = {
    b"root": _root,
    b"PAR1": _parquet,
    b"\x89HDF\r\n\x1a\n": _hdf5,
    b"PK\x03\x04": _zip,
    b"\x89PNG": _png,
}
