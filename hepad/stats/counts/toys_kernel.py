"""Compiled loops of the pseudo-experiments: random numbers, counts, sums over windows, the smallest p-value.

All in one file, because the cache of compiled functions follows changes of one file only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float64, int32, int64, njit, uint64, void

from hepad.jit import compiled

__all__ = ["draw_counts", "fill_alias", "scan_toys"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_UNIT = 1.0 / 9007199254740992.0


@njit(inline="always")
def _mix(z: Any) -> Any:
    """The finaliser of SplitMix64."""
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    return z ^ (z >> np.uint64(31))


@njit(inline="always")
def _left(x: Any, k: Any) -> Any:
    return (x << np.uint64(k)) | (x >> np.uint64(64 - k))


@njit
def _draw(  # noqa: PLR0917
    seed: Any, toy: Any, first: Any, lowest: Any, share: Any, other: Any, counts: Any
) -> None:
    """One pseudo-experiment: xoshiro256++ (Blackman and Vigna), its state from SplitMix64 of seed and index."""
    at = _mix(_mix(seed + _GOLDEN) ^ (np.uint64(toy) * _GOLDEN + _MIX2))
    s0 = _mix(at + _GOLDEN)
    s1 = _mix(at + np.uint64(2) * _GOLDEN)
    s2 = _mix(at + np.uint64(3) * _GOLDEN)
    s3 = _mix(at + np.uint64(4) * _GOLDEN)
    for i in range(len(lowest)):
        bits = _left(s0 + s3, 23) + s0
        t = s1 << np.uint64(17)
        s2 ^= s0
        s3 ^= s1
        s1 ^= s2
        s0 ^= s3
        s2 ^= t
        s3 = _left(s3, 45)
        place = float64(bits >> np.uint64(11)) * _UNIT * (first[i + 1] - first[i])
        j = int64(place)
        entry = first[i] + j
        if place - j >= share[entry]:
            j = int64(other[entry])
        counts[i] = lowest[i] + j


@compiled(void(uint64, int64, int64[::1], int64[::1], float64[::1], int32[::1], int64[:, ::1]))
def draw_counts(  # noqa: PLR0917  numba knows no groups of arguments
    seed: Any, start: Any, first: Any, lowest: Any, share: Any, other: Any, counts: Any
) -> None:
    """Fill counts (T, n) with the pseudo-experiments from index `start` on."""
    for t in range(len(counts)):
        _draw(seed, start + t, first, lowest, share, other, counts[t])


@compiled(void(float64[::1], int64[::1], int64[::1], float64[::1], int32[::1]))
def fill_alias(means: Any, first: Any, lowest: Any, share: Any, other: Any) -> None:
    """Alias tables of Poisson distributions of these means, from ratios of neighbouring probabilities."""
    for i in range(len(means)):
        size = first[i + 1] - first[i]
        p = share[first[i] : first[i + 1]]
        alias = other[first[i] : first[i + 1]]
        mode = min(max(int64(means[i]) - lowest[i], 0), size - 1)
        p[mode] = 1.0
        total = 1.0
        for j in range(mode + 1, size):
            p[j] = p[j - 1] * means[i] / (lowest[i] + j)
            total += p[j]
        for j in range(mode - 1, -1, -1):
            p[j] = p[j + 1] * (lowest[i] + j + 1) / means[i]
            total += p[j]
        small, large = np.empty(size, np.int64), np.empty(size, np.int64)
        n_small, n_large = 0, 0
        for j in range(size):
            p[j] *= size / total
            alias[j] = j
            if p[j] < 1.0:
                small[n_small] = j
                n_small += 1
            else:
                large[n_large] = j
                n_large += 1
        while n_small > 0 and n_large > 0:
            n_small -= 1
            low, high = small[n_small], large[n_large - 1]
            alias[low] = high
            p[high] -= 1.0 - p[low]
            if p[high] < 1.0:
                n_large -= 1
                small[n_small] = high
                n_small += 1
        # What is left differs from 1 by rounding only.
        for j in range(n_small):
            p[small[j]] = 1.0
        for j in range(n_large):
            p[large[j]] = 1.0


@njit
def _accumulate(counts: Any, columns: Any, sums: Any) -> None:
    """Sums of counts below each edge; of rows of `columns` counts below and left of each corner if there are any."""
    if columns == 0:
        total = int64(0)
        for i in range(len(counts)):
            sums[i] = total
            total += counts[i]
        sums[len(counts)] = total
        return
    width = columns + 1
    for i in range(width):
        sums[i] = 0
    for row in range(len(counts) // columns):
        total = int64(0)
        sums[(row + 1) * width] = 0
        for j in range(columns):
            total += counts[row * columns + j]
            sums[(row + 1) * width + j + 1] = sums[row * width + j + 1] + total


@njit
def _count(sums: Any, corners: Any, inside: Any) -> None:
    """Counts inside every window (channels, W) from the accumulated counts at its corners."""
    for c in range(inside.shape[0]):
        for w in range(inside.shape[1]):
            inside[c, w] = sums[corners[0, c, w]] - sums[corners[1, c, w]]
        if len(corners) == 4:
            for w in range(inside.shape[1]):
                inside[c, w] += sums[corners[3, c, w]] - sums[corners[2, c, w]]


@njit
def _between(x: Any, step: Any, place: Any, size: Any, table: Any) -> Any:
    """ln p at x from a table in steps, by the cubic through four entries; 1.0 beyond the table."""
    if x < 0:
        return 0.0
    j = x // step
    if j + 2 >= size:
        return 1.0
    j = max(j, 1)
    u = (x - j * step) / step
    a, b, c, d = table[place + j - 1], table[place + j], table[place + j + 1], table[place + j + 2]
    return (
        -a * u * (u - 1) * (u - 2) / 6
        + b * (u + 1) * (u - 1) * (u - 2) / 2
        - c * (u + 1) * u * (u - 2) / 2
        + d * (u + 1) * u * (u - 1) / 6
    )


@njit
def _vetoed(sums: Any, w: Any, first: Any, last: Any, least: Any, most: Any) -> bool:  # noqa: PLR0917
    for k in range(len(first)):
        d = sums[last[k, w]] - sums[first[k, w]]
        if d < least[k, w] or d > most[k, w]:
            return True
    return False


@njit
def _promising(sums: Any, sign: Any, plus: Any, minus: Any, bound: Any, chosen: Any) -> Any:  # noqa: PLR0917
    """List the windows whose signed counts reach the bound; without branches, for they come at random."""
    found = 0
    for w in range(len(bound)):
        chosen[found] = w
        found += sign * (sums[plus[w]] - sums[minus[w]]) >= bound[w]
    return found


@njit
def _value(x: Any, step: Any, place: Any, size: Any, table: Any) -> Any:
    if step == 1:
        return table[place + min(max(x, -1), size)]
    return _between(x, step, place, size, table)


_INT2 = int64[:, ::1]


@compiled(
    void(
        _INT2, int64, int64, int64[:, :, ::1], uint64[:, ::1], _INT2, int64[::1], _INT2, _INT2, _INT2, _INT2,
        float64[::1], _INT2, _INT2, _INT2, _INT2, float64[::1],
    )
)  # fmt: skip
def scan_toys(  # noqa: C901, PLR0917  numba knows no groups of arguments
    given: Any, channels: Any, columns: Any, corners: Any, ends: Any, bound: Any,
    signs: Any, origin: Any, step: Any, place: Any, size: Any, table: Any,
    s_first: Any, s_last: Any, s_least: Any, s_most: Any, out: Any,
) -> None:  # fmt: skip
    """Fill out (T,) with the smallest ln p over windows, summed over channels; 1.0 where a table did not reach.

    `given` (T, n) are the counts of all channels. A window is a pair (in one dimension) or a quadruple (in two) of
    `corners` (2 or 4, channels, W) in the accumulated counts. Tables have a row for each sign and channel: `origin`,
    `step`, `place` and `size` (signs x channels, W), with a 0 before their first entry and a 1 behind the last.
    Sidebands (K, W) allow counts from `s_least` to `s_most`.

    For one spectrum `ends` (2, W) are its corners, and `bound` (signs, W) the signed counts from which p is below a
    level that some window nearly always passes: then no other window needs to be looked up.
    """
    n, windows = given.shape[1], corners.shape[2]
    sums = np.empty((n // columns + 1) * (columns + 1) if columns else n + 1, np.int64)
    inside = np.empty((channels, windows), np.int64)
    chosen = np.empty(windows + 1, np.uint64)
    for t in range(len(given)):
        _accumulate(given[t], columns, sums)
        best, worst = 0.0, 0.0
        if len(bound):
            for s in range(len(signs)):
                for i in range(_promising(sums, signs[s], ends[0], ends[1], bound[s], chosen)):
                    w = chosen[i]
                    x = signs[s] * (sums[ends[0, w]] - sums[ends[1, w]] - origin[s, w])
                    value = _value(x, step[s, w], place[s, w], size[s, w], table)
                    worst = max(worst, value)
                    if value < best and not (len(s_first) and _vetoed(sums, w, s_first, s_last, s_least, s_most)):
                        best = value
        if best == 0.0:
            _count(sums, corners, inside)
            for s in range(len(signs)):
                for w in range(windows):
                    total = 0.0
                    for c in range(channels):
                        row = s * channels + c
                        x = signs[s] * (inside[c, w] - origin[row, w])
                        value = _value(x, step[row, w], place[row, w], size[row, w], table)
                        worst = max(worst, value)
                        total += value
                    if total < best and not (len(s_first) and _vetoed(sums, w, s_first, s_last, s_least, s_most)):
                        best = total
        out[t] = 1.0 if worst > 0.5 else best
