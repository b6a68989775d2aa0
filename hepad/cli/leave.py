"""The end of the process of a command: what was asked to be done at it, and not one object after the other.

Python takes itself apart when a process ends, a fortieth of a short command, of which nothing is left to see. Here the
process goes instead when that would begin: all threads have ended, what was registered by `atexit` is done, and what
was written is with the system. Libraries with an end of their own, in C++, keep the usual one, and so does the code of
other packages that hepad has loaded by an entry point of theirs: a file that it never closed is written then.
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable

__all__ = ["leave_at_once"]

_OWN_END = frozenset({"XRootD", "distributed", "fastjet", "h5py", "multiprocessing", "pyhepmc", "pythia8", "torch"})


def leave_at_once(command: Callable[[], None]) -> None:
    """Run a command that ends the process by `SystemExit`, as the last that is run in it.

    Where somebody was there first, as what measures coverage or debugs, the end is the usual one.
    """
    codes: list[object] = []

    def leave() -> None:
        if codes and isinstance(code := codes[0], int) and not _needs_its_end() and _written():
            os._exit(code)

    registered = getattr(atexit, "_ncallbacks", lambda: 1)()
    if not registered and not sys.flags.dev_mode:
        atexit.register(leave)  # the first to be registered is the last to be called
    try:
        command()
    except SystemExit as end:
        codes.append(0 if end.code is None else end.code)
        raise


def _needs_its_end() -> bool:
    """Is there something loaded that Python's end does something for?"""
    return bool(_OWN_END & sys.modules.keys() or getattr(sys.modules.get("hepad.registry"), "GUESTS", ()))


def _written() -> bool:
    """Give what was printed to the system; did it take that?"""
    import ctypes

    try:
        sys.stdout.flush()
        sys.stderr.flush()
        return not ctypes.CDLL(None).fflush(None)  # what C libraries have printed
    except (AttributeError, OSError, TypeError, ValueError):
        return False
