"""The executor of a Dask cluster, for batch farms; it needs the extra `dask`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any
from uuid import uuid4

from hepad.errors import HepadError, MissingExtraError, UsageError, WorkerError
from hepad.execution.units import Doer, Job, Staffed, worker_of

__all__ = ["DaskExecutor"]

_TIMEOUT = 20.0
"""Seconds for the scheduler to answer."""
_MAX_FILE = 1 << 20
"""Bytes of a scheduler file; they have a few kB."""
_LOST = {
    "KilledWorker": "a unit of work killed several Dask workers ({}); give them more memory",
    "FutureCancelledError": "all Dask workers that held the job were lost together ({}); run the same command again",
}
"""What has happened when Dask raises these."""
_AHEAD = 2
"""Units at a worker's thread at a time: the next is there when one is done."""


class DaskExecutor:
    """Gives units to the workers of a cluster; see `hepad.execution.executor.Executor`.

    The scheduler gives the units of a worker that is lost to others. What goes over the network is pickled by Dask:
    use a scheduler that only you can reach.
    """

    def __init__(self, job: Job | Staffed, scheduler: str | None, workers: int) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError.of(error, "--executor dask needs", "distributed", "dask") from error
        self._job: Any = job
        self._name = uuid4().hex
        self._done: SimpleQueue[Any] = SimpleQueue()
        self._futures: set[Any] = set()
        self._stack = ExitStack()
        address: Any = scheduler and _address(scheduler)
        self._stack.enter_context(_quiet())
        if scheduler is None:
            start: Callable[..., Any] = distributed.LocalCluster
            cluster = start(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR")
            address = self._stack.enter_context(cluster)
        try:
            self._client = self._stack.enter_context(_client(distributed.Client, address, scheduler))
            if isinstance(job, Staffed):  # it holds the events: they go to each worker once, not with each unit
                self._job = self._client.scatter(job, broadcast=True)
        except BaseException:
            self._stack.close()
            raise

    @property
    def capacity(self) -> int:
        """So many units keep all workers busy that are there now; workers may come and go."""
        return max(sum(int(threads) for threads in self._client.nthreads().values()), 1) * _AHEAD

    def submit(self, unit: Any) -> None:
        """Give a unit to the scheduler."""
        future = self._client.submit(_do, self._name, self._job, unit, pure=False)
        self._futures.add(future)
        future.add_done_callback(self._done.put)

    def wait(self) -> Any:
        """Wait for any unit."""
        future = self._done.get()
        self._futures.discard(future)
        if future.status == "cancelled":
            raise WorkerError("the Dask scheduler is gone; run the same command again to go on")
        try:
            return future.result()
        except HepadError:
            raise
        except Exception as error:
            if (why := _LOST.get(type(error).__name__)) is None:
                raise
            raise WorkerError(why.format(error)) from error

    def close(self) -> None:
        """Give up what is not done; a cluster that was started here ends."""
        self._client.cancel(list(self._futures))
        self._stack.close()


def _address(scheduler: str) -> str:
    """The address that was given, or that of the scheduler file; `UsageError` if there is none.

    Dask waits for a file that is not there as long as it takes, and a client that failed to begin complains at its end.
    """
    from distributed.comm.addressing import get_address_host_port

    address = scheduler
    try:
        if "://" not in scheduler:
            path = Path(scheduler)
            if path.exists() and (not path.is_file() or path.stat().st_size > _MAX_FILE):
                raise ValueError("no file, or a large one")
            address = str(json.loads(path.read_bytes())["address"])
        get_address_host_port(address, strict=True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"--scheduler {scheduler}: neither an address, tcp://HOST:PORT, nor a scheduler file ({error})"
        ) from error
    return address


def _client(connect: Callable[..., Any], address: Any, scheduler: str | None) -> Any:
    try:
        if scheduler is not None:
            _check_answers(address)
        return connect(address, timeout=_TIMEOUT, set_as_default=False)
    except (OSError, ValueError, OverflowError) as error:
        raise WorkerError(f"--scheduler {scheduler}: no Dask scheduler answers there ({error})") from error


def _check_answers(address: str) -> None:
    """Raise `OSError` unless what listens at the address greets as Dask does, in time.

    A client of Dask waits for the greeting without end, and goes on to complain when the process ends.
    """
    from distributed.comm import core
    from distributed.security import Security

    connect: Callable[..., Any] = core.connect
    security: Callable[..., Any] = Security

    async def greet() -> None:
        comm = await connect(address, timeout=_TIMEOUT, **security().get_connection_args("client"))
        await comm.close()

    def work() -> None:
        try:
            asyncio.run(asyncio.wait_for(greet(), _TIMEOUT))
        except Exception as error:  # noqa: BLE001  what does not speak as Dask does fails in many ways
            failed.append(error)

    failed: list[Exception] = []
    thread = Thread(target=work, daemon=True)  # a loop of its own: a notebook runs one here
    thread.start()
    thread.join()
    for error in failed:
        late = isinstance(error, asyncio.TimeoutError)
        why = f"no greeting within {_TIMEOUT:g} s" if late else str(error) or type(error).__name__
        raise OSError(why) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tracebacks that Dask writes of a scheduler that is lost: it is told in one line here."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


_LOCK = Lock()
_workers: dict[str, Doer] = {}


def _do(run: str, job: Job | Staffed, unit: Any) -> Any:
    """What a Dask worker does. One unit at a time in a process: models keep scratch space."""
    with _LOCK:
        if run not in _workers:
            for worker in _workers.values():
                worker.close()
            _workers.clear()
            _workers[run] = worker_of(job)
        return _workers[run].do(unit)
