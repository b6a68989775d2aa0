"""How much memory this process takes, and on what processor it runs."""

from __future__ import annotations

import ctypes
import gc
import os
import platform
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

__all__ = ["peak_memory_mb", "processor", "restart_peak"]


def peak_memory_mb() -> float:
    """The peak memory of this process in MB since `restart_peak`, imports and events included: what a job needs.

    Where a system cannot begin anew, since the process began.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e6 / 1024)


def restart_peak() -> None:
    """Give back what is free and count the peak from now on, on Linux; elsewhere only the former."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's; other libraries do so by themselves or not at all
        ctypes.CDLL(None).malloc_trim(0)
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def processor() -> dict[str, Any]:
    """Name and number of cores of the processor, and the load: how many jobs wanted a core over the last minute."""
    name = platform.processor() or platform.machine()
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = " ".join(line.partition(":")[2].split())
                break
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"name": name, "cores": os.cpu_count() or 1, "load_average": load}
