"""Parts as files in a folder: `plan.json` says what they are of, `journal.jsonl` which are there."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from hepad.errors import OutputError, UsageError
from hepad.execution.parts import Part
from hepad.execution.units import Stamp, Unit

__all__ = ["FolderStore", "Key", "is_of_store", "output_errors"]

_PLAN, _JOURNAL = "plan.json", "journal.jsonl"

Key = tuple[int, int]
"""File and place of a unit."""


class FolderStore:
    """Keeps parts as files; see `hepad.execution.store.Store`.

    Parts of files that have changed since, or that are damaged, are forgotten.
    """

    def __init__(self, path: Path, key: Mapping[str, Any]) -> None:
        self._path = path
        self._key = key
        self._journal: IO[str] | None = None
        self._edges: dict[int, tuple[int, ...]] = {}
        self._units: set[Key] = set()
        self._latest: tuple[Key, Part] | None = None
        self.complete = False

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:
        """Make the folder, or find what an earlier run of the same plan has done of files that are the same still."""
        content = json.dumps({**self._key, **plan}, indent=1, sort_keys=True)
        with output_errors(self._path):
            self._path.mkdir(exist_ok=True)
            written = self._path / _PLAN
            old = written.read_bytes() if written.exists() else None
        if old is None:
            _write(written, content.encode())
        elif old != content.encode():
            raise UsageError(
                f"{self._path.parent} holds what an interrupted run with other files or options has done: finish it "
                "with its own command, start again with --force, or give another name with -o"
            )
        with output_errors(self._path / _JOURNAL):
            journal = self._path / _JOURNAL
            lines = journal.read_bytes().split(b"\n") if journal.exists() else [b""]
            for line in lines:
                self._recall(line, stamps)
            self._journal = journal.open("a", encoding="utf-8")
            if lines[-1]:  # the last line was cut off: it must not spoil the next
                self._journal.write("\n")

    def known(self) -> dict[int, tuple[int, ...]]:
        """The edges of the units of each file of which a part is there."""
        return dict(self._edges)

    def __contains__(self, key: Key) -> bool:
        return key in self._units

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:
        """Write a part, then its line in the journal: a part without a line is not there."""
        key = (unit.file, unit.place)
        data = part.to_bytes()
        _write(self._part(key), data)
        line = {"unit": key, "edges": edges, "stamp": unit.stamp}
        assert self._journal is not None  # noqa: S101  `begin` has opened it
        with output_errors(self._path / _JOURNAL):
            self._journal.write(json.dumps({**line, "xxh3": _seal(line, data)}) + "\n")
            self._journal.flush()
        self._edges[unit.file] = edges
        self._units.add(key)
        self._latest = (key, part)

    def get(self, key: Key) -> Part:
        """Read a part; that which came last is at hand."""
        latest, self._latest = self._latest, None
        if latest is not None and latest[0] == key:
            return latest[1]
        with output_errors(self._part(key)):
            return Part.from_bytes(self._part(key).read_bytes())

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            with suppress(OSError):  # of a line that could not be written, which was told then
                self._journal.close()

    def _part(self, key: Key) -> Path:
        return self._path / f"{key[0]}-{key[1]}.safetensors"

    def _recall(self, text: bytes, stamps: Sequence[Stamp | None]) -> None:
        """Take a part for done if its line in the journal and the part are whole, and its file is as it was."""
        try:
            line = json.loads(text)
            seal = line.pop("xxh3")
            file, place = key = (int(line["unit"][0]), int(line["unit"][1]))
            edges, stamp = tuple(int(edge) for edge in line["edges"]), tuple(line["stamp"])
            if seal != _seal(line, self._part(key).read_bytes()):
                return
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, OSError):  # cut off or damaged
            return
        if stamp == stamps[file] and self._edges.get(file, edges) == edges and place < len(edges):
            self._edges[file] = edges
            self._units.add(key)


def _seal(line: Mapping[str, Any], data: bytes) -> str:
    """A hash of a part and of what the journal says of it: against damage, so that a fast one does."""
    from xxhash import xxh3_128

    seal = xxh3_128(json.dumps(line, sort_keys=True).encode())
    seal.update(data)
    return str(seal.hexdigest())


def is_of_store(path: Path) -> bool:
    """Whether a file has a name that a store gives."""
    return path.name in (_PLAN, _JOURNAL) or path.suffix in (".safetensors", ".part")


def _write(path: Path, data: bytes) -> None:
    """Write beside, then rename: a file that is there is whole."""
    beside = path.with_name(f"{path.name}.part")
    with output_errors(path):
        try:
            beside.write_bytes(data)
            os.replace(beside, path)  # noqa: PTH105
        except OSError:
            with suppress(OSError):
                beside.unlink(missing_ok=True)
            raise


@contextmanager
def output_errors(path: Path, remedy: str = "free space and run the same command again to go on") -> Iterator[None]:
    """Make errors of the system about a path `OutputError`."""
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
