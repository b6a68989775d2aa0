"""The provenance in a single file that hepad wrote, whatever kind of file it is."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError

__all__ = ["record_of"]


def record_of(path: Path) -> dict[str, Any] | None:
    """The provenance in a file; None if there is none. `InputDataError` if the file is damaged."""
    try:
        return _record_in(_content(path))
    except Exception as error:  # a damaged file surfaces as many kinds of error
        raise InputDataError(f"{path}: its provenance cannot be read ({error})") from error


def _record_in(content: Any) -> dict[str, Any] | None:
    """The record in what a file says of itself: the whole, its entry `provenance`, or that of a histogram."""
    if not isinstance(content, dict):
        return None
    if {"hepad", "command", "packages"} <= set(content):
        return content
    if "provenance" in content:
        return _record_in(content["provenance"])
    metadata = (value.get("metadata") for value in content.values() if isinstance(value, dict))
    return next((_record_in(one) for one in metadata if isinstance(one, dict) and "provenance" in one), None)


def _content(path: Path) -> Any:
    """What a file says of itself, in JSON types; None for a kind of file that says nothing."""
    with path.open("rb") as stream:
        magic = stream.read(8)
    for start, read in _READERS.items():
        if magic.startswith(start):
            return read(path)
    told = path.suffix == ".json" or magic.startswith(b"{")
    return json.loads(path.read_text(encoding="utf-8")) if told else None


def _root(path: Path) -> Any:
    import uproot

    with uproot.open(path, handler=uproot.MultithreadedFileSource, use_threads=False) as file:  # not by fsspec
        return json.loads(str(file["provenance"])) if "provenance" in file else None


def _parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    metadata = pq.read_metadata(path).metadata or {}
    return json.loads(metadata[b"provenance"]) if b"provenance" in metadata else None


def _hdf5(path: Path) -> Any:
    import h5py

    with h5py.File(path) as file:
        return json.loads(str(file.attrs["provenance"])) if "provenance" in file.attrs else None


def _zip(path: Path) -> Any:
    """A .npz with an array `provenance`, or an archive with a manifest."""
    import numpy as np

    with zipfile.ZipFile(path) as archive:
        if "provenance.npy" in archive.namelist():
            with archive.open("provenance.npy") as stream:
                return json.loads(str(np.lib.format.read_array(stream, allow_pickle=False)))
        return json.loads(archive.read("manifest.json")) if "manifest.json" in archive.namelist() else None


_READERS = {b"root": _root, b"PAR1": _parquet, b"\x89HDF\r\n\x1a\n": _hdf5, b"PK\x03\x04": _zip}
