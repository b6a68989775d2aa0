"""BumpHunter: the most significant excess in a spectrum and its global p-value (arXiv:1101.0390)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.fit import FitResult, Refitter
from hepad.stats.poisson import log_p_excess, signed_root, significance

__all__ = ["BumpHunt", "ScanOptions", "bump_hunt", "make_windows", "scan"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_BLOCK_NUMBERS = 1_000_000
"""Floating-point numbers per working array of a block of pseudo-experiments: bounds the memory to some 100 MB."""


@dataclass(frozen=True)
class ScanOptions:
    """Widths of the windows and steps between widths and between positions, in bins; no `width_max`: half the bins."""

    width_min: int = 2
    width_max: int | None = None
    width_step: int = 1
    scan_step: int = 1

    def __post_init__(self) -> None:
        if min(self.width_min, self.width_step, self.scan_step) < 1:
            raise UsageError("window widths and steps are at least 1 bin")
        if self.width_max is not None and self.width_max < self.width_min:
            raise UsageError(f"the largest width ({self.width_max} bins) is below the smallest ({self.width_min})")


@dataclass(frozen=True)
class BumpHunt:
    """The window with the smallest p-value, bins `first` to `last` exclusive, and what pseudo-experiments say of it.

    `global_p` is (k+1)/(n+1) for k of n pseudo-experiments with a statistic at least as large, `global_p_error` its
    binomial error; both are None without pseudo-experiments. `toy_statistics` (n,) holds only the toys that count:
    `failed_toys` more were drawn whose refit did not converge. `refit` says whether each toy was fitted anew.
    """

    first: int
    last: int
    window: tuple[float, float]
    observed: float
    expected: float
    log_p: float
    local_p: float
    local_z: float | None
    statistic: float
    windows: int
    refit: bool
    toys: int
    failed_toys: int
    toys_above: int
    global_p: float | None
    global_p_error: float | None
    toy_statistics: FloatArray


def make_windows(n_bins: int, options: ScanOptions) -> tuple[IntArray, IntArray]:
    """First and past-the-last bin, each (windows,), of all windows in `n_bins` bins."""
    largest = max(n_bins // 2, options.width_min) if options.width_max is None else options.width_max
    if largest > n_bins:
        raise UsageError(f"windows of {largest} bins do not fit into {n_bins} bins")
    first, last = [], []
    for width in range(options.width_min, largest + 1, options.width_step):
        starts = np.arange(0, n_bins - width + 1, options.scan_step)
        first.append(starts)
        last.append(starts + width)
    return np.concatenate(first), np.concatenate(last)


def scan(counts: FloatArray, reference: FloatArray, windows: tuple[IntArray, IntArray]) -> FloatArray:
    """ln p of every window (windows,) for counts and reference (n,); `InputDataError` if a window expects nothing."""
    d, b = _sums(counts, windows), _sums(reference, windows)
    empty = np.flatnonzero((b <= 0) & (d > 0))
    if len(empty):
        at = int(empty[0])
        raise InputDataError(
            f"the reference is zero in bins {windows[0][at]} to {windows[1][at] - 1}, where {d[at]:g} events "
            "are observed; merge bins or choose a range"
        )
    return log_p_excess(d, b)


def bump_hunt(
    edges: FloatArray,
    counts: FloatArray,
    reference: FloatArray,
    *,
    options: ScanOptions | None = None,
    toys: int = 10_000,
    seed: int = 0,
    refit: FitResult | None = None,
) -> BumpHunt:
    """Hunt for the largest excess of counts (n,) over reference (n,) in bins of edges (n+1,).

    Pseudo-experiments are Poisson fluctuations of the reference, whose own uncertainty is ignored. Give the fit that
    made the reference as `refit` to fit each of them anew, as the data were. `FitFailedError` if no refit converges.
    """
    windows = make_windows(len(counts), options or ScanOptions())
    log_p = scan(counts, reference, windows)
    best = int(np.argmin(log_p))
    first, last = int(windows[0][best]), int(windows[1][best])
    statistic = abs(float(log_p[best]))
    drawn, failed = _toy_statistics(edges, reference, windows, toys=toys, rng=np.random.default_rng(seed), refit=refit)
    if toys and len(drawn) == 0:
        raise FitFailedError(f"none of the {toys} refitted pseudo-experiments converged")
    # Equal statistics may differ in the last bits, as toys are summed in another order.
    above = int(np.count_nonzero(drawn >= statistic - 1e-9 * (1 + statistic)))
    global_p = (above + 1) / (len(drawn) + 1) if toys else None
    return BumpHunt(
        first=first,
        last=last,
        window=(float(edges[first]), float(edges[last])),
        observed=float(counts[first:last].sum()),
        expected=float(reference[first:last].sum()),
        log_p=float(log_p[best]),
        local_p=float(np.exp(log_p[best])),
        local_z=significance(float(log_p[best])),
        statistic=statistic,
        windows=len(log_p),
        refit=refit is not None,
        toys=len(drawn),
        failed_toys=failed,
        toys_above=above,
        global_p=global_p,
        global_p_error=None if global_p is None else float(np.sqrt(global_p * (1 - global_p) / (len(drawn) + 1))),
        toy_statistics=drawn,
    )


def _toy_statistics(
    edges: FloatArray,
    reference: FloatArray,
    windows: tuple[IntArray, IntArray],
    *,
    toys: int,
    rng: np.random.Generator,
    refit: FitResult | None,
) -> tuple[FloatArray, int]:
    """Statistics of the pseudo-experiments that count (n,), and how many refits failed."""
    refitter = None if refit is None else Refitter(edges, refit)
    per_toy = len(windows[0]) if refit is None else max(len(windows[0]), len(reference) * 5)
    block = max(1, _BLOCK_NUMBERS // per_toy)
    found, failed = [], 0
    for start in range(0, toys, block):
        size = (min(block, toys - start), len(reference))
        counts = rng.poisson(reference, size=size).astype(np.float64)
        expected = reference[None, :]
        if refitter is not None:
            batch = refitter.fit(counts)
            failed += int(np.count_nonzero(~batch.converged))
            counts, expected = counts[batch.converged], batch.expected[batch.converged]
        found.append(-_smallest_log_p(counts, expected, windows))
    return (np.concatenate(found) if found else np.empty(0)), failed


def _smallest_log_p(counts: FloatArray, reference: FloatArray, windows: tuple[IntArray, IntArray]) -> FloatArray:
    """The smallest ln p of each pseudo-experiment (T,), for integer counts (T, n) and reference (1 or T, n).

    The incomplete gamma function is slow, so it is computed only where it can matter: in the window with the largest
    signed root of the deviance, and in those whose Gaussian tail, a lower bound on p, lies below the p found there.
    """
    if len(counts) == 0:
        return np.empty(0)
    d, b = _sums(counts, windows), _sums(reference, windows)
    roots = signed_root(d, np.maximum(b, 1e-290))
    b = np.broadcast_to(b, d.shape)
    rows = np.arange(len(d))
    likely = np.argmax(roots, axis=1)
    best = log_p_excess(d[rows, likely], b[rows, likely])
    with np.errstate(divide="ignore"):
        reach = np.where(best < 0, -ndtri_exp(best), 0.0)
    row, column = np.nonzero(roots > reach[:, None] - 1e-6)
    np.minimum.at(best, row, log_p_excess(d[row, column], b[row, column]))
    return best


def _sums(values: FloatArray, windows: tuple[IntArray, IntArray]) -> FloatArray:
    """Sums over windows (..., windows) of values (..., n).

    They are differences of sums from the high end: on a falling spectrum the sparse tail keeps its precision.
    """
    above = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    above[..., :-1] = np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
    return np.asarray(above[..., windows[0]] - above[..., windows[1]], dtype=np.float64)
