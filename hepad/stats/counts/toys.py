"""Poisson numbers for pseudo-experiments: alias tables, and a stream of random numbers for each pseudo-experiment.

The counts of a pseudo-experiment depend on the seed and its index alone, not on blocks, threads or machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from types import ModuleType

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.stats.counts import toys_plain
from hepad.threads import cores

__all__ = ["OnStage", "OnToys", "Sampler", "in_blocks", "part", "silent"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OnToys = Callable[[int, int], None]
"""Told how many pseudo-experiments, or fits, are done, of how many."""
OnStage = Callable[[str, int, int], None]
"""The same, and of what."""

_REACH = 8.5
"""Standard deviations that a table covers on either side: what lies beyond has a probability below 1e-16."""
_MOST = 1e10
"""Largest mean with a table: 1.7 million entries."""
_FEW = 500_000
"""So many entries of tables, or counts, are made without numba in a fraction of the second that its import takes."""
_KERNEL = "hepad.stats.counts.toys_kernel"


@dataclass(frozen=True)
class Sampler:
    """Walker's alias tables (Vose, IEEE TSE 17 (1991) 972) of Poisson distributions, one after the other.

    Bin i holds counts `lowest[i]` + j for j below `first[i+1]` - `first[i]`; `share` and `other` are its tables.
    """

    first: IntArray
    lowest: IntArray
    share: FloatArray
    other: npt.NDArray[np.int32]

    @classmethod
    def of(cls, means: FloatArray) -> Sampler:
        """Tables for means (n,); `InputDataError` if one is negative, not finite or above 1e10."""
        if not np.all((means >= 0) & (means <= _MOST)):
            worst = float(means[~((means >= 0) & (means <= _MOST))][0])
            raise InputDataError(f"cannot draw pseudo-experiments with {worst:g} expected events in a bin")
        sigma = np.sqrt(means)
        # The upper tail is heavier than a Gaussian one: for small means the last term covers it.
        lowest = np.maximum(np.floor(means - _REACH * sigma), 0).astype(np.int64)
        highest = np.ceil(means + _REACH * sigma + np.where(means > 0, 20, 0)).astype(np.int64)
        first = np.concatenate([[0], np.cumsum(highest - lowest + 1)])
        share, other = np.empty(first[-1]), np.empty(first[-1], dtype=np.int32)
        _loops(int(first[-1])).fill_alias(np.ascontiguousarray(means, dtype=np.float64), first, lowest, share, other)
        return cls(first, lowest, share, other)

    @property
    def tables(self) -> tuple[IntArray, IntArray, FloatArray, npt.NDArray[np.int32]]:
        """The arrays in the order in which the compiled loops take them."""
        return self.first, self.lowest, self.share, self.other

    def draw(self, seed: int, start: int, size: int) -> IntArray:
        """Counts (size, n) of the pseudo-experiments of index `start` on."""
        counts = np.empty((size, len(self.lowest)), dtype=np.int64)
        _loops(counts.size).draw_counts(np.uint64(seed), start, *self.tables, counts)
        return counts


def _loops(steps: int) -> ModuleType:
    """What does the work, with the same bits: compiled loops where there are many steps, or where they are loaded."""
    if steps <= _FEW and _KERNEL not in sys.modules:
        return toys_plain
    from hepad.stats.counts import toys_kernel

    return toys_kernel


def in_blocks(job: Callable[[int, int], None], total: int, block: int, *, on_toys: OnToys | None = None) -> None:
    """Call job(start, stop) for blocks of `total` items, in threads: for compiled loops, which run side by side.

    `on_toys` is told after each block, by one thread at a time.
    """
    blocks = -(-total // block)
    workers = max(min(len(cores()), blocks), 1)
    done, lock = 0, Lock()

    def say(more: int) -> None:
        nonlocal done
        if on_toys is not None:
            with lock:
                done += more
                on_toys(done, total)

    def work(worker: int) -> None:
        for i in range(worker, blocks, workers):
            start, stop = i * block, min((i + 1) * block, total)
            job(start, stop)
            say(stop - start)

    say(0)
    if workers == 1:
        work(0)
        return
    with ThreadPoolExecutor(workers, thread_name_prefix="hepad") as pool:
        for _ in pool.map(work, range(workers)):
            pass


def part(on_toys: OnToys | None, place: int, parts: int) -> OnToys | None:
    """What to tell of one of so many equal parts for `on_toys` to hear of the whole."""
    if on_toys is None:
        return None
    return lambda done, of: on_toys(place * of + done, parts * of)


def silent(*_: object) -> None:
    """Nobody listens."""
