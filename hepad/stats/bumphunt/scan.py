"""The p-value of every window: of one spectrum, or of several channels in the same window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp

from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.windows import ScanOptions
from hepad.stats.counts.poisson import log_p_deficit, log_p_excess, log_tail_above, log_tail_below, signed_root
from hepad.stats.counts.uncertain import log_p_deficit_uncertain, log_p_excess_uncertain, uncertain_root

__all__ = ["Expectation", "Scan", "fisher", "scan_all", "smallest"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_ALMOST_NOTHING = 1e-290


@dataclass(frozen=True)
class Expectation:
    """Expected events (..., channels, bins) and, if they were counted themselves, their variances of that shape.

    `weight` stands for variance / expectation where nothing was counted.
    """

    events: FloatArray
    variances: FloatArray | None = None
    weight: float = 1.0

    def per_event(self, events: FloatArray, variances: FloatArray) -> FloatArray:
        """Variance / expectation, `weight` where nothing is expected."""
        some = events > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(some & (variances > 0), variances / np.where(some, events, 1.0), self.weight)
        return np.asarray(ratio, dtype=np.float64)


@dataclass(frozen=True)
class Scan:
    """Every window: ln p and sign (+1 excess, -1 deficit), whether its sidebands veto it; all (..., windows)."""

    log_p: FloatArray
    sign: npt.NDArray[np.int8]
    vetoed: BoolArray

    @property
    def counting(self) -> FloatArray:
        """ln p, 0 where vetoed."""
        return np.asarray(np.where(self.vetoed, 0.0, self.log_p), dtype=np.float64)


def fisher(log_p: FloatArray, channels: int) -> FloatArray:
    """ln p (...) of a sum of `channels` independent ln p (...): -2 of it is chi-square of 2 channels degrees.

    R. A. Fisher's method; of discrete counts it is conservative.
    """
    if channels == 1:
        return np.asarray(log_p, dtype=np.float64)
    x = np.maximum(-log_p, 0.0)
    total, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, channels):
        term = term * x / k
        total = total + term
    return np.asarray(np.log(total) - x, dtype=np.float64)


def scan_all(counts: FloatArray, expected: Expectation, layout: Layout, options: ScanOptions) -> Scan:
    """Scan counts (..., channels, bins), every window in full."""
    channels = counts.shape[-2]
    d, b = layout.sums(counts), layout.sums(expected.events)
    weight = _weight(layout, expected, b)
    log_p = np.full((*d.shape[:-2], d.shape[-1]), 0.0)
    sign = np.full(log_p.shape, options.signs[0], dtype=np.int8)
    for direction in options.signs:
        if channels == 1:
            found = _one_sided(d, b, weight, direction)[..., 0, :]
        else:
            found = fisher(_full_tail(d, b, weight, direction).sum(axis=-2), channels)
        better = found < log_p
        log_p, sign = np.where(better, found, log_p), np.where(better, np.int8(direction), sign)
    return Scan(log_p, sign, _vetoed(counts, expected, layout, options, shape=log_p.shape))


def smallest(counts: FloatArray, expected: Expectation, layout: Layout, options: ScanOptions) -> FloatArray:
    """The smallest ln p (T,) of pseudo-experiments of counts (T, channels, bins)."""
    if len(counts) == 0:
        return np.empty(0)
    if counts.shape[1] > 1 or options.sideband_p is not None:
        return np.asarray(scan_all(counts, expected, layout, options).counting.min(axis=-1), dtype=np.float64)
    d, b = layout.sums(counts[:, 0]), layout.sums(expected.events[..., 0, :])
    weight = None
    if expected.variances is not None:
        weight = expected.per_event(b, layout.sums(expected.variances[..., 0, :]))
    found = [_smallest(d, b, weight, direction) for direction in options.signs]
    return np.asarray(np.minimum.reduce(found), dtype=np.float64)


def _smallest(d: FloatArray, b: FloatArray, weight: FloatArray | None, direction: int) -> FloatArray:
    """The smallest ln p (T,) for counts (T, windows), computed only where it can be.

    Incomplete gamma and beta functions are slow. They are needed in the window with the largest signed root of the
    likelihood ratio, and in those whose Gaussian tail, a lower bound on p, lies below the p found there.
    """
    floor = np.maximum(b, _ALMOST_NOTHING)
    roots = direction * (signed_root(d, floor) if weight is None else uncertain_root(d, b, weight))
    b = np.broadcast_to(b, d.shape)
    weight = None if weight is None else np.broadcast_to(weight, d.shape)
    rows = np.arange(len(d))
    likely = np.argmax(roots, axis=1)

    def exact(row: npt.NDArray[np.intp], column: npt.NDArray[np.intp]) -> FloatArray:
        at = None if weight is None else weight[row, column]
        return _one_sided(d[row, column], b[row, column], at, direction)

    best = exact(rows, likely)
    with np.errstate(divide="ignore"):
        reach = np.where(best < 0, -ndtri_exp(best), 0.0)
    row, column = np.nonzero(roots > reach[:, None] - 1e-6)
    np.minimum.at(best, row, exact(row, column))
    return best


def _weight(layout: Layout, expected: Expectation, b: FloatArray) -> FloatArray | None:
    return None if expected.variances is None else expected.per_event(b, layout.sums(expected.variances))


def _one_sided(d: FloatArray, b: FloatArray, weight: FloatArray | None, direction: int) -> FloatArray:
    """ln p of counts on that side of the expectation, 0 on the other."""
    if weight is None:
        return (log_p_excess if direction > 0 else log_p_deficit)(d, b)
    return (log_p_excess_uncertain if direction > 0 else log_p_deficit_uncertain)(d, b, weight)


def _full_tail(d: FloatArray, b: FloatArray, weight: FloatArray | None, direction: int) -> FloatArray:
    """ln of the tail on both sides of the expectation."""
    if weight is None:
        return (log_tail_above if direction > 0 else log_tail_below)(d, b)
    return (log_p_excess_uncertain if direction > 0 else log_p_deficit_uncertain)(d, b, weight, full=True)


def _vetoed(
    counts: FloatArray, expected: Expectation, layout: Layout, options: ScanOptions, *, shape: tuple[int, ...]
) -> BoolArray:
    """Windows (..., windows) with a sideband, in any channel, whose excess or deficit has p <= `sideband_p`."""
    if options.sideband_p is None:
        return np.zeros(shape, dtype=np.bool_)
    d, b = layout.sideband_sums(counts), layout.sideband_sums(expected.events)
    weight = None
    if expected.variances is not None:
        weight = expected.per_event(b, layout.sideband_sums(expected.variances))
    log_p = np.minimum(_one_sided(d, b, weight, 1), _one_sided(d, b, weight, -1))
    return np.asarray(np.any(log_p <= np.log(options.sideband_p), axis=(-3, -2)), dtype=np.bool_)
