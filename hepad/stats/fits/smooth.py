"""A smooth background made of few simulated, weighted events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.stats.fits import fit as poisson
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["BackgroundFit", "choose_order", "event_weights", "fit_background"]

FloatArray = npt.NDArray[np.float64]

_MAX_ITERATIONS = 100
_WEIGHT_SPREAD = 4.0
"""Variance of a power of the mass in units of that for events of one weight: mixed samples fluctuate more."""


@dataclass(frozen=True)
class BackgroundFit:
    """A fit of `function` to a weighted spectrum: expected events (n,), parameters (k,), their covariance (k, k).

    `deviance` is that of the effective counts, `p_value` its chi-square probability for `ndf` (approximate where bins
    hold few events).
    """

    function: BackgroundFunction
    expected: FloatArray
    parameters: FloatArray
    covariance: FloatArray
    deviance: float
    ndf: int
    p_value: float

    def errors(self, edges: FloatArray) -> FloatArray:
        """Standard deviations (n,) of the expected events in bins of edges (n+1,) in GeV, from the covariance."""
        # ln f is linear in ln p1 and the other parameters; the features hardly change within a bin.
        scale = np.concatenate([[1 / self.parameters[0]], np.ones(len(self.parameters) - 1)])
        centres = (edges[:-1] + edges[1:]) / 2
        slopes = self.function.expected(edges, self.parameters)[:, None] * self.function.features(centres) * scale
        variance = np.einsum("nk,kl,nl->n", slopes, self.covariance, slopes)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)), dtype=np.float64)


def fit_background(
    edges: FloatArray, counts: FloatArray, variances: FloatArray, function: BackgroundFunction
) -> BackgroundFit:
    """Fit `function` to weighted counts (n,) with variances (n,), sums of weights and of squared weights.

    Maximum likelihood of scaled Poisson counts (Bohm and Zech, arXiv:1309.1287): counts and expectation are divided by
    the typical weight of an event. Unit weights make it the ordinary fit. `InputDataError` for negative counts or too
    few bins, `FitFailedError` if the fit does not converge.
    """
    weights = event_weights(edges, counts, variances)
    result = poisson.fit_background(edges, counts / weights, function, exposure=1 / weights)
    return _weighted(result, weights)


def choose_order(
    edges: FloatArray,
    counts: FloatArray,
    variances: FloatArray,
    candidates: Sequence[BackgroundFunction],
    *,
    level: float = 0.05,
) -> BackgroundFit:
    """Fit nested functions, those with fewest parameters first, and keep the first that the next does not improve.

    An added parameter is kept if the fall in deviance has a chi-square probability (Wilks) below `level`. Errors as of
    `fit_background`, raised if not even the first function can be fitted.
    """
    if len({candidate.family for candidate in candidates}) != 1:
        raise InputDataError("the number of parameters is chosen within one family of functions")
    weights = event_weights(edges, counts, variances)
    ordered = sorted(candidates, key=lambda candidate: candidate.n_parameters)
    result = poisson.select_function(edges, counts / weights, ordered, level=level, exposure=1 / weights)
    return _weighted(result, weights)


def event_weights(edges: FloatArray, counts: FloatArray, variances: FloatArray) -> FloatArray:
    """The weight (n,) of a typical event in each bin: squared weights over weights, as a power of the mass.

    A ratio of each bin's own sums would rise with an upward fluctuation and pull the fit down (by a factor of two for
    few heavy events among many light ones); a power with two parameters, fitted to the whole spectrum, follows samples
    of different weights and does not. Edges (n+1,) in GeV. `InputDataError` if counts (n,) or variances (n,) are
    negative or not finite, or there are no events.
    """
    for what, values in (("counts", counts), ("variances", variances)):
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputDataError(f"{what} must be finite and not negative, found {values.min():g}; merge bins")
    if counts.sum() <= 0 or np.any((variances <= 0) & (counts > 0)):
        raise InputDataError("a background needs events, with a variance in each filled bin")
    logs = np.log(edges[:-1] + np.diff(edges) / 2)
    logs -= np.average(logs, weights=counts)
    power = 0.0
    # Newton's method for sum(variances - weight * counts) = 0 and the same times the logarithm of the mass.
    for _ in range(_MAX_ITERATIONS):
        shape = counts * np.exp(power * logs)
        shape *= variances.sum() / shape.sum()
        mean = np.average(logs, weights=shape)
        spread = float(np.average((logs - mean) ** 2, weights=shape))
        step = float(np.sum((variances - shape) * logs)) / variances.sum() / spread if spread > 0 else 0.0
        power += float(np.clip(step, -1.0, 1.0))
        if abs(step) < 1e-10:
            break
    # With few events the power is mostly noise: shrink it by its share of noise, squared (James and Stein).
    noise = _WEIGHT_SPREAD * variances.sum() / counts.sum() ** 2
    power *= max(0.0, 1.0 - noise / (spread * power**2)) if spread * power**2 > 1e-12 else 0.0
    weights = np.exp(power * logs)
    return np.asarray(weights * variances.sum() / np.sum(counts * weights), dtype=np.float64)


def _weighted(result: poisson.FitResult, weights: FloatArray) -> BackgroundFit:
    return BackgroundFit(
        function=result.function,
        expected=result.expected * weights,
        parameters=result.parameters,
        covariance=result.covariance,
        deviance=result.deviance,
        ndf=result.ndf,
        p_value=result.p_value,
    )
