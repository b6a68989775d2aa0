"""`python -m hepad.serve.limited LIMITS WORDS...`: one command of hepad that can take no more than it is granted.

The limits are set by the process itself before anything else is imported, so that nothing has to happen between the
server's fork and exec. LIMITS is MEMORY,SECONDS,FILE,SERVER,LOCK: bytes of address space, processor seconds, bytes of a
file, the server's process, with which this one ends, and a file that is locked as long as the process lives, by which a
restarted server knows what is left of another where the system does not end it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import runpy
import signal
import sys

__all__ = ["main"]

NICE = 10
FILES = 256
"""Open files: some twenty inputs, and the libraries."""
_PR_SET_PDEATHSIG = 1
GRACE = 5
"""Processor seconds between the signal that a process may answer and the one that it may not."""


def main() -> None:
    """Set the limits, and be the command."""
    limits, *words = sys.argv[1:]
    memory, seconds, size, server, lock = limits.split(",", 4)
    _end_with(int(server))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + GRACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    if sys.platform != "darwin":  # which does not know it
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    os.nice(NICE)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.truncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    sys.argv = ["hepad", *words]
    runpy.run_module("hepad", run_name="__main__", alter_sys=True)


def _end_with(server: int) -> None:
    """End when the server does, however it ends; only Linux does that, elsewhere its next start ends what is left."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:  # it ended before it was asked for
        sys.exit("hepad: the server that began this has ended")


if __name__ == "__main__":
    main()
