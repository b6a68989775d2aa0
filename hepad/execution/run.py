"""Run a job over files: parts in the order of the inputs, whoever makes them and however often the run is begun."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from hepad.errors import CountError, InputDataError, NotStoredError
from hepad.execution.executor import Execution, Executor, make_executor
from hepad.execution.parts import Part
from hepad.execution.store import MemoryStore, Store
from hepad.execution.units import Job, Outcome, Stamp, Unit, stamps
from hepad.io.reader import open_events
from hepad.paths import InputPath

__all__ = ["FilePart", "OnEvents", "Run", "Skipped"]


JobT = TypeVar("JobT", bound=Job)

OnEvents = Callable[[int, int | None], None]
"""Told of progress: so many events more, of so many in all by what is known, if that is."""


@dataclass(frozen=True)
class Skipped:
    """A file that was left out: its place among the inputs, its name without folders, and why."""

    file: int
    name: str
    reason: str


@dataclass(frozen=True)
class FilePart:
    """A part, the place of its file among the inputs and the entry of its first event."""

    file: int
    path: InputPath
    first: int
    part: Part


@dataclass
class Run(Generic[JobT]):
    """One job over some files. Iterate over it once; then `skipped` says which files were left out.

    `whole` says of files, by their place, why uproot read all of their trees' branches and not those asked for alone.

    The parts come in the order of files and entries. `InputDataError` at a file that cannot be used, unless bad files
    are to be skipped: then none of its parts come. `CountError` if not every entry has come once.
    """

    job: JobT
    paths: Sequence[InputPath]
    step_size: int
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    store: Store = field(default_factory=MemoryStore)
    on_events: OnEvents | None = None
    skipped: list[Skipped] = field(default_factory=list)
    whole: dict[int, str] = field(default_factory=dict)
    _marks: Sequence[Stamp | None] = field(default=(), init=False, repr=False)

    def __iter__(self) -> Iterator[FilePart]:
        queue = _Queue(self._first_units(), self.store, whole_files=self.execution.skip_bad_files)
        yield from self._announced(queue)
        if queue.waiting:
            with closing(make_executor(self.job, self.execution)) as executor:
                for outcome in _drive(executor, queue):
                    self._take(outcome, queue)
                    yield from self._announced(queue)
        queue.check()
        if not queue.given:
            self.store.complete = True  # going on would find no more
            raise InputDataError(self._nothing())
        self._check_unchanged()
        self.store.complete = True

    def _nothing(self) -> str:
        if self.skipped:
            kinds = {one.reason.replace(one.name, ""): one.reason for one in reversed(self.skipped)}
            first = list(reversed(kinds.values()))[:3]  # of each kind the first file's
            return f"none of the {len(self.paths)} files can be used: {'; '.join(first)}"
        return f"{', '.join(str(path) for path in self.paths[:3])}: no entries; there is nothing to read"

    def _check_unchanged(self) -> None:
        """Raise `InputDataError` if a file on the disk has changed since the start; servers are not asked."""
        for number, (path, mark) in enumerate(zip(self.paths, self._marks, strict=True)):
            if isinstance(path, Path) and number not in self.reasons() and stamps([path]) != [mark]:
                raise InputDataError(f"{path}: changed while it was read; run again")

    def reasons(self) -> dict[int, str]:
        """Why files were left out, by their place among the inputs."""
        return {skipped.file: skipped.reason for skipped in self.skipped}

    def _take(self, outcome: Outcome, queue: _Queue) -> None:
        unit = outcome.unit
        if outcome.error is not None:
            if not self.execution.skip_bad_files:
                may_go = len(self.paths) > 1 and not isinstance(outcome.error, NotStoredError)
                hint = "; or leave it out with --skip-bad-files" if may_go else ""
                raise type(outcome.error)(f"{outcome.error}{hint}") from outcome.error
            if queue.drop(unit.file):
                reason = str(outcome.error).replace(str(unit.path), unit.path.name)
                self.skipped.append(Skipped(unit.file, unit.path.name, reason))
                self.skipped.sort(key=lambda skipped: skipped.file)  # workers may find them in any order
        elif outcome.part is not None:
            queue.add(outcome)

    def _announced(self, queue: _Queue) -> Iterator[FilePart]:
        for part in queue.release():
            if part.part.whole:
                self.whole.setdefault(part.file, part.part.whole)
            yield part
            if self.on_events:
                self.on_events(part.part.events, queue.expected)

    def _first_units(self) -> list[Unit]:
        marks = self._marks = stamps(self.paths)
        files = [str(path) for path in self.paths]
        self.store.begin({"files": files, "step_size": self.step_size, "max_events": self.max_events}, marks)
        units = [
            Unit(number, path, mark, self.step_size)
            for number, (path, mark) in enumerate(zip(self.paths, marks, strict=True))
        ]
        if self.max_events is None:
            return units
        return _limited(units, self.max_events, skip=self.execution.skip_bad_files)


class _Queue:
    """Which units are to be done, which are done, and which is the next to hand out."""

    def __init__(self, first: Sequence[Unit], store: Store, *, whole_files: bool) -> None:
        self._first = {unit.file: unit for unit in first}
        self._store = store
        self._whole_files = whole_files
        self._order = deque(self._first)
        self._place = 0
        self._edges: dict[int, tuple[int, ...]] = {}
        self._done: dict[int, set[int]] = {unit.file: set() for unit in first}
        self._dropped: set[int] = set()
        self._given: dict[int, int] = dict.fromkeys(self._first, 0)
        self._unopened, self._known = len(self._first), 0
        self._bytes = {True: 0, False: sum(self._size(file) for file in self._first)}
        self.waiting: deque[Unit] = deque()
        for unit in first:
            self._plan(unit, store.known().get(unit.file))

    def _plan(self, unit: Unit, edges: tuple[int, ...] | None) -> None:
        if edges is None:
            self.waiting.append(unit)
            return
        self._opened(unit.file, edges)
        for place in range(_count(edges)):
            if (unit.file, place) in self._store:
                self._done[unit.file].add(place)
            else:
                self.waiting.append(replace(unit, place=place, edges=edges))

    def add(self, outcome: Outcome) -> None:
        """Take the part of a unit; its file's other units come next, so that files are finished in their order."""
        unit, part = outcome.unit, outcome.part
        if unit.file in self._dropped or part is None:
            return
        self._store.put(unit, outcome.edges, part)
        self._done[unit.file].add(unit.place)
        if unit.file not in self._edges:
            self._opened(unit.file, outcome.edges)
            rest = [replace(unit, place=place, edges=outcome.edges) for place in range(1, _count(outcome.edges))]
            self.waiting.extendleft(reversed(rest))

    def drop(self, file: int) -> bool:
        """Leave a file out; False if it is out already."""
        if file in self._dropped:
            return False
        self._dropped.add(file)
        self._unopened -= file not in self._edges
        self._known -= self._edges.get(file, (0,))[-1]
        self._bytes[file in self._edges] -= self._size(file)
        self.waiting = deque(unit for unit in self.waiting if unit.file != file)
        return True

    def release(self) -> Iterator[FilePart]:
        """The parts that are next in order and there."""
        while self._order:
            file = self._order[0]
            if file not in self._dropped:
                edges = self._edges.get(file)
                if edges is None or (self._whole_files and len(self._done[file]) < _count(edges)):
                    return
                while self._place in self._done[file]:
                    part = self._part(file, edges)
                    if part.part.events:  # an empty file has none, nor columns
                        yield part
                if self._place < _count(edges):
                    return
            self._order.popleft()
            self._place = 0

    def _part(self, file: int, edges: tuple[int, ...]) -> FilePart:
        key = (file, self._place)
        part = self._store.get(key)
        first = edges[self._place]
        if part.events != (edges[self._place + 1] - first if len(edges) > 1 else 0):
            raise CountError(f"{self._first[file].path}: {part.events} events in the part from entry {first} on")
        self._given[file] += part.events
        self._place += 1
        return FilePart(file, self._first[file].path, first, part)

    @property
    def given(self) -> int:
        """Events handed out."""
        return sum(self._given.values())

    @property
    def expected(self) -> int | None:
        """Events of all files; those that nobody has opened hold as many a byte as the others. None if not known."""
        read, unread = self._bytes[True], self._bytes[False]
        if not self._unopened:
            return self._known
        return round(self._known * (1 + unread / read)) if self._known and read and unread else None

    def _opened(self, file: int, edges: tuple[int, ...]) -> None:
        """Keep the edges of a file, and count its events and bytes as known."""
        self._edges[file] = edges
        self._unopened -= 1
        self._known += edges[-1]
        self._bytes[True] += self._size(file)
        self._bytes[False] -= self._size(file)

    def _size(self, file: int) -> int:
        """The bytes of a file, 0 if a server has it."""
        mark = self._first[file].stamp
        return 0 if mark is None else mark[0]

    def check(self) -> None:
        """Raise `CountError` unless every entry of every file that is not left out was handed out once."""
        for file, edges in self._edges.items():
            if file not in self._dropped and self._given[file] != edges[-1]:
                raise CountError(f"{self._first[file].path}: {self._given[file]} of {edges[-1]} entries came")
        if self._order or self.waiting:
            raise CountError(f"{len(self._order)} files were not finished")


def _drive(executor: Executor, queue: _Queue) -> Iterator[Outcome]:
    """Keep the executor busy until nothing is left to do."""
    busy = 0
    while queue.waiting or busy:
        while queue.waiting and busy < executor.capacity:
            executor.submit(queue.waiting.popleft())
            busy += 1
        yield executor.wait()
        busy -= 1


def _count(edges: tuple[int, ...]) -> int:
    """Units of a file; one, without events, if it is empty."""
    return max(len(edges) - 1, 1)


def _limited(units: Sequence[Unit], max_events: int, *, skip: bool) -> list[Unit]:
    """The units of as many files as it takes to come to `max_events` events, in their order."""
    taken, left = [], max_events
    for unit in units:
        if left == 0:
            break
        taken.append(replace(unit, limit=left))
        try:
            with closing(open_events(unit.path)) as source:
                left -= min(source.entries, left)
        except InputDataError:
            if not skip:
                raise
    return taken
