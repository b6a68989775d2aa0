"""Where an output came from: versions, command, seed and the sha256 of everything that went in.

No time stamp and no absolute path is recorded, so that the same inputs and seed give the same bytes.
"""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Thread
from typing import Any

from hepad import __version__

__all__ = ["FileRecords", "command_line", "file_record", "provenance", "sha256_bytes", "sha256_file"]

_PACKAGES = (
    "numpy",
    "awkward",
    "uproot",
    "torch",
    "snntorch",
    "pyhf",
    "onnxruntime",
    "pythia8mc",
    "fastjet",
    "pyhepmc",
)


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of a byte string."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def file_record(path: Path) -> dict[str, Any]:
    """Name (without folders), size in bytes and sha256 of an input file."""
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": sha256_file(path)}


class FileRecords:
    """The records of input files, made in another thread: hashing takes a tenth of the time of scoring.

    It leaves the interpreter's lock free, and does not keep an interrupted process alive.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._done: list[dict[str, Any] | Exception] = []
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def wait(self, skipped: Mapping[int, str] | None = None) -> list[dict[str, Any]]:
        """Wait for all; raises what went wrong with a file that is not among the `skipped`, whose reasons are told."""
        self._thread.join()
        records: list[dict[str, Any]] = []
        for number, (path, found) in enumerate(zip(self._paths, self._done, strict=True)):
            reason = (skipped or {}).get(number)
            if isinstance(found, Exception) and reason is None:
                raise found
            known = _or_unknown(path, found)
            records.append(known if reason is None else {**known, "skipped": reason})
        return records

    def as_they_are(self) -> list[dict[str, Any]]:
        """Wait for all; a file that cannot be read has neither bytes nor sha256, as one that is left out for that."""
        self._thread.join()
        return [_or_unknown(path, found) for path, found in zip(self._paths, self._done, strict=True)]

    def _work(self) -> None:
        for path in self._paths:
            try:
                self._done.append(file_record(path))
            except Exception as error:  # noqa: BLE001  raised where the records are asked for
                self._done.append(error)


def _or_unknown(path: Path, found: dict[str, Any] | Exception) -> dict[str, Any]:
    return {"name": path.name, "bytes": None, "sha256": None} if isinstance(found, Exception) else found


def provenance(
    command: str,
    *,
    inputs: Iterable[Path | dict[str, Any]] = (),
    seed: int | None = None,
    cards: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The provenance record that every output carries.

    `inputs` are paths, or records of them that `file_record` made before, so that no file is hashed twice.
    `command` is the command in its normal form, `cards` maps card or bundle names to their sha256.
    """
    return {
        "hepad": __version__,
        "python": platform.python_version(),
        "packages": _installed_versions(),
        "command": command,
        "seed": seed,
        "inputs": [file_record(item) if isinstance(item, Path) else item for item in inputs],
        "cards": dict(cards or {}),
    }


def command_line(verb: str, **options: object) -> str:
    """The command in its normal form, `hepad verb --option value`; options that are None or empty are left out."""
    words = [f"hepad {verb}"]
    for name, value in options.items():
        for item in value if isinstance(value, tuple | list) else (value,):
            if item not in (None, ""):
                words.append(f"--{name.replace('_', '-')} {shlex.quote(str(item))}")  # noqa: PERF401
    return " ".join(words)


def _installed_versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # an optional package that is not here
            continue
    return found
