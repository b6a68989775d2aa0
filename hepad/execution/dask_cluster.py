"""The executor of a Dask cluster, for batch farms; it needs the extra `dask`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from queue import SimpleQueue
from threading import Lock
from typing import Any
from uuid import uuid4

from hepad.errors import HepadError, MissingExtraError, WorkerError
from hepad.execution.units import Job, Outcome, Unit, Worker

__all__ = ["DaskExecutor"]

_TIMEOUT = "20s"
"""For the scheduler to answer."""
_AHEAD = 2
"""Units at a worker's thread at a time: the next is there when one is done."""


class DaskExecutor:
    """Gives units to the workers of a cluster; see `hepad.execution.executor.Executor`.

    The scheduler gives the units of a worker that is lost to others. What goes over the network is pickled by Dask:
    use a scheduler that only you can reach.
    """

    def __init__(self, job: Job, scheduler: str | None, workers: int) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError(
                "--executor dask needs the package distributed: pip install 'hepad[dask]'"
            ) from error
        self._job = job
        self._name = uuid4().hex
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._futures: set[Any] = set()
        self._stack = ExitStack()
        address: Any = scheduler
        if scheduler is None:
            start: Callable[..., Any] = distributed.LocalCluster
            cluster = start(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR")
            address = self._stack.enter_context(cluster)
        try:
            self._client = self._stack.enter_context(_client(distributed.Client, address))
        except BaseException:
            self._stack.close()
            raise

    @property
    def capacity(self) -> int:
        """So many units keep all workers busy that are there now; workers may come and go."""
        return max(sum(int(threads) for threads in self._client.nthreads().values()), 1) * _AHEAD

    def submit(self, unit: Unit) -> None:
        """Give a unit to the scheduler."""
        future = self._client.submit(_do, self._name, self._job, unit, pure=False)
        self._futures.add(future)
        future.add_done_callback(self._done.put)

    def wait(self) -> Outcome:
        """Wait for any unit."""
        future = self._done.get()
        self._futures.discard(future)
        if future.status == "cancelled":
            raise WorkerError("the Dask scheduler is gone; run the same command again to go on")
        try:
            return future.result()  # type: ignore[no-any-return]
        except HepadError:
            raise
        except Exception as error:
            if type(error).__name__ != "KilledWorker":
                raise
            raise WorkerError(f"a unit of work killed several Dask workers ({error}); give them more memory") from error

    def close(self) -> None:
        """Give up what is not done; a cluster that was started here ends."""
        self._client.cancel(list(self._futures))
        self._stack.close()


def _client(connect: Callable[..., Any], address: Any) -> Any:
    if isinstance(address, str) and "://" not in address:
        options: dict[str, Any] = {"scheduler_file": address}
    else:
        options = {"address": address}
    try:
        return connect(**options, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise WorkerError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from error


_LOCK = Lock()
_workers: dict[str, Worker] = {}


def _do(run: str, job: Job, unit: Unit) -> Outcome:
    """What a Dask worker does. One unit at a time in a process: models keep scratch space."""
    with _LOCK:
        if run not in _workers:
            for worker in _workers.values():
                worker.close()
            _workers.clear()
            _workers[run] = Worker(job)
        return _workers[run].do(unit)
