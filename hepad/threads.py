"""Two pieces of work at the same time, for compiled loops and libraries that leave Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache
from typing import Generic, TypeVar

__all__ = ["Beside", "both", "cores", "stay_on_one_thread"]

_T = TypeVar("_T")

_alone = False


def stay_on_one_thread() -> None:
    """From now on, do one half after the other in this process: where each core has a process of its own."""
    global _alone  # noqa: PLW0603  a property of the process
    _alone = True


def cores() -> list[int]:
    """The numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _one_at_a_time() -> bool:
    """Would a second thread only cost, as it would have to wait for the core of the first?"""
    return _alone or len(cores()) == 1


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Call both, the second on another thread, and come back when both are done; an error of either is raised.

    The halves must not depend on one another; nor may their result on where the job is cut.
    """
    if _one_at_a_time():
        first()
        second()
        return
    future = _thread().submit(second)
    try:
        first()
    finally:
        future.result()


class Beside(Generic[_T]):
    """One call at a time on a thread of its own. What it gives, or raises, is kept until it is asked for.

    Where there is one core for all threads, the call is made when its result is asked for.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None
        self._future: Future[_T] | None = None
        self._result: Callable[[], _T] | None = None

    def begin(self, call: Callable[[], _T]) -> None:
        """Begin a call; that before has been asked for its result."""
        if _one_at_a_time():
            self._result = call
            return
        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="hepad")
        self._future = self._pool.submit(call)
        self._result = self._future.result

    def rest(self) -> None:
        """Wait until nothing is done here."""
        if self._future is not None:
            wait([self._future])

    def result(self) -> _T | None:
        """Wait for what was begun, and give or raise what came of it; None if nothing was."""
        result, self._result, self._future = self._result, None, None
        return None if result is None else result()

    def close(self) -> None:
        """Wait, and let go of the thread and of what came of the call."""
        self._result = self._future = None
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="hepad")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_thread.cache_clear)
