"""Two halves of a job at the same time, for compiled loops that leave Python's lock."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

__all__ = ["both"]


def both(first: Callable[[], object], second: Callable[[], object]) -> None:
    """Call both, the second on another thread, and come back when both are done; an error of either is raised.

    The halves must not depend on one another; nor may their result on where the job is cut.
    """
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
