"""Tables of ln p for every window and count, from which pseudo-experiments are scanned in a microsecond."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.stats.counts.poisson import log_tail_above, log_tail_below

__all__ = ["Tables", "allowed_counts", "make_tables"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_REACH = 6.2
"""Standard deviations that a table covers; counts beyond it, about one window in 1e9, are computed one by one."""
_MARGIN = 15
_FINE = 32
"""Entries per standard deviation for large expectations; a cubic between four of them is right to 1e-8."""


@dataclass(frozen=True)
class Tables:
    """Tables in rows (rows, windows): row r, window w is `table[place[r, w] : place[r, w] + size[r, w]]`.

    Before each row stands a 0, for counts on the other side, and behind it a 1, for counts that it does not reach.
    Entry j is ln p of `origin` + j `step` counts for an excess, `origin` - j `step` for a deficit.
    """

    origin: IntArray
    step: IntArray
    place: IntArray
    size: IntArray
    table: FloatArray

    def bounds(self, signs: tuple[int, ...], p: float) -> IntArray:
        """The least signed counts (signs, windows) of one channel with a p-value below p, or less."""
        flat, start = self.size.ravel(), self.place.ravel()
        above = np.concatenate([[0], np.cumsum(self.table >= np.log(p))])
        # Along a row p falls; the 0 before it and the 1 behind it are not of it.
        entries = (above[start + flat] - above[start]).reshape(self.size.shape)
        steps = np.where(self.step == 1, entries, np.maximum(entries - 1, 0)) * self.step
        return np.ascontiguousarray(np.array(signs)[:, None] * self.origin + steps, dtype=np.int64)


def make_tables(expected: FloatArray, signs: tuple[int, ...], *, both_sides: bool) -> Tables:
    """Tables for expected events (channels, windows), first all channels of one sign.

    `both_sides`: also of counts on the other side of the expectation, as a sum over channels needs them; else they
    score 0.
    """
    rows = [_row(channel, sign, both_sides=both_sides) for sign in signs for channel in expected]
    origin, step, size = (np.stack([row[i] for row in rows]) for i in range(3))
    flat = size.ravel()
    start = np.concatenate([[0], np.cumsum(flat + 2)])
    place = start[:-1] + 1
    table = np.zeros(int(start[-1]))
    table[place + flat] = 1.0
    entry = np.arange(int(flat.sum())) - np.repeat(np.cumsum(flat) - flat, flat)
    row_signs = np.repeat(np.repeat(signs, expected.size), flat)
    counts = np.repeat(origin.ravel(), flat) + row_signs * entry * np.repeat(step.ravel(), flat)
    means = np.repeat(np.tile(expected.ravel(), len(signs)), flat)
    values = np.empty(len(counts))
    for sign, tail in ((1, log_tail_above), (-1, log_tail_below)):
        mine = row_signs == sign
        values[mine] = tail(counts[mine], means[mine])
    table[np.repeat(place, flat) + entry] = values
    return Tables(origin, step, place.reshape(size.shape).astype(np.int64), size, table)


def _row(b: FloatArray, sign: int, *, both_sides: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Origin, step and number of entries (windows,) for expected events (windows,)."""
    sigma = np.sqrt(b)
    step = np.maximum(np.floor(sigma / _FINE), 1).astype(np.int64)
    far = _REACH * sigma + _MARGIN
    if sign > 0:
        start = np.floor(b) + 1 if not both_sides else np.maximum(np.floor(b - far), 0)
        end = np.ceil(b + far)
    else:
        # Counts are not negative: no deficit lies beyond the table where it ends at 0.
        start = np.ceil(b) - 1 if not both_sides else np.ceil(b + far)
        end = np.maximum(np.floor(b - far), 0)
    size = np.maximum(np.ceil(sign * (end - start) / step) + 1, 0).astype(np.int64)
    # A cubic needs an entry on either side; where the last counts of a deficit are few the step is 1.
    size = np.where(step > 1, np.maximum(size, 0) + 3, size)
    return start.astype(np.int64), step, size


def allowed_counts(expected: FloatArray, p: float) -> tuple[IntArray, IntArray]:
    """Least and largest counts (...) whose tail, of an excess or of a deficit, has more than probability p."""
    shape = expected.shape
    b = expected.ravel()
    far = np.ceil(9 * np.sqrt(b) + 30)

    def search(low: FloatArray, high: FloatArray, passes: Callable[[FloatArray], npt.NDArray[np.bool_]]) -> FloatArray:
        """The largest integer of [low, high) that passes, given that low does and high does not."""
        while np.any(high - low > 1):
            middle = np.floor((low + high) / 2)
            good = passes(middle)
            low, high = np.where(good, middle, low), np.where(good, high, middle)
        return low

    limit = np.log(p)
    most = search(np.floor(b), np.floor(b) + far, lambda d: log_tail_above(np.maximum(d, 0), b) > limit)
    down = search(
        -np.ceil(b), np.minimum(far - np.ceil(b), 1.0), lambda d: log_tail_below(np.maximum(-d, 0), b) > limit
    )
    return (-down).astype(np.int64).reshape(shape), most.astype(np.int64).reshape(shape)
