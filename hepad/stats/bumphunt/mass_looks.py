"""A resonance of each of several masses on a function, in one spectrum: its significance and its limits."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.fits.fit import FitResult, Refitter, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.score_test import score_test
from hepad.stats.limits.cls import asymptotic_result
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

__all__ = ["LIMITS", "MassPoint", "MassScan", "scan_point"]

FloatArray = npt.NDArray[np.float64]

LIMITS = ("observed", "minus2", "minus1", "expected", "plus1", "plus2")
"""Of `MassPoint.limits`."""
_UNKNOWN = (float("nan"),) * len(LIMITS)


@dataclass(frozen=True)
class MassPoint:
    """A signal in a spectrum: `z` of its excess, 0 for a deficit, the `events` fitted, and limits (6,) of `LIMITS`.

    Limits are on the multiple of the signal given, at 95 % CL (CLs, asymptotic; never below 3.00 events). What cannot
    be fitted is NaN. `few` says that fewer than ten events carry the sensitivity, and the formulae are rough.
    """

    z: float
    events: float
    limits: tuple[float, ...]
    few: bool


def scan_point(
    edges: FloatArray,
    counts: FloatArray,
    function: BackgroundFunction,
    shape: FloatArray,
    *,
    variances: FloatArray | None = None,
    error: float = 0.0,
) -> MassPoint:
    """A signal of `shape` (n,), events in bins of edges (n+1,), on a function in counts (n,).

    `variances` (n,) of the shape are those of finite simulation, `error` is relative, of its size.
    """
    spread = np.zeros_like(shape) if variances is None else variances
    channel = ResonanceChannel("the spectrum", edges, shape, spread, function, observed=counts)
    try:
        model = ResonanceModel([channel], signal_error=error)
        q0, mu = model.excess()
    except FitFailedError:
        return MassPoint(np.nan, np.nan, _UNKNOWN, few=False)
    z, events = (float(np.sqrt(q0)) if mu > 0 else 0.0), mu * model.scale * float(shape.sum())
    try:
        found = asymptotic_result(model, points=0, floor=True)
    except FitFailedError:
        return MassPoint(z, events, _UNKNOWN, few=model.few is not None)
    observed = np.nan if found.observed is None else found.observed
    return MassPoint(z, events, (observed, *map(float, found.expected)), few=model.few is not None)


@dataclass(frozen=True)
class MassScan:
    """Signals of shapes (m, n) on a function in counts (n,) of bins of edges (n+1,), and their significances z (m,).

    A `correlated.Look`: in bootstraps a score test stands for the fit of the signal, whose correlations it has.
    """

    edges: FloatArray
    counts: FloatArray
    function: BackgroundFunction
    shapes: FloatArray
    z: FloatArray

    @cached_property
    def fit(self) -> FitResult:
        """The background alone, fitted to the whole spectrum; `FitFailedError` if it cannot be."""
        return fit_background(self.edges, self.counts, self.function)

    def z_of(self, counts: FloatArray) -> FloatArray:
        """The significances (T, m) of other counts (T, n); NaN where the background cannot be fitted."""
        done, slopes = Refitter(self.edges, self.fit).fit_with_slopes(counts)
        with np.errstate(all="ignore"):
            z = score_test(counts, done.expected, slopes, self.shapes).z
        return np.where(done.converged[:, None], z, np.nan)
