"""Which part of a sample an event belongs to: the event knows it by itself, whatever other files there are.

A part follows from the content of the event's file, its entry in it and a seed. So a file that is given alone, later
or on another machine has the same events in training as when the model was trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["fold_of", "part_of", "uniform_of"]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def uniform_of(file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each entry of a file, shape (n,): the same wherever it is computed.

    The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) on a counter that starts at a hash of file and seed.
    """
    start = int.from_bytes(hashlib.sha256(f"{file_sha256}:{seed}".encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is meant
        z = np.uint64(start) + (np.asarray(entry).astype(np.uint64) + np.uint64(1)) * _STEP
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def part_of(
    file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int, fractions: Sequence[float]
) -> npt.NDArray[np.int64]:
    """The part of each entry, shape (n,): 0 with the probability of the first fraction, and so on.

    What the fractions leave of 1 is one more part. `ValueError` for fractions that are negative or sum to more than 1.
    """
    edges = np.cumsum(np.asarray(fractions, dtype=np.float64))
    if min(fractions, default=0) < 0 or edges[-1] > 1 + 1e-12:
        raise ValueError(f"fractions {list(fractions)} are no parts of a whole")
    return np.searchsorted(edges, uniform_of(file_sha256, entry, seed=seed), side="right")


def fold_of(file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int, folds: int) -> npt.NDArray[np.int64]:
    """The fold of each entry, shape (n,), from 0 to `folds` - 1; `ValueError` for less than two folds."""
    if folds < 2:
        raise ValueError(f"{folds} folds are too few: an event is scored by networks that have not seen its fold")
    return np.minimum((uniform_of(file_sha256, entry, seed=seed) * folds).astype(np.int64), folds - 1)
