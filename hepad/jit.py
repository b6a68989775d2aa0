"""Compiling loops with numba, whose machine code is kept on disk where that is possible."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from types import ModuleType
from typing import Any, TypeVar

from numba import njit
from numba.core import entrypoints

__all__ = ["compiled", "sources_of"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[Function], Function]:
    """Compile a function for one signature, without any liberty in the order of floating-point operations.

    The signature is fixed so that nothing is ever compiled twice. The machine code is cached beside the source or, if
    that is read-only, in the user's cache folder; where neither can be written, each process compiles anew.
    The cache follows changes of the function's own file and of what is in its closure only: the functions that it calls
    must be in that file, or their `sources_of` in the closure.
    """

    def decorate(function: Function) -> Function:
        with _without_extensions():
            try:
                return njit(signature, cache=True, nogil=True)(function)  # type: ignore[no-any-return]
            except RuntimeError:  # numba found no folder to cache in
                return njit(signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate


def sources_of(*modules: ModuleType) -> str:
    """A digest of the source code of modules."""
    return sha256("".join(inspect.getsource(module) for module in modules).encode()).hexdigest()


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
