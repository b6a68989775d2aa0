"""Tasks: pieces of work that give arrays and may build on one another, on any executor, kept until all are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hepad.execution.executor import Execution, make_executor
from hepad.execution.parts import Part
from hepad.execution.store import Store
from hepad.execution.units import Staffed, Stamp

__all__ = ["Arrays", "Task", "TaskJob", "failure", "failure_of", "run_tasks"]

Arrays = Mapping[str, npt.NDArray[Any]]

_STAMP: Stamp = (0, 0)
"""A task has no file that could change."""
_FAILED = "failed"


def failure(error: Exception) -> Arrays:
    """What a job gives, that goes on with other tasks, in place of what a task was to give: why there is nothing."""
    return {_FAILED: np.frombuffer(str(error).encode(), dtype=np.uint8).copy()}


def failure_of(arrays: Arrays) -> str | None:
    """What `failure` told; None if the task did what it was to do."""
    return bytes(arrays[_FAILED]).decode() if _FAILED in arrays else None


@dataclass(frozen=True)
class Task:
    """A piece of work: its name, which says what is done, and the names of those whose results it needs."""

    name: str
    after: tuple[str, ...] = ()


class TaskJob(Protocol):
    """What is done: small enough to be sent to each process once."""

    def do(self, name: str, given: Mapping[str, Arrays]) -> Arrays:
        """Do the task of a name, given the results of those that it needs by their names."""
        ...


@dataclass(frozen=True, eq=False)
class _Unit:
    """A task on its way to a process, with what it needs; by number and place a store knows it."""

    file: int
    name: str
    given: Mapping[str, Arrays] = field(repr=False)
    place: int = 0
    stamp: Stamp | None = _STAMP

    def __str__(self) -> str:
        return f"training {self.name}"


@dataclass(frozen=True)
class _Staffed:
    """A job of tasks, as executors take it."""

    job: TaskJob

    def worker(self) -> _Worker:
        return _Worker(self.job)


@dataclass(frozen=True)
class _Worker:
    job: TaskJob

    def do(self, unit: _Unit) -> tuple[int, Arrays]:
        return unit.file, dict(self.job.do(unit.name, unit.given))

    def close(self) -> None:
        """Nothing is open."""


def run_tasks(
    job: TaskJob,
    tasks: Sequence[Task],
    store: Store,
    *,
    execution: Execution,
    on_done: Callable[[int, int], None] | None = None,
) -> dict[str, Arrays]:
    """Do all tasks whose results are not in the store, which keeps each as soon as it is there; results by name.

    Tasks stand behind those that they need. `on_done` is told how many are done, of how many.
    """
    store.begin({"tasks": [task.name for task in tasks]}, [_STAMP] * len(tasks))
    known = {n: store.get((n, 0)).sums for n in range(len(tasks)) if (n, 0) in store}
    done: dict[str, Arrays] = {tasks[n].name: arrays for n, arrays in known.items()}
    waiting = [n for n in range(len(tasks)) if n not in known]
    tell = on_done or _nobody
    tell(len(done), len(tasks))
    if not waiting:
        store.complete = True
        return done
    staffed: Staffed = _Staffed(job)
    with closing(make_executor(staffed, execution)) as executor:
        busy = 0
        while waiting or busy:
            for n in [n for n in waiting if all(name in done for name in tasks[n].after)]:
                if busy >= executor.capacity:
                    break
                waiting.remove(n)
                executor.submit(_Unit(n, tasks[n].name, {name: done[name] for name in tasks[n].after}))
                busy += 1
            number, arrays = executor.wait()
            busy -= 1
            unit: Any = _Unit(number, tasks[number].name, {})
            store.put(unit, (0, 1), Part(1, sums=dict(arrays)))
            done[tasks[number].name] = arrays
            tell(len(done), len(tasks))
    store.complete = True
    return done


def _nobody(done: int, of: int) -> None:
    """Nobody wants to know."""
