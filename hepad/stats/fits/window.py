"""Sliding-window fit: the background of each bin from a fit of the bins around it.

The idea is SWiFt's, arXiv:1703.09127: a function with few parameters describes a window where it fails on the whole
spectrum, and the values at the centres of the windows are put together. Ours are: windows at either end keep their
size and serve all bins beyond their centre; a window with too few filled bins grows; a signal component, where asked
for, is kept only where it is significant; the errors come from pseudo-experiments.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, UsageError
from hepad.stats.fits.fit import BatchFit, deviance
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.signal_fit import SignalFit

__all__ = ["WindowFit", "WindowOptions"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SPARE = 2
"""Filled bins that a window has beyond its function's parameters."""
_SIGNIFICANT = 9.0
"""Fall in deviance, three standard deviations, from which on a signal component is kept."""


@dataclass(frozen=True)
class WindowOptions:
    """`half_width` in bins either side; `signal_width` is the relative width of the signal component, None for none."""

    half_width: int
    signal_width: float | None = None


class WindowFit:
    """Sliding windows of `function` over bins of edges (n+1,) in GeV; `counts` (n,) decide which windows grow.

    `UsageError` if a window has not more bins than the function has parameters or none fits into the spectrum.
    """

    def __init__(
        self,
        edges: FloatArray,
        counts: FloatArray,
        function: BackgroundFunction,
        options: WindowOptions,
        *,
        exposure: FloatArray | None = None,
    ) -> None:
        size, n = 2 * options.half_width + 1, len(counts)
        least = function.n_parameters + _SPARE
        if size < least or size > n:
            raise UsageError(
                f"a window of {size} bins does not do for {function.name} in a spectrum of {n}: "
                f"--window must be from {-(-(least - 1) // 2)} to {(n - 1) // 2}"
            )
        self._edges, self._counts, self._function, self._options = edges, counts, function, options
        self._exposure = np.ones(n) if exposure is None else exposure
        self.windows = [self._window(i, least) for i in range(n)]
        """First bin and the bin after the last, for each bin."""

    def _window(self, bin_: int, least: int) -> tuple[int, int]:
        n, half = len(self._counts), self._options.half_width
        first = min(max(bin_ - half, 0), n - 2 * half - 1)
        last = first + 2 * half + 1
        while np.count_nonzero(self._counts[first:last]) < least and (first > 0 or last < n):
            first, last = max(first - 1, 0), min(last + 1, n)
        return first, last

    def fit(self, counts: FloatArray) -> BatchFit:
        """Expected events (T, n) for counts (T, n); a spectrum has converged if all of its windows have."""
        expected = np.empty_like(counts)
        converged = np.ones(len(counts), dtype=np.bool_)
        for window in dict.fromkeys(self.windows):
            bins = [i for i, mine in enumerate(self.windows) if mine == window]
            good = self._fit_window(window, bins, counts, expected)
            converged &= good
        safe = np.maximum(expected, 1e-290)
        return BatchFit(expected=safe, deviance=deviance(counts, safe), converged=converged)

    def _fit_window(
        self, window: tuple[int, int], bins: list[int], counts: FloatArray, expected: FloatArray
    ) -> BoolArray:
        """Fill in the expected events (T, n) of `bins`; which fits converged (T,)."""
        model = self._models[window]
        local = counts[:, slice(*window)]
        phi, value, good = model.background(local)
        plain = model.predict_background(phi)
        for i in bins:
            expected[:, i] = plain[:, i - window[0]]
            if self._options.signal_width is None:
                continue
            centre = (self._edges[i] + self._edges[i + 1]) / 2
            signal = np.tile([0.0, centre, self._options.signal_width], (len(counts), 1))
            fits = model.fit(local, signal)
            kept = fits.converged & (fits.values[:, 0] > 0) & (value - fits.deviance > _SIGNIFICANT)
            expected[kept, i] = fits.background[kept, i - window[0]]
        return good

    @cached_property
    def _models(self) -> dict[tuple[int, int], SignalFit]:
        return {
            (first, last): SignalFit(
                self._edges[first : last + 1],
                self._counts[first:last],
                self._function,
                exposure=self._exposure[first:last],
            )
            for first, last in dict.fromkeys(self.windows)
        }

    def best(self) -> FloatArray:
        """Expected events (n,) of the data; `FitFailedError` if a window cannot be fitted."""
        batch = self.fit(self._counts[None, :])
        if not batch.converged[0]:
            raise FitFailedError(
                f"a sliding window of {self._function.name} did not converge; try wider windows or fewer parameters"
            )
        return np.asarray(batch.expected[0], dtype=np.float64)
