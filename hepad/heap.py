"""What the C library does with memory that was given back."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["keep_freed_memory"]

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""`M_TRIM_THRESHOLD` and `M_MMAP_THRESHOLD` of glibc's `malloc.h`."""


def keep_freed_memory() -> bool:
    """Have what arrays gave back kept for the next ones, where glibc is the C library; was it told so?

    Without, the same megabytes are given to the system and asked of it anew, and cleared, with each piece of a file:
    a twentieth of what scoring takes. A process needs no more at its peak. It is a property of the process, so that
    commands and workers may ask for it, and no function that others call.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        return bool(mallopt(_MMAP_THRESHOLD, 1 << 25) and mallopt(_TRIM_THRESHOLD, 1 << 28))
    return False
