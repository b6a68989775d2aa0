"""Two halves of a job at the same time, for compiled loops that leave Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["both", "stay_on_one_thread"]

_alone = False


def stay_on_one_thread() -> None:
    """From now on, do one half after the other in this process: where each core has a process of its own."""
    global _alone  # noqa: PLW0603  a property of the process
    _alone = True


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Call both, the second on another thread, and come back when both are done; an error of either is raised.

    The halves must not depend on one another; nor may their result on where the job is cut.
    """
    if _alone:
        first()
        second()
        return
    future = _thread().submit(second)
    try:
        first()
    finally:
        future.result()


@cache
def _thread() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(1, thread_name_prefix="hepad")


if hasattr(os, "register_at_fork"):  # a forked process has none of its parent's threads
    os.register_at_fork(after_in_child=_thread.cache_clear)
