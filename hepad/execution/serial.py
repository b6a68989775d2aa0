"""The executor of one process: this one."""

from __future__ import annotations

from collections import deque
from typing import Any

from hepad.execution.units import Job, Staffed, worker_of

__all__ = ["SerialExecutor"]


class SerialExecutor:
    """Does a unit when its outcome is asked for; see `hepad.execution.executor.Executor`."""

    capacity = 1

    def __init__(self, job: Job | Staffed) -> None:
        self._worker = worker_of(job, ahead=True)
        self._units: deque[Any] = deque()

    def submit(self, unit: Any) -> None:
        """Take a unit."""
        self._units.append(unit)

    def wait(self) -> Any:
        """The outcome of the unit that was taken first."""
        return self._worker.do(self._units.popleft())

    def close(self) -> None:
        """Close the file that is open."""
        self._worker.close()
