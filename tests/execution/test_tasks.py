"""Tasks that build on one another: each is done once, with what it needs, on any executor, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.execution.processes import ProcessExecutor
from hepad.execution.store import FolderStore, MemoryStore, RunFolder
from hepad.execution.tasks import Arrays, Task, _Staffed, run_tasks

TASKS = (Task("a"), Task("b"), Task("c", ("a", "b")), Task("d", ("c",)))


@dataclass(frozen=True)
class Sums:
    """A task's result is one more than the sum of those that it builds on."""

    fail: str = ""
    begun: list[str] = field(default_factory=list)

    def do(self, name: str, given: Mapping[str, Arrays]) -> Arrays:
        self.begun.append(name)
        if name == self.fail:
            raise KeyboardInterrupt
        return {"sum": np.array([1.0 + sum(float(arrays["sum"][0]) for arrays in given.values())])}


def values(found: Mapping[str, Arrays]) -> dict[str, float]:
    return {name: float(arrays["sum"][0]) for name, arrays in found.items()}


@pytest.mark.usefixtures("quick_processes")
@pytest.mark.parametrize("workers", [1, 2])
def test_each_is_done_once_with_what_it_needs(workers: int) -> None:
    told: list[tuple[int, int]] = []
    job = Sums()
    found = run_tasks(
        job, TASKS, MemoryStore(), execution=Execution(workers), on_done=lambda *progress: told.append(progress)
    )
    assert values(found) == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert told == [(n, 4) for n in range(5)]
    assert sorted(job.begun) == (["a", "b", "c", "d"] if workers == 1 else [])


def test_no_task_is_sent_to_a_busy_process() -> None:
    """Both would wait for ever if each had more to send than a pipe holds."""
    assert ProcessExecutor(_Staffed(Sums()), 3).capacity == 3


@pytest.fixture
def store_of(tmp_path: Path) -> Iterator[Callable[[], FolderStore]]:
    """The store of the same run, opened anew."""
    stores: list[FolderStore] = []

    def again() -> FolderStore:
        stores.append(RunFolder(tmp_path).store("tasks", {"of": "a test"}))
        return stores[-1]

    yield again
    for store in stores:
        store.close()


def test_what_is_done_is_not_repeated(store_of: Callable[[], FolderStore]) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_tasks(Sums(fail="c"), TASKS, store_of(), execution=Execution())
    job, store = Sums(), store_of()
    assert values(run_tasks(job, TASKS, store, execution=Execution())) == {"a": 1, "b": 1, "c": 3, "d": 4}
    assert job.begun == ["c", "d"]
    assert store.complete
    again = Sums()
    assert values(run_tasks(again, TASKS, store_of(), execution=Execution()))["d"] == 4
    assert not again.begun
    with pytest.raises(UsageError, match="other files or options"):
        run_tasks(Sums(), TASKS[:2], store_of(), execution=Execution())
