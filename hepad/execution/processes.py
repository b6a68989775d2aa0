"""The executor of several processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NoReturn

from hepad.errors import HepadError, WorkerError
from hepad.execution.units import Job, Staffed, worker_of
from hepad.heap import keep_freed_memory
from hepad.threads import stay_on_one_thread

__all__ = ["ProcessExecutor"]

_AHEAD = 2
"""Units of files at a process at a time: the next is there when one is done. A task may bring arrays larger than a pipe
holds, for which a process must not be busy: it could wait to send us an answer while we wait to send it a task."""
_DEATHS = 2
"""So many processes may die of one unit before the run gives up."""


@dataclass
class _Process:
    """A process, and the units that it has, in the order in which it does them."""

    process: BaseProcess
    units: deque[Any] = field(default_factory=deque)


@dataclass(frozen=True)
class _Fault:
    """An error that should not be, of another process: one line of it, and where it came from."""

    message: str
    trace: str

    def tell(self) -> NoReturn:
        """Raise it here."""
        raise RuntimeError(self.message) from RuntimeError(self.trace)


class ProcessExecutor:
    """Gives units to processes through pipes; see `hepad.execution.executor.Executor`.

    Processes are started as there are units for them. One that dies is replaced; its units are done again by others.
    """

    def __init__(self, job: Job | Staffed, workers: int) -> None:
        self._job = job
        self._deaths: Counter[Any] = Counter()
        self._processes: dict[Connection, _Process] = {}
        self._workers = workers
        self.capacity = workers * (1 if isinstance(job, Staffed) else _AHEAD)

    def submit(self, unit: Any) -> None:
        """Give a unit to the process that has fewest, a new one as long as none is idle and there may be more."""
        if len(self._processes) < self._workers and all(p.units for p in self._processes.values()):
            self._start()
        connection = min(self._processes, key=lambda c: len(self._processes[c].units))
        self._processes[connection].units.append(unit)
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died: `wait` sees that
            connection.send(unit)

    def wait(self) -> Any:
        """Wait for any process to answer."""
        while True:
            for connection in wait([c for c, p in self._processes.items() if p.units]):
                assert isinstance(connection, Connection)  # noqa: S101  nothing else was waited for
                try:
                    answer = connection.recv()
                except (EOFError, OSError):  # it died before it answered, or in the middle of it
                    self._bury(connection)
                    break
                self._processes[connection].units.popleft()
                if isinstance(answer, Exception):
                    raise answer
                if isinstance(answer, _Fault):
                    answer.tell()
                return answer

    def close(self) -> None:
        """Tell the processes that there is nothing more; those at work are ended."""
        for connection, process in self._processes.items():
            if process.units:
                process.process.terminate()
            connection.close()
        for process in self._processes.values():
            process.process.join()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # a fork of a process with threads can hang
        ours, theirs = context.Pipe()
        process = context.Process(target=_work, args=(theirs,), daemon=True)
        with _interrupts_ignored():
            process.start()
        theirs.close()
        with suppress(BrokenPipeError, ConnectionResetError):  # it has died: `wait` sees that
            ours.send(self._job)
        self._processes[ours] = _Process(process)

    def _bury(self, connection: Connection) -> None:
        """Replace a process that has died; it had begun the first of its units."""
        dead = self._processes.pop(connection)
        connection.close()
        dead.process.join()
        unit = dead.units[0]
        self._deaths[unit] += 1
        if self._deaths[unit] >= _DEATHS:
            raise WorkerError(
                f"{unit}: {_DEATHS} processes died of it (exit {dead.process.exitcode}; -9 is often a lack of memory: "
                "try a smaller --step-size or fewer --workers)"
            )
        for left in dead.units:
            self.submit(left)


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """A process started here ignores Ctrl-C, which goes to the whole group, from its first moment: we end it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _work(units: Connection) -> None:
    """What a process does: take the job, then one unit after the other, until the parent has no more or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # if another thread than the main one has started us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    stay_on_one_thread()
    keep_freed_memory()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        try:
            worker = worker_of(units.recv())
        except HepadError as error:  # raised again where the units come from
            units.recv()
            units.send(error)
            return
        while True:
            unit = units.recv()
            try:
                answer: Any = worker.do(unit)
            except HepadError as error:
                answer = error
            except Exception as error:  # noqa: BLE001  not all of them can be sent
                answer = _Fault(f"{unit}: {type(error).__name__}: {error}", traceback.format_exc())
            units.send(answer)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
