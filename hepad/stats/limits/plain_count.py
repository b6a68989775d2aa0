"""Limits of a count above a mass from which no background is subtracted.

They hold whatever the background is, if it is known how much of the signal is above the mass. Few simulated events that
choose the mass are more above it than there should be: of each mass the one is taken that they fluctuated up at. So one
half of them chooses, and the other half, which had no part in that, says how much is there.

So many simulated events have no log-normal error: few of them are often so many by chance. The probability of a count,
averaged over a gamma distribution of as many, is that of the count where the sum of counted and simulated events is
known, and so a limit covers whatever the true signal is, if they have equal weights (C. Clopper and E. Pearson,
Biometrika 26 (1934) 404).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import betainc, betaincinv, expit, logit, ndtr, ndtri, pdtr, pdtrik

from hepad.stats.limits.cls import ALPHA, LimitResult
from hepad.stats.limits.template_response import SignalEvents

__all__ = ["PlainCount", "best_count", "plain_limit"]

FloatArray = npt.NDArray[np.float64]

_REASON = "exact sums for a count from which no background is subtracted"
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(32)
_WEIGHTS /= _WEIGHTS.sum()
"""Averages over a unit Gaussian."""


@dataclass(frozen=True)
class PlainCount:
    """A count above a mass in GeV and its limit: `signal` events at mu = 1, by so many `effective` simulated ones.

    `background` are the events that are expected and not subtracted.
    """

    above: float
    signal: float
    effective: float
    background: float
    result: LimitResult


def best_count(
    edges: FloatArray,
    backgrounds: Sequence[FloatArray],
    sample: SignalEvents,
    *,
    observed: FloatArray | None = None,
    error: float = 0.0,
    fewest: float,
    below: float = math.inf,
) -> PlainCount | None:
    """The count above one of the edges (n+1,), one `below` a mass, with the smallest expected limit; None without one.

    `backgrounds` (n,) are what may be expected in the bins, of which the most counts, and `observed` (n,) what was
    counted; `error` is relative and of the signal, to which that of its simulated events comes. Every other event
    chooses the edge, above which these must be half of `fewest`, by their weights; those between are the signal.
    """
    above = np.max([background[::-1].cumsum()[::-1] for background in backgrounds], axis=0)
    totals, effective = _above(edges, sample, slice(0, None, 2))
    enough = np.flatnonzero((effective >= fewest / 2 * (1 - 1e-9)) & (edges[:-1] < below) & np.isfinite(above))
    if not len(enough):
        return None
    uppers = [_upper(round(above[one]), effective[one], error) for one in enough]
    first = enough[np.argmin(uppers / totals[enough])]
    signal, known = (float(values[first]) for values in _above(edges, sample, slice(1, None, 2)))
    if known < 1 - 1e-9:  # none, or weights of both signs that nearly cancel
        return None
    counted = None if observed is None else float(observed[first:].sum())
    result = plain_limit(signal, known, float(above[first]), observed=counted, error=error)
    return PlainCount(
        above=float(edges[first]),
        signal=signal,
        effective=known,
        background=float(above[first]),
        result=result,
    )


def _above(edges: FloatArray, sample: SignalEvents, part: slice) -> tuple[FloatArray, FloatArray]:
    """The signal above each edge but the last (n,) by a part of its events, and how many effective ones of them."""
    masses, weights = sample.masses[part], sample.weights[part]
    size = len(edges) - 1
    bins = np.searchsorted(edges, masses, side="right") - 1
    inside = (masses >= edges[0]) & (bins < size)
    totals, squares = (
        np.bincount(bins[inside], values[inside], size)[::-1].cumsum()[::-1] for values in (weights, np.square(weights))
    )
    effective = np.divide(np.square(totals), squares, out=np.zeros_like(totals), where=(squares > 0) & (totals > 0))
    return totals * (len(sample.masses) / max(len(masses), 1)), effective


def plain_limit(
    signal: float, effective: float, background: float, *, observed: float | None = None, error: float = 0.0
) -> LimitResult:
    """Upper limits on mu of a signal, where so many other events are expected, and none is subtracted.

    All observed events may be signal, of which there are `signal` by so many `effective` simulated ones, over whose
    gamma distribution is averaged. So it is over another relative error, which is log-normal (R. Cousins and V.
    Highland, Nucl. Instrum. Meth. A 320 (1992) 331).
    """
    counts = [_quantile(float(ndtr(z)), background) for z in (-2, -1, 0, 1, 2)]
    return LimitResult(
        observed=None if observed is None else _upper(observed, effective, error) / signal,
        expected=np.array([_upper(count, effective, error) for count in counts]) / signal,
        poi=np.empty(0),
        cls_observed=None,
        cls_expected=np.empty((0, 5)),
        calculator="exact",
        toys=0,
        warnings=(),
        reason=_REASON,
    )


def _quantile(probability: float, mean: float) -> int:
    """The smallest count that is reached with this probability at least."""
    if pdtr(0, mean) >= probability:
        return 0
    return int(np.ceil(float(pdtrik(probability, mean)) - 1e-9))


def _upper(count: float, effective: float, error: float) -> float:
    """The mean at which so few events or fewer have a probability of 5 %, averaged over the errors of the signal.

    The logarithm of a mean that so many counted and simulated events allow is that of a ratio of gamma variables plus
    a Gaussian one. The wider of both is known in closed form, the narrower is averaged over: so all is smooth.
    """
    spread = math.log1p(error)

    def allowed(tails: FloatArray) -> FloatArray:
        """ln of the means (k,) above which these parts (k,) of all are, without the other error."""
        return np.asarray(math.log(effective) - logit(betaincinv(effective, count + 1, tails)))

    if spread**2 < 1 / (count + 1) + 1 / effective:

        def above(log_mean: float) -> FloatArray:
            return np.asarray(betainc(effective, count + 1, expit(math.log(effective) - log_mean - spread * _POINTS)))

    else:
        places = allowed(ndtr(-_POINTS))

        def above(log_mean: float) -> FloatArray:
            return np.asarray(ndtr((places - log_mean) / spread))

    def excess(log_mean: float) -> float:
        return float(_WEIGHTS @ above(log_mean)) - ALPHA

    low, high = (float(value) for value in allowed(np.array([0.5, ALPHA / 2])))  # more and less than ALPHA are above
    return float(np.exp(brentq(excess, low, high - spread * ndtri(ALPHA / 2), xtol=1e-9)))
