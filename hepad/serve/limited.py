"""`python -m hepad.serve.limited LIMITS WORDS...`: one command of hepad that can take no more than it is granted.

The limits are set by the process itself before anything else is imported, so that nothing has to happen between the
server's fork and exec. LIMITS is MEMORY,SECONDS,FILE,LOCK: bytes of address space, processor seconds, bytes of a file,
and a file that is locked as long as the process lives, by which a restarted server knows what is left of another.
"""

from __future__ import annotations

import fcntl
import os
import resource
import runpy
import sys

__all__ = ["main"]

NICE = 10
GRACE = 5
"""Processor seconds between the signal that a process may answer and the one that it may not."""


def main() -> None:
    """Set the limits, and be the command."""
    limits, *words = sys.argv[1:]
    memory, seconds, size, lock = limits.split(",", 3)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + GRACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(size), int(size)))
    if sys.platform != "darwin":  # which does not know it
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    os.nice(NICE)
    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.truncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    sys.argv = ["hepad", *words]
    runpy.run_module("hepad", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
