"""From what is injected to what is found: where a curve over the cross section crosses a level, and expected limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtri, ndtri_exp

from hepad.errors import FitFailedError
from hepad.stats.counts.uncertain import log_p_excess_uncertain
from hepad.stats.limits.cls import ALPHA
from hepad.stats.limits.limits import CountingExperiment, LimitModel

__all__ = ["FIVE_SIGMA", "Crossing", "crossing", "expected_z", "improvement", "median_limit"]

FIVE_SIGMA = 5.0

_NEAR = (0.05, 50.0)
"""Around the natural scale of a counting experiment, where its limit is."""


@dataclass(frozen=True)
class Crossing:
    """Where a curve crosses a level for good: at `value`, or, by `bound`, below the first or above the last point.

    `value` is NaN, with no bound, where nothing is known.
    """

    value: float
    bound: Literal["", "<", ">"] = ""


def crossing(x: Sequence[float], y: Sequence[float], level: float, *, logarithmic: bool = False) -> Crossing:
    """Where y (n,) at rising x (n,) is above a level from then on; points where y is NaN are left out.

    Between the last point below the level and the next the curve is taken for straight: exact for y in proportion to
    x. `logarithmic`: in both, where x and y are above 0: exact for y in proportion to any power of x.
    """
    places, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    known = ~np.isnan(values)
    places, values = places[known], values[known]
    if not len(places):
        return Crossing(float("nan"))
    below = np.flatnonzero(values < level)
    if not len(below):
        return Crossing(float(places[0]), "<")
    last = int(below[-1])
    if last == len(places) - 1:
        return Crossing(float(places[-1]), ">")
    if logarithmic and values[last] > 0 and places[last] > 0:
        share = np.log(level / values[last]) / np.log(values[last + 1] / values[last])
        return Crossing(float(places[last] * (places[last + 1] / places[last]) ** share))
    share = (level - values[last]) / (values[last + 1] - values[last])
    return Crossing(float(places[last] + share * (places[last + 1] - places[last])))


def median_limit(background: float, spread: float) -> float:
    """The median upper limit (CLs, 95 %) on signal events where a background with an error, `spread`, is expected.

    `FitFailedError` for an error so large that there is none.

    The asymptotic q-tilde (arXiv:1007.1727), which is within 1 % of the exact sums from five events on.
    """
    experiment = CountingExperiment(LimitModel(np.ones(1), np.array([background]), None, np.array([spread**2])))
    # The median of CLs is 2 (1 - Phi(sqrt q)) with q of the Asimov data.
    level = float(ndtri(1 - ALPHA / 2)) ** 2
    try:
        mu = brentq(lambda mu: experiment.prior(float(mu)) - level, *_NEAR, rtol=1e-7)
    except ValueError as error:  # of the same sign at both ends
        raise FitFailedError(f"a background of {background:g} ± {spread:g} events gives no limit") from error
    return experiment.scale * float(mu)


def expected_z(signal: float, background: float, expected: float, error: float) -> float:
    """The local significance of as many events as a signal and a background give in the mean, without their luck.

    `expected` with its `error` is what a fit to data with that signal takes for background, some of the signal in it.
    """
    weight = np.array(max(error**2 / expected, 1e-12))
    log_p = log_p_excess_uncertain(np.array(background + signal), np.array(expected), weight, full=True)
    return float(-ndtri_exp(np.minimum(log_p, -1e-300)))


def improvement(classical: Crossing, method: Crossing) -> Crossing:
    """How much smaller a cross section is than that of a classical search; a bound where either is one.

    NaN where both are bounds that tell nothing of the ratio.
    """
    value = classical.value / method.value if method.value else float("nan")
    flipped: dict[str, Literal["", "<", ">"]] = {"": "", "<": ">", ">": "<"}
    bounds = {bound for bound in (classical.bound, flipped[method.bound]) if bound}
    if np.isnan(value) or len(bounds) == 2:
        return Crossing(float("nan"))
    return Crossing(value, classical.bound or flipped[method.bound])
