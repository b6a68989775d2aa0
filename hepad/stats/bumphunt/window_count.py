"""Excesses in windows, each above a function that is fitted outside of it.

The way of CWoLa hunting (arXiv:1902.02634): the window is one bin and takes no part in the fit, whose error on the
expected events of the window is counted in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri_exp

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.counts.poisson import log_tail_above
from hepad.stats.counts.uncertain import log_p_excess_uncertain
from hepad.stats.fits.fit import FitResult, Refitter, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.order import choose_order

__all__ = ["WindowCount", "count_in_window", "count_masses", "window_edges"]

FloatArray = npt.NDArray[np.float64]

_CLOSED = 1e-9
"""The exposure of a bin that takes no part in a fit."""
_SPARE = 2
"""Filled bins outside of the window beyond the parameters of the simplest function."""


def window_edges(edges: FloatArray, low: float, high: float) -> FloatArray:
    """Edges of a spectrum in which the window is one bin; a bin cut to less than half of it joins its neighbour.

    `InputDataError` unless whole bins are left on both sides.
    """
    inside = (edges > low) & (edges < high)
    near = np.zeros(len(edges), dtype=np.bool_)
    widths = np.diff(edges)
    for at in (low, high):
        place = int(np.clip(np.searchsorted(edges, at, side="right") - 1, 0, len(widths) - 1))
        near |= np.abs(edges - at) < widths[place] / 2
    near[[0, -1]] = False
    kept = edges[~(inside | near)]
    if not kept[0] < low < high < kept[-1]:
        raise InputDataError(
            f"the window {low:g} to {high:g} GeV leaves no bins on both sides in the spectrum from {edges[0]:g} to "
            f"{edges[-1]:g} GeV"
        )
    return np.unique(np.concatenate([kept, [low, high]]))


@dataclass(frozen=True)
class WindowCount:
    """Events (n,) in bins of edges (n+1,), the function fitted outside of bin `place`, and what is expected.

    `expected` and `errors` (n,) are of all bins. `log_p` is the logarithm of the probability of as many events in the
    window, with the error of the fit; `z` the same in standard deviations, negative for a deficit.
    """

    edges: FloatArray
    counts: FloatArray
    place: int
    fit: FitResult
    expected: FloatArray
    errors: FloatArray

    @property
    def observed(self) -> float:
        """Events in the window."""
        return float(self.counts[self.place])

    @property
    def log_p(self) -> float:
        """The natural logarithm of the local p-value."""
        error = float(self.errors[self.place])
        return float(_log_p(self.counts[self.place : self.place + 1], self.expected[self.place], error)[0])

    @property
    def z(self) -> float:
        """The local significance."""
        return float(_z(np.array([self.log_p]))[0])

    def z_of(self, counts: FloatArray) -> FloatArray:
        """The local significances (T,) of other counts (T, n), each fitted anew; NaN where a fit does not converge."""
        exposure = _exposure(len(self.counts), self.place)
        outside = np.where(exposure < 1, 0.0, counts)
        done = Refitter(self.edges, self.fit, exposure=exposure).fit(outside)
        expected = done.expected[:, self.place] / _CLOSED
        relative = self.errors[self.place] / self.expected[self.place]
        with np.errstate(all="ignore"):
            found = _z(_log_p(counts[:, self.place], expected, relative * expected))
        return np.where(done.converged & np.isfinite(expected), found, np.nan)


def count_masses(
    masses: FloatArray, edges: FloatArray, low: float, high: float, functions: Sequence[BackgroundFunction]
) -> WindowCount:
    """Count masses (n,), NaN for none, between `low` and `high` in a spectrum of edges (m+1,): see `window_edges`."""
    own = window_edges(edges, low, high)
    return count_in_window(own, np.histogram(masses, own)[0].astype(np.float64), low, functions)


def count_in_window(
    edges: FloatArray, counts: FloatArray, low: float, functions: Sequence[BackgroundFunction]
) -> WindowCount:
    """Count in the bin that begins at `low`, above the first of the functions that the next does not improve.

    `InputDataError` for too few events outside of the window, `FitFailedError` if no fit converges.
    """
    place = int(np.argmin(np.abs(edges[:-1] - low)))
    exposure = _exposure(len(counts), place)
    outside = np.where(exposure < 1, 0.0, counts)
    least = min(function.n_parameters for function in functions) + _SPARE
    filled = int(np.count_nonzero(outside))
    if filled < least:
        raise InputDataError(f"{filled} bins outside of the window have events, {least} are needed for a fit")
    if len(functions) == 1:
        fit = fit_background(edges, outside, functions[0], exposure=exposure)
    else:
        fit, _ = choose_order(edges, outside, functions, exposure=exposure)
    expected, errors = fit.expected / exposure, fit.expected_errors / exposure
    if not np.isfinite(expected).all() or not expected[place] > 0:
        raise FitFailedError(f"{fit.function.name} gives no expectation in the window")
    return WindowCount(edges, counts, place, fit, expected, errors)


def _z(log_p: FloatArray) -> FloatArray:
    """Standard deviations; a deficit of more than 8 is 8."""
    return np.asarray(np.maximum(-ndtri_exp(np.minimum(log_p, -1e-300)), -8.0))


def _exposure(bins: int, place: int) -> FloatArray:
    exposure = np.ones(bins)
    exposure[place] = _CLOSED
    return exposure


def _log_p(observed: FloatArray, expected: FloatArray | float, error: FloatArray | float) -> FloatArray:
    b, e = np.broadcast_arrays(np.asarray(expected, dtype=np.float64), np.asarray(error, dtype=np.float64))
    weight = np.where(b > 0, e**2 / np.where(b > 0, b, 1.0), 0.0)
    counted = log_p_excess_uncertain(observed, b, np.maximum(weight, 1e-12), full=True)
    exact = log_tail_above(observed, np.broadcast_to(b, observed.shape))
    return np.asarray(np.where(weight > 1e-9, counted, exact))
