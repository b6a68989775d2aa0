"""Units of work: a range of entries of one file, read and handed to a job's step by whichever process does it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from hepad.errors import CountError, InputDataError
from hepad.execution.parts import FileFacts, Part
from hepad.io.events import Chunk, EventFile, Fields
from hepad.io.reader import open_events, read_chunks, unit_edges
from hepad.paths import InputPath
from hepad.threads import Beside

__all__ = ["Doer", "Job", "Outcome", "Staffed", "Stamp", "Step", "Unit", "Worker", "stamp", "stamps", "worker_of"]

_REQUESTS = 16

Stamp = tuple[int, int]
"""Size in bytes and time of last change (ns) of a file: by it a run that goes on knows its inputs again."""


@dataclass(frozen=True)
class Step:
    """What is to be read of the events, and the function that makes a part of a chunk of them.

    `facts` asks for what the files say of their samples.
    """

    fields: Fields
    make: Callable[[Chunk], Part]
    facts: bool = False


class Job(Protocol):
    """What is made of events: small, and sent to other processes, where `prepare` loads what it needs (models)."""

    def prepare(self) -> Step:
        """Load what the job needs; once in each process."""
        ...


@dataclass(frozen=True)
class Unit:
    """The entries [edges[place], edges[place + 1]) of a file.

    `edges` are None in a file's first unit, which is always its unit 0: who does it looks how the file is best cut,
    so that no file is opened only to be counted. `limit` bounds the entries read from the file, None: all.
    """

    file: int
    path: InputPath
    stamp: Stamp | None
    step_size: int
    limit: int | None = None
    place: int = 0
    edges: tuple[int, ...] | None = None

    def __str__(self) -> str:
        if self.edges is None:
            return f"{self.path}"
        return f"{self.path}, entries {self.edges[self.place]} to {self.edges[self.place + 1]}"


@dataclass(frozen=True)
class Outcome:
    """What came of a unit: its part and its file's edges, or why the file cannot be used."""

    unit: Unit
    part: Part | None = None
    edges: tuple[int, ...] = (0,)
    error: InputDataError | None = None


class Doer(Protocol):
    """Does units of one job, of events or of whatever else, one after the other."""

    def do(self, unit: Any) -> Any:
        """The outcome of a unit."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


@runtime_checkable
class Staffed(Protocol):
    """A job whose units are no entries of files: it says who does them."""

    def worker(self) -> Doer:
        """Who does its units in this process."""
        ...


def worker_of(job: Job | Staffed, *, ahead: bool = False) -> Doer:
    """Who does the units of a job in this process; `ahead` as of `Worker`."""
    return job.worker() if isinstance(job, Staffed) else Worker(job, ahead=ahead)


class Worker:
    """Does units of one job, one after the other; keeps the last file open, as its next unit often comes next.

    If it is to read `ahead`, the next unit of a file on the disk is read on another thread while the job makes its part
    of the one before: it is for who does all units of a file, in their order.
    """

    def __init__(self, job: Job, *, ahead: bool = False) -> None:
        self._step = job.prepare()
        self._unit: Unit | None = None
        self._source: EventFile | None = None
        self._reads_ahead = ahead
        self._beside: Beside[list[Any]] = Beside()
        self._next: int | None = None

    def do(self, unit: Unit) -> Outcome:
        """The outcome of a unit. What is wrong with the file is part of it; other errors are raised."""
        try:
            source = self._open(unit)
            edges = unit.edges or unit_edges(source, self._step.fields, unit.step_size, unit.limit)
            return Outcome(unit, self._part(source, unit, edges), edges)
        except InputDataError as error:
            self.close()
            return Outcome(unit, error=error)

    def close(self) -> None:
        """Close the file that is open."""
        source, self._source, self._next = self._source, None, None
        self._beside.close()  # before the file that it reads
        if source is not None:
            source.close()

    def _open(self, unit: Unit) -> EventFile:
        if self._source is None or self._unit is None or self._unit.path != unit.path:
            self.close()
            source = open_events(unit.path)
            try:
                if stamp(unit.path) != unit.stamp:
                    raise InputDataError(f"{unit.path}: changed while it was read; run again")
            except BaseException:
                source.close()
                raise
            self._source = source
        self._unit = unit
        return self._source

    def _part(self, source: EventFile, unit: Unit, edges: tuple[int, ...]) -> Part:
        if len(edges) < 2:  # an empty file
            return Part(0)
        start, stop = edges[unit.place], edges[unit.place + 1]
        chunks = self._chunks(source, unit, edges)
        part = Part.join([self._step.make(Chunk(unit.file, unit.path, events)) for events in chunks])
        self._beside.rest()  # what follows asks the file, which one thread at a time may do
        if part.events != stop - start:
            raise CountError(f"{unit.path}: {part.events} events came of the entries {start} to {stop}")
        if self._step.facts and unit.place == 0:  # after reading: how many events a shower rejects is known then
            part = replace(part, facts=FileFacts(source.entries, source.sample()))
        whole = getattr(source, "whole", "")  # of ROOT files alone
        return replace(part, whole=whole) if whole else part

    def _chunks(self, source: EventFile, unit: Unit, edges: tuple[int, ...]) -> Iterable[Any]:
        """The events of a unit; those of the next are being read when they are there, if there is one."""

        def read(place: int) -> Iterator[Any]:
            where = {"start": edges[place], "stop": edges[place + 1]}
            return read_chunks(source, self._step.fields, step_size=unit.step_size, **where)

        if self._next == unit.place:
            chunks: Iterable[Any] = self._beside.result() or ()
        else:  # the first, or some were done by a run that was interrupted
            self._beside.close()
            chunks = read(unit.place)
        following, self._next = unit.place + 1, None
        if self._reads_ahead and following + 1 < len(edges) and isinstance(unit.path, Path):
            chunks = list(chunks)
            self._next = following
            self._beside.begin(lambda: list(read(following)))
        return chunks


def stamps(paths: Sequence[InputPath]) -> list[Stamp | None]:
    """Size and time of last change of files; None for one that is not there, which is told when it is to be read.

    Servers are asked side by side.
    """
    if all(isinstance(path, Path) for path in paths):
        return [_stamp(path) for path in paths]
    with ThreadPoolExecutor(_REQUESTS) as pool:
        return list(pool.map(_stamp, paths))


def _stamp(path: InputPath) -> Stamp | None:
    try:
        return stamp(path)
    except InputDataError:
        return None


def stamp(path: InputPath) -> Stamp:
    """Size and time of last change of a file; `InputDataError` if it cannot be asked."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputDataError(f"{path}: cannot be read ({error.strerror})") from error
    return status.st_size, status.st_mtime_ns
