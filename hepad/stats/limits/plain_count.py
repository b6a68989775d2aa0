"""Limits of a count above a mass from which no background is subtracted.

They hold whatever the background is, if it is known how much of the signal is above the mass. Few simulated events that
choose the mass are more above it than there should be: of each mass the one is taken that they fluctuated up at. So one
half of them chooses, and the other half, which had no part in that, says how much is there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import gammaincc, gammainccinv, ndtr, ndtri, pdtr, pdtrik

from hepad.stats.limits.cls import ALPHA, LimitResult
from hepad.stats.limits.template_response import SignalEvents

__all__ = ["PlainCount", "best_count", "plain_limit"]

FloatArray = npt.NDArray[np.float64]

_REASON = "exact sums for a count from which no background is subtracted"
_NODES = 40


@dataclass(frozen=True)
class PlainCount:
    """A count above a mass in GeV and its limit: `signal` events at mu = 1, by so many `effective` simulated ones.

    `background` are the events that are expected and not subtracted, `error` is the relative one of the signal.
    """

    above: float
    signal: float
    effective: float
    background: float
    error: float
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
    errors = np.hypot(error, effective[enough] ** -0.5)
    first = enough[np.argmin(_about(np.round(above[enough]), errors) / totals[enough])]
    signal, known = (float(values[first]) for values in _above(edges, sample, slice(1, None, 2)))
    if not known > 0:
        return None
    whole = math.hypot(error, known**-0.5)
    counted = None if observed is None else float(observed[first:].sum())
    result = plain_limit(signal, float(above[first]), observed=counted, error=whole)
    return PlainCount(
        above=float(edges[first]),
        signal=signal,
        effective=known,
        background=float(above[first]),
        error=whole,
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


def plain_limit(signal: float, background: float, *, observed: float | None = None, error: float = 0.0) -> LimitResult:
    """Upper limits on mu of a signal of so many events, where so many others are expected, and none is subtracted.

    All observed events may be signal. Its relative error is log-normal, and averaged over (R. Cousins and V. Highland,
    Nucl. Instrum. Meth. A 320 (1992) 331).
    """
    counts = [_quantile(float(ndtr(z)), background) for z in (-2, -1, 0, 1, 2)]
    return LimitResult(
        observed=None if observed is None else _upper(observed, error) / signal,
        expected=np.array([_upper(count, error) for count in counts]) / signal,
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


def _about(counts: FloatArray, errors: FloatArray) -> FloatArray:
    """What `_upper` is of counts (k,) and errors (k,), to some per cent: errors of the logarithm in quadrature."""
    middle = np.log(counts + 1)
    bare = np.log(gammainccinv(counts + 1, ALPHA)) - middle
    return np.asarray(np.exp(middle + np.hypot(bare, -ndtri(ALPHA) * np.log1p(errors))))


def _upper(count: float, error: float) -> float:
    """The mean above which so few events or fewer have a probability below 5 %, averaged over a log-normal error."""
    points, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    factors, weights = np.exp(np.log1p(error) * points), weights / weights.sum()

    def excess(log_mean: float) -> float:
        return float(weights @ gammaincc(count + 1, np.exp(log_mean) * factors)) - ALPHA

    low = np.log(count + 1.0)
    high = low + 2.0
    while excess(high) > 0:
        high += 2.0
    return float(np.exp(brentq(excess, low - 1.0, high, xtol=1e-6)))
