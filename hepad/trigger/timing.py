"""How long a processor takes for one event and for a batch: warmed up, kept on chosen cores, and several times over.

A core that is shared gives larger numbers, never smaller ones. So each measurement is repeated, in turn with those of
the other libraries, and says how much its repetitions differ, which was the least, and for how much of its time the
process was on the processor at all.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.threads import cores
from hepad.trigger.memory import peak_memory_mb, restart_peak

__all__ = ["Spread", "Timing", "pinned", "time_functions"]

Rows = npt.NDArray[np.float32]
Function = Callable[[Rows], Any]

WARM_UP_SECONDS = 0.3
LEAST_CALLS, LEAST_BATCHES = 20, 5
"""Calls of a repetition with single events and with batches. With fewer than 100, the 99th percentile is that of the
slowest."""


@dataclass(frozen=True)
class Spread:
    """A quantity over repetitions: their median and standard deviation, and the best of them, which other jobs on the
    machine disturbed least.
    """

    median: float
    error: float
    best: float


@dataclass(frozen=True)
class Timing:
    """The time of a call in ns: median, 99th percentile, and jitter, the spread between 1st and 99th percentile.

    `calls` are those of all repetitions; the percentiles are those within a repetition. `threads` is the number of
    cores and of threads that the library was given. `memory_mb` is the peak of the process during the first call.
    `on_processor` is the share of the time in which the process had the processor, `p99_processor` the 99th percentile
    of a call without the time that it waited for it, `rate_processor` the events a second of that time; all are None
    for several threads, which wait for one another.
    """

    backend: str
    threads: int
    batch: int
    calls: int
    repetitions: int
    p50: Spread
    p99: Spread
    jitter: Spread
    rate: Spread
    memory_mb: float
    on_processor: float | None
    p99_processor: Spread | None
    rate_processor: Spread | None

    def to_json(self) -> dict[str, Any]:
        """The numbers by name, those of a spread as `p50_ns`, `p50_error_ns`, `p50_best_ns`."""
        found = {key: value for key, value in asdict(self).items() if key not in _SPREADS}
        for key, (name, unit) in _SPREADS.items():
            spread: Spread | None = getattr(self, key)
            parts = (None, None, None) if spread is None else (spread.median, spread.error, spread.best)
            names = (f"{name}{unit}", f"{name}_error{unit}", f"{name}_best{unit}")
            found |= dict(zip(names, parts, strict=True))
        return found


_SPREADS = {
    "p50": ("p50", "_ns"),
    "p99": ("p99", "_ns"),
    "p99_processor": ("p99_processor", "_ns"),
    "jitter": ("jitter", "_ns"),
    "rate": ("events_per_second", ""),
    "rate_processor": ("events_per_processor_second", ""),
}
"""The fields that are spreads, with their names and units in JSON."""


@contextmanager
def pinned(threads: int = 1) -> Iterator[None]:
    """Keep this process on so many cores, the last that it may use, and torch on as many threads, inside the block.

    `UsageError` if there are fewer cores. Where a system cannot keep a process on a core, only torch is told.
    """
    import torch

    allowed, before = cores(), torch.get_num_threads()
    if threads > len(allowed):
        raise UsageError(f"--threads {threads}: this process may use {len(allowed)} cores; give fewer")
    try:
        torch.set_num_threads(threads)
        _keep_on(set(allowed[-threads:]))
        yield
    finally:
        torch.set_num_threads(before)
        _keep_on(set(allowed))


def time_functions(
    functions: Mapping[str, Function], x: Rows, batch: int, *, threads: int, seconds: float, repetitions: int
) -> list[Timing]:
    """Call each function with batches of rows of x for about so many seconds in all, after a warm-up.

    The batches differ, so that no call finds the numbers of the one before. Each repetition has at least `LEAST_CALLS`
    calls for single events, `LEAST_BATCHES` for batches. There must be two repetitions at least.
    """
    parts = _batches(x, batch)
    memory = {name: _warm_up(function, parts, min(WARM_UP_SECONDS, seconds)) for name, function in functions.items()}
    runs: dict[str, list[_Run]] = {name: [] for name in functions}
    for _ in range(repetitions):
        for name, function in functions.items():
            runs[name].append(_repetition(function, parts, seconds / repetitions))
    return [_summary(name, threads, batch, found, memory[name]) for name, found in runs.items()]


@dataclass(frozen=True)
class _Run:
    """One repetition: the time of each call in ns, and that which the process had the processor, shape (calls,)."""

    taken: npt.NDArray[np.int64]
    on_processor: npt.NDArray[np.int64]


def _warm_up(function: Function, parts: list[Rows], seconds: float) -> float:
    """The peak memory of the first call in MB."""
    restart_peak()
    function(parts[0])
    peak = peak_memory_mb()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for part in parts[:16]:
            function(part)
    return peak


def _repetition(function: Function, parts: list[Rows], seconds: float) -> _Run:
    least = LEAST_CALLS if len(parts[0]) == 1 else LEAST_BATCHES
    taken: list[int] = []
    on_processor: list[int] = []
    end = time.perf_counter() + seconds
    while len(taken) < least or time.perf_counter() < end:
        part = parts[len(taken) % len(parts)]
        processor, start = time.process_time_ns(), time.perf_counter_ns()
        function(part)
        taken.append(time.perf_counter_ns() - start)
        on_processor.append(time.process_time_ns() - processor)
    return _Run(np.array(taken), np.array(on_processor))


def _summary(backend: str, threads: int, batch: int, runs: list[_Run], memory_mb: float) -> Timing:
    low, middle, high = np.array([np.percentile(run.taken, [1, 50, 99]) for run in runs]).T
    rates, own_rates = (
        np.array([batch * len(times) / (times.sum() * 1e-9) for times in kind])
        for kind in ([run.taken for run in runs], [run.on_processor for run in runs])
    )
    on_processor = np.array([np.percentile(run.on_processor, 99) for run in runs])
    share = sum(int(run.on_processor.sum()) for run in runs) / sum(int(run.taken.sum()) for run in runs)
    return Timing(
        backend,
        threads,
        batch,
        calls=sum(len(run.taken) for run in runs),
        repetitions=len(runs),
        p50=_spread(middle, best=np.min),
        p99=_spread(high, best=np.min),
        jitter=_spread(high - low, best=np.min),
        rate=_spread(rates, best=np.max),
        memory_mb=memory_mb,
        on_processor=min(share, 1.0) if threads == 1 else None,
        p99_processor=_spread(on_processor, best=np.min) if threads == 1 else None,
        rate_processor=_spread(own_rates, best=np.max) if threads == 1 else None,
    )


def _spread(values: npt.NDArray[np.float64], *, best: Callable[[npt.NDArray[np.float64]], Any]) -> Spread:
    return Spread(float(np.median(values)), float(np.std(values, ddof=1)), float(best(values)))


def _keep_on(chosen: set[int]) -> None:
    """Keep all threads of this process on the chosen cores, those that libraries have begun already too."""
    if not hasattr(os, "sched_setaffinity"):
        return
    os.sched_setaffinity(0, chosen)
    tasks = Path("/proc/self/task")
    for thread in tasks.iterdir() if tasks.is_dir() else ():
        with suppress(OSError):  # one that has just ended
            os.sched_setaffinity(int(thread.name), chosen)


def _batches(x: Rows, batch: int) -> list[Rows]:
    if len(x) < batch:
        x = np.concatenate([x] * -(-batch // len(x)))  # of any shape
    count = min(len(x) // batch, 1000)
    return [np.ascontiguousarray(x[i * batch : (i + 1) * batch]) for i in range(count)]
