"""Where the parts of a run are kept until its output is complete, so that an interrupted run can go on.

`OUTPUT.run/` holds a folder for each job of the run, with `plan.json` (what the parts are of), `journal.jsonl` (a line
a part, with its sha256; a line is written when its part is) and the parts.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol

from hepad.errors import CompanionError, InputDataError, InterruptedRunError, OutputError, UsageError, WorkerError
from hepad.execution.parts import Part
from hepad.execution.units import Stamp, Unit
from hepad.provenance import sha256_bytes

__all__ = ["FolderStore", "MemoryStore", "RunFolder", "Store"]

_PLAN, _JOURNAL, _LOCK = "plan.json", "journal.jsonl", "lock"

Key = tuple[int, int]
"""File and place of a unit."""


class Store(Protocol):
    """Keeps the parts of one job; `complete` is set when all have been handed out."""

    complete: bool

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:
        """Say what the parts depend on: what is kept of another plan, or of files that have changed, is of no use."""
        ...

    def known(self) -> dict[int, tuple[int, ...]]:
        """The edges of the units of each file of which a part is there."""
        ...

    def __contains__(self, key: Key) -> bool: ...

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:
        """Keep a part."""
        ...

    def get(self, key: Key) -> Part:
        """Give a part back."""
        ...


class MemoryStore:
    """Keeps parts for as long as the process lives; see `Store`."""

    complete = False

    def __init__(self) -> None:
        self._parts: dict[Key, Part] = {}

    def begin(self, plan: Mapping[str, Any], stamps: Sequence[Stamp | None]) -> None:
        """Nothing is there that could be of another plan."""

    def known(self) -> dict[int, tuple[int, ...]]:
        """Nothing: a new process has no parts."""
        return {}

    def __contains__(self, key: Key) -> bool:
        return key in self._parts

    def put(self, unit: Unit, edges: tuple[int, ...], part: Part) -> None:  # noqa: ARG002
        """Keep a part."""
        self._parts[unit.file, unit.place] = part

    def get(self, key: Key) -> Part:
        """Give a part back; it is asked for once."""
        return self._parts.pop(key)


class FolderStore:
    """Keeps parts as files; see `Store`. Parts of files that have changed since, or that are damaged, are forgotten."""

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
        self._path.mkdir(exist_ok=True)
        written = self._path / _PLAN
        if not written.exists():
            _write(written, content.encode())
        elif written.read_text(encoding="utf-8") != content:
            raise UsageError(
                f"{self._path.parent} holds what an interrupted run with other files or options has done: finish it "
                "with its own command, start again with --force, or give another name with -o"
            )
        self._read_journal(stamps)
        self._journal = (self._path / _JOURNAL).open("a", encoding="utf-8")

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
        line = {"unit": key, "edges": edges, "stamp": unit.stamp, "sha256": sha256_bytes(data)}
        assert self._journal is not None  # noqa: S101  `begin` has opened it
        self._journal.write(json.dumps(line) + "\n")
        self._journal.flush()
        self._edges[unit.file] = edges
        self._units.add(key)
        self._latest = (key, part)

    def get(self, key: Key) -> Part:
        """Read a part; that which came last is at hand."""
        latest, self._latest = self._latest, None
        if latest is not None and latest[0] == key:
            return latest[1]
        return Part.from_bytes(self._part(key).read_bytes())

    def close(self) -> None:
        """Close the journal."""
        if self._journal is not None:
            self._journal.close()

    def _part(self, key: Key) -> Path:
        return self._path / f"{key[0]}-{key[1]}.safetensors"

    def _read_journal(self, stamps: Sequence[Stamp | None]) -> None:
        journal = self._path / _JOURNAL
        for text in journal.read_text(encoding="utf-8").splitlines() if journal.exists() else ():
            try:
                line = json.loads(text)
                file, place = key = (int(line["unit"][0]), int(line["unit"][1]))
                data = self._part(key).read_bytes()
            except (ValueError, KeyError, OSError):  # the line or the part was cut off
                continue
            edges = tuple(int(edge) for edge in line["edges"])
            mark = stamps[file]
            same = mark is not None and tuple(line["stamp"]) == mark and self._edges.get(file, edges) == edges
            if same and sha256_bytes(data) == line["sha256"] and place < len(edges):
                self._edges[file] = edges
                self._units.add(key)


class RunFolder:
    """The folder `OUTPUT.run`, in which one process at a time may work."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stores: list[FolderStore] = []

    @classmethod
    @contextmanager
    def of(cls, output: Path, *, force: bool = False) -> Iterator[RunFolder]:
        """The run folder of an output: gone when all went well, kept if there was work left to do.

        `UsageError` if another process works in it, `InterruptedRunError` if a signal ended the run and parts of it
        are kept. With `force`, what an earlier run left there is forgotten.
        """
        folder = cls(output.with_name(f"{output.name}.run"))
        _check_ours(folder.path)
        try:
            folder.path.mkdir(exist_ok=True)
            lock = (folder.path / _LOCK).open("w")
        except OSError as error:
            raise OutputError(f"cannot write {folder.path}: {error.strerror or error}; change -o") from error
        with lock:
            _lock(lock, output)
            folder._clear(parts=force)
            try:
                yield folder
            except (KeyboardInterrupt, SystemExit) as error:
                folder._end(of_use=True)
                if not folder.path.exists():
                    raise
                raise InterruptedRunError(
                    f"interrupted; {folder.done()} parts of the work are kept in {folder.path}, the same command goes "
                    "on from there",
                    error.code - 128
                    if isinstance(error, SystemExit) and isinstance(error.code, int)
                    else signal.SIGINT,
                ) from error
            except (InputDataError, OutputError, WorkerError) as error:
                folder._end(of_use=not isinstance(error, InputDataError))
                if not folder.path.exists():
                    raise
                raise type(error)(f"{error} (what is done is kept in {folder.path})") from error
            except CompanionError:  # the parts are of another companion than those to come
                folder.remove()
                raise
            except BaseException as error:  # an interrupted training says itself how it goes on
                folder._end(of_use=isinstance(error, InterruptedRunError))
                raise
            else:
                folder.remove()

    def store(self, name: str, key: Mapping[str, Any]) -> FolderStore:
        """The store of one job of the run; `key` is what its parts depend on besides the files."""
        store = FolderStore(self.path / name, key)
        self._stores.append(store)
        return store

    def done(self) -> int:
        """How many parts are there."""
        return sum(1 for _ in self.path.glob("*/*.safetensors"))

    def remove(self) -> None:
        """Forget all parts."""
        for store in self._stores:
            store.close()
        shutil.rmtree(self.path, ignore_errors=True)

    def _end(self, *, of_use: bool) -> None:
        """Keep the parts if there are some, and they are of use or a job is unfinished.

        When all jobs are done and what was made of them was refused, going on would end the same way.
        """
        if self.done() and (of_use or not all(store.complete for store in self._stores)):
            for store in self._stores:
                store.close()
        else:
            self.remove()

    def _clear(self, *, parts: bool) -> None:
        """Remove what a process that was killed was writing, and on request all parts."""
        for path in self.path.iterdir():
            if path.is_dir():
                if parts:
                    shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()


def _check_ours(folder: Path) -> None:
    """Raise `OutputError` if there is something of that name that no run has made: it will be cleared."""
    if folder.exists() and not (folder / _LOCK).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise OutputError(f"{folder} is in the way: hepad did not make it; move it or give another name with -o")


def _lock(lock: IO[str], output: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"another process is making {output}; wait for it or change -o") from error
    except OSError:  # a file system without locks
        return


def _write(path: Path, data: bytes) -> None:
    """Write beside, then rename: a file that is there is whole."""
    beside = path.with_name(f"{path.name}.part")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)  # noqa: PTH105
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise OutputError(
            f"cannot write {path}: {error.strerror or error}; free space and run the same command again to go on"
        ) from error
