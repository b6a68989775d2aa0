"""Which part of a sample an event belongs to: the event knows it by itself, whatever other files there are.

A part follows from the content of the event's file, its entry in it and a seed. So a file that is given alone, later
or on another machine has the same events in training as when the model was trained. An event that was copied into
another file (a skim, a merged or converted one) is another event: most formats have no number that would tell it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["EventIds", "fold_of", "part_of", "uniform_of"]

_STEP = np.uint64(0x9E3779B97F4A7C15)


def uniform_of(
    file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int, draw: str = ""
) -> npt.NDArray[np.float64]:
    """A number in [0, 1) for each entry of a file, shape (n,): the same wherever it is computed.

    Numbers of one seed for different purposes, named by `draw`, are independent. The finaliser of SplitMix64 (Steele,
    Lea, Flood, OOPSLA 2014) on a counter that starts at a hash of file, seed and draw.
    """
    words = f"{file_sha256}:{seed}:{draw}" if draw else f"{file_sha256}:{seed}"
    start = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is meant
        z = np.uint64(start) + (np.asarray(entry).astype(np.uint64) + np.uint64(1)) * _STEP
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def part_of(
    file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int, fractions: Sequence[float], draw: str = ""
) -> npt.NDArray[np.int64]:
    """The part of each entry, shape (n,): 0 with the probability of the first fraction, and so on.

    What the fractions leave of 1 is one more part. `ValueError` for fractions that are negative or sum to more than 1.
    """
    edges = np.cumsum(np.asarray(fractions, dtype=np.float64))
    if min(fractions, default=0) < 0 or edges[-1] > 1 + 1e-12:
        raise ValueError(f"fractions {list(fractions)} are no parts of a whole")
    return np.searchsorted(edges, uniform_of(file_sha256, entry, seed=seed, draw=draw), side="right")


def fold_of(file_sha256: str, entry: npt.NDArray[np.integer], *, seed: int, folds: int) -> npt.NDArray[np.int64]:
    """The fold of each entry, shape (n,), from 0 to `folds` - 1; `ValueError` for less than two folds."""
    if folds < 2:
        raise ValueError(f"{folds} folds are too few: an event is scored by networks that have not seen its fold")
    return np.minimum((uniform_of(file_sha256, entry, seed=seed) * folds).astype(np.int64), folds - 1)


@dataclass(frozen=True)
class EventIds:
    """Who n events are: event i is entry `entry[i]` of the file whose content has the hash `sha256[file[i]]`.

    Events of files with the same content are the same events.
    """

    sha256: Sequence[str]
    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.entry)

    def uniform(self, *, seed: int, draw: str) -> npt.NDArray[np.float64]:
        """The number (n,) of each event; see `uniform_of`."""
        return self._of_each_file(lambda sha, entry: uniform_of(sha, entry, seed=seed, draw=draw), np.float64)

    def part(self, *, seed: int, fractions: Sequence[float], draw: str) -> npt.NDArray[np.int64]:
        """The part (n,) of each event; see `part_of`."""
        return self._of_each_file(
            lambda sha, entry: part_of(sha, entry, seed=seed, fractions=fractions, draw=draw), np.int64
        )

    def _of_each_file(
        self, function: Callable[[str, npt.NDArray[np.int64]], npt.NDArray[Any]], dtype: type
    ) -> npt.NDArray[Any]:
        found: npt.NDArray[Any] = np.empty(len(self), dtype=dtype)
        for place in np.unique(self.file):
            mine = self.file == place
            found[mine] = function(self.sha256[place], self.entry[mine])
        return found
