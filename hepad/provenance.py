"""Where an output came from: versions, command, seed and the sha256 of everything that went in.

No time stamp and no absolute path is recorded, so that the same inputs and seed give the same bytes.

`command` is for people: one line, some options left out. What a machine needs to do it again is in `arguments`, which
the command line records (`recording`): all words, with places for files. `{k}` is the k-th of `inputs` followed by
`arguments.files`, `{j,k}` (`{k,}` for one) a folder that holds just these; braces that are meant are doubled.
"""

from __future__ import annotations

import hashlib
import logging
import platform
import re
import shlex
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Thread
from typing import Any

from hepad import __version__
from hepad.errors import InputDataError
from hepad.paths import InputPath

__all__ = [
    "FileRecords",
    "Invocation",
    "Together",
    "command_line",
    "event_records",
    "file_record",
    "folder_record",
    "provenance",
    "recorded_files",
    "recording",
    "sha256_bytes",
    "sha256_file",
    "sha256_files",
]

_log = logging.getLogger(__name__)

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
_VERSION = re.compile(r"^Version: *(\S+) *$", re.MULTILINE)


@dataclass(frozen=True)
class Together:
    """Files that belong in one folder, of which a word names the folder; `names` are theirs below it."""

    paths: tuple[Path, ...]
    names: tuple[str, ...]


Word = tuple["str | Path | Together", ...]
"""A word of a command: text and what stands for files, to be put together."""


@dataclass(frozen=True)
class Invocation:
    """A command as it was given, complete but for its output: `verb`, such as `analysis pack`, and what follows it."""

    verb: str
    words: tuple[Word, ...]


_INVOCATION: ContextVar[Invocation | None] = ContextVar("_INVOCATION", default=None)


@contextmanager
def recording(invocation: Invocation | None) -> Iterator[None]:
    """Within the block, outputs of the command record its arguments."""
    token = _INVOCATION.set(invocation)
    try:
        yield
    finally:
        _INVOCATION.reset(token)


def recorded_files() -> set[Path]:
    """The files and folders that the command in whose `recording` we are was given, but for its output."""
    invocation = _INVOCATION.get()
    parts = [part for word in invocation.words for part in word] if invocation else []
    found = {part for part in parts if isinstance(part, Path)}
    return found.union(*(part.paths for part in parts if isinstance(part, Together)))


def sha256_bytes(data: bytes) -> str:
    """Hexadecimal sha256 of a byte string."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: InputPath) -> str:
    """Hexadecimal sha256 of a file, read in pieces of 1 MiB."""
    return sha256_files([path])


def sha256_files(paths: Iterable[InputPath]) -> str:
    """That of the contents of files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while piece := stream.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()


def file_record(path: InputPath) -> dict[str, Any]:
    """Name (without folders), size in bytes and sha256 of an input file; a file that stays as it is is hashed once."""
    status = path.stat()
    key = (path.resolve(), getattr(status, "st_ino", 0), status.st_size, status.st_mtime_ns)
    if key not in _HASHES:
        _HASHES[key] = sha256_file(path)
    return {"name": path.name, "bytes": status.st_size, "sha256": _HASHES[key]}


_HASHES: dict[tuple[Hashable, int, int, int], str] = {}


def folder_record(path: Path) -> dict[str, Any]:
    """Name, size in bytes and sha256 of a folder: that of a line `sha256  name` for each file below it, in order."""
    files = sorted((file.relative_to(path).as_posix(), file) for file in path.rglob("*") if file.is_file())
    lines = "".join(f"{sha256_file(file)}  {name}\n" for name, file in files)
    size = sum(file.stat().st_size for _, file in files)
    return {"name": path.name, "folder": True, "bytes": size, "sha256": sha256_bytes(lines.encode())}


def event_records(paths: Iterable[InputPath]) -> list[dict[str, Any]]:
    """The records of files of events that have been read; a warning names other files of the same content."""
    records = [(path, file_record(path)) for path in paths]
    _warn_of_copies(list(dict(records).values()))
    return [record for _, record in records]


def _warn_of_copies(records: Sequence[Mapping[str, Any]]) -> None:
    """Say which inputs have the same content: jobs that were run again leave such files behind."""
    names: dict[str, list[str]] = {}
    for record in records:
        if "skipped" not in record:
            names.setdefault(record["sha256"], []).append(record["name"])
    for same in names.values():
        if len(same) > 1:
            _log.warning("%s have the same content: their events count as often", ", ".join(same))


class FileRecords:
    """The records of input files, made in another thread: hashing takes a tenth of the time of scoring.

    It leaves the interpreter's lock free, and does not keep an interrupted process alive.
    """

    def __init__(self, paths: Sequence[InputPath]) -> None:
        self._paths = paths
        self._before = [_stamp(path) for path in paths]
        self._done: list[dict[str, Any] | Exception] = []
        self._warned = False
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def wait(
        self, skipped: Mapping[int, str] | None = None, whole: Mapping[int, str] | None = None
    ) -> list[dict[str, Any]]:
        """Wait for all; raises what went wrong with a file that is not among the `skipped`, whose reasons are told.

        So is why files were read as a `whole`.

        `InputDataError` if another file has changed since the start: what was read and what was hashed may differ.
        """
        self._thread.join()
        records: list[dict[str, Any]] = []
        for number, (path, found) in enumerate(zip(self._paths, self._done, strict=True)):
            reason = (skipped or {}).get(number)
            if isinstance(found, Exception) and reason is None:
                raise found
            if reason is None and _stamp(path) != self._before[number]:
                raise InputDataError(f"{path}: changed while it was read; run again")
            known = _or_unknown(path, found)
            notes = {"skipped": reason, "whole": (whole or {}).get(number)}
            records.append({**known, **{name: note for name, note in notes.items() if note is not None}})
        if not self._warned:
            _warn_of_copies(list(dict(zip(self._paths, records, strict=True)).values()))
        self._warned = True
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


def _stamp(path: InputPath) -> tuple[int, int] | None:
    """Size and time of last change of a file on the disk; None if it is not there, or on a server."""
    try:
        status = path.stat() if isinstance(path, Path) else None
    except OSError:  # told by who reads it
        return None
    return status and (status.st_size, status.st_mtime_ns)


def _or_unknown(path: InputPath, found: dict[str, Any] | Exception) -> dict[str, Any]:
    return {"name": path.name, "bytes": None, "sha256": None} if isinstance(found, Exception) else found


def provenance(
    command: str,
    *,
    inputs: Iterable[InputPath | dict[str, Any]] = (),
    seed: int | None = None,
    cards: Mapping[str, str] | None = None,
    arguments: bool = True,
) -> dict[str, Any]:
    """The provenance record that every output carries.

    `inputs` are paths, or records of them that `file_record` made before, so that no file is hashed twice.
    `command` is the command in its normal form, `cards` maps card or bundle names to their sha256. `arguments` says
    whether to add the words of the command line, for which all its files are hashed, inputs or not.
    """
    records = [item if isinstance(item, dict) else file_record(item) for item in inputs]
    return {
        "hepad": __version__,
        "python": platform.python_version(),
        "packages": dict(_installed_versions()),
        "command": command,
        **(_arguments(command, records) if arguments else {}),
        "seed": seed,
        "inputs": records,
        "cards": dict(cards or {}),
    }


def _arguments(command: str, inputs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entry `arguments` of a record, none outside of the command line.

    What a command writes by way of another, as a study does its trainings, can only be made again with the whole.
    """
    invocation = _INVOCATION.get()
    if invocation is None or not f"{command} ".startswith(f"hepad {invocation.verb} "):
        return {}
    files = _Places(inputs)
    words = ["".join(files.text(part) for part in word) for word in invocation.words]
    return {"arguments": {"words": [*invocation.verb.split(), *words], "files": files.more}}


class _Places:
    """Numbers of the files of a command, among the inputs and `more`, the records of those that are no input."""

    def __init__(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        self.more: list[dict[str, Any]] = []
        self._inputs = len(inputs)
        self._by_path: dict[tuple[str, Path], int] = {}
        self._by_content: dict[tuple[str, str | None], int] = {}
        for number, record in enumerate(inputs):
            self._by_content.setdefault((record["name"], record["sha256"]), number)

    def text(self, part: str | Path | Together) -> str:
        """A part of a word, in the form of the record."""
        if isinstance(part, str):
            return part.replace("{", "{{").replace("}", "}}")
        if isinstance(part, Path):
            return f"{{{self._number(part.name, part)}}}"
        numbers = [str(self._number(name, path)) for name, path in zip(part.names, part.paths, strict=True)]
        return f"{{{','.join(numbers)}{',' if len(numbers) == 1 else ''}}}"

    def _number(self, name: str, path: Path) -> int:
        key = (name, path)
        if key not in self._by_path:
            self._by_path[key] = self._place(name, path)
        return self._by_path[key]

    def _place(self, name: str, path: Path) -> int:
        try:
            record = folder_record(path) if path.is_dir() else file_record(path)
        except OSError:
            if (name, None) not in self._by_content:
                raise
            return self._by_content[name, None]  # an input that could not be read and was left out
        number = self._by_content.setdefault((name, record["sha256"]), self._inputs + len(self.more))
        if number == self._inputs + len(self.more):
            self.more.append({**record, "name": name})
        return number


def command_line(verb: str, **options: object) -> str:
    """The command in its normal form, `hepad verb --option value`; options that are None or empty are left out."""
    words = [f"hepad {verb}"]
    for name, value in options.items():
        for item in value if isinstance(value, tuple | list) else (value,):
            if item not in (None, ""):
                words.append(f"--{name.replace('_', '-')} {shlex.quote(str(item))}")  # noqa: PERF401
    return " ".join(words)


@cache
def _installed_versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, distribution

    found = {}
    for name in _PACKAGES:
        try:
            package = distribution(name)
        except PackageNotFoundError:  # an optional package that is not here
            continue
        # To have all of it parsed as a message takes ten times as long as to find this line.
        line = _VERSION.search((package.read_text("METADATA") or "").partition("\n\n")[0])
        found[name] = line[1] if line else package.version
    return found
