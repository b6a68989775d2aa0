"""The executor of one process: this one."""

from __future__ import annotations

from collections import deque

from hepad.execution.units import Job, Outcome, Unit, Worker

__all__ = ["SerialExecutor"]


class SerialExecutor:
    """Does a unit when its outcome is asked for; see `hepad.execution.executor.Executor`."""

    capacity = 1

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)
        self._units: deque[Unit] = deque()

    def submit(self, unit: Unit) -> None:
        """Take a unit."""
        self._units.append(unit)

    def wait(self) -> Outcome:
        """The outcome of the unit that was taken first."""
        return self._worker.do(self._units.popleft())

    def close(self) -> None:
        """Close the file that is open."""
        self._worker.close()
