"""The executor of a Dask cluster, for batch farms; it needs the extra `dask`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, wait
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import ceil, inf
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any
from uuid import uuid4

from hepad.errors import MissingExtraError, UsageError, WorkerError
from hepad.execution.units import Job, Staffed

__all__ = ["DaskExecutor"]

_TIMEOUT = 20.0
"""Seconds for the scheduler to answer."""
_MAX_FILE = 1 << 20
"""Bytes of a scheduler file; they have a few kB."""
_AHEAD = 2
"""Groups of units at a worker's thread at a time: the next is there when one is done."""
_GROUP = 0.05
"""Seconds of work in a group, for each thread of the cluster: ten times what Dask spends on a group, so that scheduler
and client are busy for a tenth of the time, however many workers there are (`benchmarks/bench_cluster.py`)."""
_MOST = 1000
"""Units in a group."""
_RECOUNT = 1.0
"""Seconds between two counts of the workers."""
_PATIENCE = {"distributed.deploy.lost-worker-timeout": "1 day"}
"""A worker that was killed is given up by its cluster if it takes longer than that to come back: 15 s, unless told."""
_LONELY = 30.0
"""Seconds without any result until it is told that no worker is left."""
_LOGGER = logging.getLogger("hepad.execution")


class DaskExecutor:
    """Gives units to the workers of a cluster; see `hepad.execution.executor.Executor`.

    Units that are short go in groups, each a task of Dask's. The scheduler gives those of a worker that is lost to
    others, and waits for workers if none is left. What goes over the network is pickled by Dask:
    use a scheduler that only you can reach.
    """

    def __init__(self, job: Job | Staffed, scheduler: str | None, workers: int) -> None:
        try:
            import distributed
        except ImportError as error:
            raise MissingExtraError.of(error, "--executor dask needs", "distributed", "dask") from error
        from hepad.execution.dask_worker import JobAtWorker, do_units

        self._name = f"hepad-{uuid4().hex}"
        self._do = do_units
        self.groups = 0
        """So many were given to the scheduler."""
        self._taken: list[Any] = []
        self._groups: dict[Any, list[Any]] = {}
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._outcomes: deque[Any] = deque()
        self._threads, self._counted = 1, -inf
        self._seconds: float | None = None
        self._lonely = False
        self._stack = ExitStack()
        address: Any = scheduler and _address(scheduler)
        self._stack.enter_context(_quiet())
        if scheduler is None:
            import dask

            start: Callable[..., Any] = distributed.LocalCluster
            self._stack.enter_context(dask.config.set(_PATIENCE))  # asked for when a worker is lost
            cluster = start(n_workers=workers, threads_per_worker=1, dashboard_address=None, silence_logs="ERROR")
            address = self._stack.enter_context(cluster)
        try:
            self._client = self._stack.enter_context(_client(distributed.Client, address, scheduler))
            self._client.register_plugin(JobAtWorker(job), self._name)
            self._stack.callback(self._forget_job)
        except BaseException:
            self._stack.close()
            raise

    @property
    def capacity(self) -> int:
        """So many units keep all workers busy that were there a moment ago; workers may come and go."""
        if monotonic() - self._counted > _RECOUNT:  # the scheduler is asked
            self._threads = max(sum(int(threads) for threads in self._client.nthreads().values()), 1)
            self._counted = monotonic()
        return self._threads * _AHEAD * self._group

    @property
    def _group(self) -> int:
        """So many units make a group that is worth Dask's while, by what units took so far."""
        if self._seconds is None:
            return 1
        return max(min(_MOST, ceil(_GROUP * self._threads / max(self._seconds, 1e-6))), 1)

    def submit(self, unit: Any) -> None:
        """Take a unit, which goes to the scheduler with others."""
        self._taken.append(unit)

    def wait(self) -> Any:
        """Wait for any unit."""
        while not self._outcomes:
            self._send()
            self._receive()
        outcome = self._outcomes.popleft()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def _send(self) -> None:
        """Give the scheduler the units taken since, in one message; smaller groups if there are few for each worker."""
        if not self._taken:
            return
        units, self._taken = self._taken, []
        out = len(units) + sum(len(group) for group in self._groups.values())
        size = max(min(self._group, out // (self._threads * _AHEAD)), 1)
        groups = [units[start : start + size] for start in range(0, len(units), size)]
        keys = [f"{self._name}-{self.groups + n}" for n in range(len(groups))]
        self.groups += len(groups)
        do = partial(self._do, self._name, _GROUP * self._threads)
        for future, group in zip(self._client.map(do, groups, key=keys, pure=False), groups, strict=True):
            self._groups[future] = group
            future.add_done_callback(self._ended.put)

    def _receive(self) -> None:
        """Wait for a group and fetch all that have ended by then at once; what failed is told after what is done."""
        ended = [self._next()]
        with suppress(Empty):
            while True:
                ended.append(self._ended.get_nowait())
        groups = {future: self._groups.pop(future) for future in ended}
        failed = [future for future in ended if future.status in ("error", "cancelled")]
        # what ended and was lost since, with its worker, is done anew: `gather` waits for it
        done = [future for future in ended if future not in failed]
        try:
            for future, (outcomes, seconds) in zip(done, self._fetched(done), strict=True):
                self._outcomes.extend(outcomes)
                self._taken.extend(groups[future][len(outcomes) :])
                mean = seconds / len(outcomes)
                self._seconds = mean if self._seconds is None else 0.9 * self._seconds + 0.1 * mean
        except Exception as error:  # noqa: BLE001  lost again on the way, with its worker, and not done anew
            self._outcomes.append(_told(error))
        self._outcomes.extend(_told(future.exception()) for future in failed)

    def _next(self) -> Any:
        """The next group that has ended."""
        while not self._lonely:
            try:
                return self._ended.get(timeout=_LONELY)
            except Empty:
                self._tell_if_lonely()
        return self._ended.get()

    def _fetched(self, done: list[Any]) -> list[Any]:
        """What came of groups that have ended, some of which may have to be done anew."""
        loop: Any = self._client.loop
        fetching = asyncio.run_coroutine_threadsafe(self._client.gather(done, asynchronous=True), loop.asyncio_loop)
        try:
            while not self._lonely and not wait([fetching], timeout=_LONELY).done:
                self._tell_if_lonely()
            return list(fetching.result())
        finally:
            fetching.cancel()  # if the command is interrupted

    def _tell_if_lonely(self) -> None:
        """That all workers are lost is told once, and waited for."""
        with suppress(OSError):  # the scheduler is lost: so are the groups, in a moment
            self._lonely = not self._client.nthreads()
        if self._lonely:
            _LOGGER.warning("hepad: the Dask cluster has no workers; waiting for workers")

    def close(self) -> None:
        """Give up what is not done; a cluster that was started here ends."""
        self._client.cancel(list(self._groups))
        self._stack.close()

    def _forget_job(self) -> None:
        with suppress(Exception):  # the scheduler is gone, and the job with it
            self._client.unregister_worker_plugin(self._name)


def _told(error: Exception) -> Exception:
    """What is raised for an error of a unit: what Dask has to say is told in one line."""
    name = type(error).__name__
    if name == "KilledWorker":
        why = f"a unit of work killed several Dask workers ({error}); give them more memory"
    elif isinstance(error, CancelledError):
        why = "the Dask scheduler is gone, or has forgotten the work; run the same command again to go on"
    else:
        return error
    told = WorkerError(why)
    told.__cause__ = error
    return told


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
