"""The provenance that an output carries, whatever kind of output it is, and which output it is a part of."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError

__all__ = ["Origin", "find_origin", "provenance_of"]

_AGAIN = "make it once more with this version of hepad, from the command line, and it can be replayed"
_FILES = {"analysis pack": 2, "discovery": 1, "hist": 1, "score": 1, "vectorize": 1}
"""The commands that write single files, with the number of their words; all others write folders."""


@dataclass(frozen=True)
class Origin:
    """Where an output came from: the `record`, and the output of the command, the file or a folder around it."""

    record: dict[str, Any]
    root: Path

    @property
    def arguments(self) -> tuple[str, ...]:
        """The words of the command, with places for files."""
        return tuple(self.record["arguments"]["words"])

    @property
    def files(self) -> tuple[Mapping[str, Any], ...]:
        """The records of the files by their places."""
        return (*self.record["inputs"], *self.record["arguments"]["files"])


def find_origin(output: Path) -> Origin:
    """The origin of an output: that of its own record, or of a folder that it is a part of.

    `InputDataError` if there is no record, or none of the whole command.
    """
    if not output.exists():
        raise InputDataError(f"{output}: no such file or folder")
    output = output.absolute()
    own = _complete(provenance_of(output))
    if own is not None and _writes_file(own):
        return Origin(own, output)
    found = None if own is None else Origin(own, output)
    for folder in [*([] if output.is_dir() else [output.parent]), *output.parents[:3]]:
        record = _complete(provenance_of(folder))
        if record is None or _writes_file(record):
            continue
        if found is None or record["arguments"] == found.record["arguments"]:
            found = Origin(record, folder)
    if found is not None:
        return found
    if own is None and provenance_of(output) is None:
        raise InputDataError(f"{output}: no provenance of hepad in it")
    raise InputDataError(f"{output}: its provenance does not hold the whole command; {_AGAIN}")


def provenance_of(output: Path) -> dict[str, Any] | None:
    """The provenance in a file, or in a JSON file of a folder; None if there is none. `InputDataError` if damaged."""
    if output.is_dir():
        found = [record for path in sorted(output.glob("*.json")) if (record := _of_json(path)) is not None]
        return next((record for record in found if "arguments" in record), found[0] if found else None)
    try:
        return _record_in(_content(output))
    except Exception as error:  # a damaged file surfaces as many kinds of error
        raise InputDataError(f"{output}: its provenance cannot be read ({error})") from error


def _of_json(path: Path) -> dict[str, Any] | None:
    with suppress(InputDataError):  # what lies beside an output need not be ours
        return provenance_of(path)
    return None


def _complete(record: dict[str, Any] | None) -> dict[str, Any] | None:
    """The record if it has the words of the command; `InputDataError` if they are not what hepad writes."""
    if record is None or "arguments" not in record:
        return None
    arguments, inputs = record["arguments"], record.get("inputs")
    words, files = (arguments.get(key) if isinstance(arguments, dict) else None for key in ("words", "files"))
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        raise InputDataError("the arguments in its provenance are damaged")
    if not isinstance(inputs, list) or not isinstance(files, list) or not all(map(_is_file, [*inputs, *files])):
        raise InputDataError("the records of files in its provenance are damaged")
    return record


def _is_file(record: Any) -> bool:
    """Whether it is the record of a file; one that could not be read and was left out has no sha256."""
    if not isinstance(record, dict) or not isinstance(record.get("name"), str):
        return False
    return isinstance(record.get("sha256"), str) or "skipped" in record


def _writes_file(record: Mapping[str, Any]) -> bool:
    words = record["arguments"]["words"]
    return any(" ".join(words[:count]) == verb for verb, count in _FILES.items())


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
    from hepad.io.reader import open_root

    with open_root(path) as file:
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
