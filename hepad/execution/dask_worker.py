"""What a Dask worker has of a job, and how it does units; needs the extra `dask`, imported where that is in use."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock, Thread
from time import monotonic
from typing import Any

from distributed import Reschedule, WorkerPlugin, get_worker

from hepad.execution.units import Doer, Job, Staffed, worker_of

__all__ = ["JobAtWorker", "do_units"]

_LOCK = Lock()
"""One unit at a time in a process: models keep scratch space."""


class JobAtWorker(WorkerPlugin):
    """A job, at each worker of a cluster once.

    The scheduler keeps it for workers to come, so that it is there also if all that had it are lost, and no unit
    brings it along.
    """

    def __init__(self, job: Job | Staffed) -> None:
        self._job = job
        self._doer: Doer | None = None
        self._over = False

    def do(self, unit: Any) -> Any:
        """The outcome of a unit; `Reschedule`, which gives it to another worker, if this one has been told to end."""
        with _LOCK:
            if self._over:
                raise Reschedule
            self._doer = self._doer or worker_of(self._job)
            return self._doer.do(unit)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002
        """Let go of what is open for good, when the unit at hand is done: the worker does not wait for it."""
        self._over = True
        Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        with _LOCK:
            if self._doer is not None:
                self._doer.close()


def do_units(job: str, seconds: float, units: Sequence[Any]) -> tuple[list[Any], float]:
    """The outcomes of the first of these units of the job of that name, at this worker, and how long they took.

    No other is begun when so many seconds are over, nor one again that has failed behind others: it fails when it is
    the first.
    """
    mine: Any = get_worker().plugins[job]
    outcomes: list[Any] = []
    began, took = monotonic(), 0.0
    for unit in units:
        try:
            outcomes.append(mine.do(unit))
        except Exception:
            if not outcomes:
                raise
            break
        took = monotonic() - began
        if took > seconds:
            break
    return outcomes, took
