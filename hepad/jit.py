"""Compiling loops with numba, whose machine code is kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from numba import njit
from numba.core import entrypoints

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[Function], Function]:
    """Compile a function for one signature, without any liberty in the order of floating-point operations.

    The signature is fixed so that nothing is ever compiled twice. The machine code is cached beside the source or, if
    that is read-only, in the user's cache folder; where neither can be written, each process compiles anew.
    The cache follows changes of the function's own file only: the functions that it calls must be in that file.
    """

    def decorate(function: Function) -> Function:
        with _without_extensions():
            try:
                return njit(signature, cache=True, nogil=True)(function)  # type: ignore[no-any-return]
            except RuntimeError:  # numba found no folder to cache in
                return njit(signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate


@contextmanager
def _without_extensions() -> Iterator[None]:
    """Without the types that installed packages (awkward, vector) add to numba: our loops know arrays and numbers.

    To load them takes over a second, more than all else that a process does to call a cached function. Whatever is
    compiled elsewhere in the same process loads them as ever.
    """
    load_all = entrypoints.init_all
    entrypoints.init_all = _nothing
    try:
        yield
    finally:
        entrypoints.init_all = load_all


def _nothing() -> None:
    """What is loaded instead."""
