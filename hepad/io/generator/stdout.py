"""The standard output is for results: C++ libraries that print their banners there are kept quiet."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

__all__ = ["own_stdout"]


@contextmanager
def own_stdout(*, errors: bool = False) -> Iterator[None]:
    """Keep what C++ libraries print out of the standard output, which is for results alone.

    With `errors` out of the standard error too, for libraries that complain there and return a sign of it as well.
    """
    with _quiet(1, sys.stdout):
        if not errors:
            yield
            return
        with _quiet(2, sys.stderr):
            yield


@contextmanager
def _quiet(descriptor: int, stream: TextIO | None) -> Iterator[None]:
    try:
        kept = os.dup(descriptor)
    except OSError:  # it is closed
        yield
        return
    if stream is not None:
        stream.flush()
    library = ctypes.CDLL(None)
    library.fflush(None)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, descriptor)
        yield
    finally:
        library.fflush(None)
        os.dup2(kept, descriptor)
        os.close(kept)
        os.close(nowhere)
