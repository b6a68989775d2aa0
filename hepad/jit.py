"""Compiling loops with numba, whose machine code is kept on disk where that is possible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(signature: Any) -> Callable[[Function], Function]:
    """Compile a function for one signature, without any liberty in the order of floating-point operations.

    The signature is fixed so that nothing is ever compiled twice. The machine code is cached beside the source or, if
    that is read-only, in the user's cache folder; where neither can be written, each process compiles anew.
    The cache follows changes of the function's own file only: the functions that it calls must be in that file.
    """

    def decorate(function: Function) -> Function:
        try:
            return njit(signature, cache=True, nogil=True)(function)  # type: ignore[no-any-return]
        except RuntimeError:  # numba found no folder to cache in
            return njit(signature, nogil=True)(function)  # type: ignore[no-any-return]

    return decorate
