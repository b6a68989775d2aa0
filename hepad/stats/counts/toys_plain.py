"""The loops of `toys_kernel` that draw counts, bit for bit without numba: for so few that its import takes longer."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["draw_counts", "fill_alias"]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
Int32Array = npt.NDArray[np.int32]
_Words = npt.NDArray[np.uint64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_UNIT = 1.0 / 9007199254740992.0


def draw_counts(  # noqa: PLR0917  as in the kernel
    seed: np.uint64,
    start: int,
    first: IntArray,
    lowest: IntArray,
    share: FloatArray,
    other: Int32Array,
    counts: IntArray,
) -> None:
    """Fill counts (T, n) with the pseudo-experiments from index `start` on, one bin of all at a time."""
    toys = np.arange(start, start + len(counts), dtype=np.uint64)
    at = _mix(_mix(np.full(1, seed) + _GOLDEN) ^ (toys * _GOLDEN + _MIX2))
    s0, s1, s2, s3 = (_mix(at + np.full(1, k, dtype=np.uint64) * _GOLDEN) for k in (1, 2, 3, 4))
    for i in range(len(lowest)):
        bits = _left(s0 + s3, 23) + s0
        t = s1 << np.uint64(17)
        s2, s3 = s2 ^ s0, s3 ^ s1
        s1, s0 = s1 ^ s2, s0 ^ s3
        s2, s3 = s2 ^ t, _left(s3, 45)
        place = (bits >> np.uint64(11)).astype(np.float64) * _UNIT * float(first[i + 1] - first[i])
        j = place.astype(np.int64)
        entry = first[i] + j
        counts[:, i] = lowest[i] + np.where(place - j >= share[entry], other[entry], j)


def fill_alias(means: FloatArray, first: IntArray, lowest: IntArray, share: FloatArray, other: Int32Array) -> None:
    """Alias tables of Poisson distributions of these means, from ratios of neighbouring probabilities."""
    for i in range(len(means)):
        bins = slice(int(first[i]), int(first[i + 1]))
        share[bins], other[bins] = _alias(_probabilities(float(means[i]), int(lowest[i]), bins.stop - bins.start))


def _probabilities(mean: float, lowest: int, size: int) -> list[float]:
    """Of each count, in units in which their mean is one."""
    mode = min(max(int(mean) - lowest, 0), size - 1)
    p = [1.0] * size
    total = 1.0
    for j in range(mode + 1, size):
        p[j] = p[j - 1] * mean / (lowest + j)
        total += p[j]
    for j in range(mode - 1, -1, -1):
        p[j] = p[j + 1] * (lowest + j + 1) / mean
        total += p[j]
    scale = size / total
    return [value * scale for value in p]


def _alias(p: list[float]) -> tuple[list[float], list[int]]:
    other = list(range(len(p)))
    small = [j for j, value in enumerate(p) if value < 1.0]
    large = [j for j, value in enumerate(p) if value >= 1.0]
    while small and large:
        low, high = small.pop(), large[-1]
        other[low] = high
        p[high] -= 1.0 - p[low]
        if p[high] < 1.0:
            small.append(large.pop())
    for j in (*small, *large):  # what is left differs from 1 by rounding only
        p[j] = 1.0
    return p, other


def _mix(z: _Words) -> _Words:
    z = (z ^ (z >> np.uint64(30))) * _MIX1
    z = (z ^ (z >> np.uint64(27))) * _MIX2
    mixed: _Words = z ^ (z >> np.uint64(31))
    return mixed


def _left(x: _Words, k: int) -> _Words:
    turned: _Words = (x << np.uint64(k)) | (x >> np.uint64(64 - k))
    return turned
