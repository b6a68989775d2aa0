"""A smooth background made of few simulated, weighted events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.stats import fit as poisson
from hepad.stats.functions import BackgroundFunction

__all__ = ["BackgroundFit", "choose_order", "event_weights", "fit_background"]

FloatArray = npt.NDArray[np.float64]

_NEIGHBOURS = 10.0
"""Effective events from which the weight of a bin's events is estimated."""


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
    weights = event_weights(counts, variances)
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
    weights = event_weights(counts, variances)
    ordered = sorted(candidates, key=lambda candidate: candidate.n_parameters)
    result = poisson.select_function(edges, counts / weights, ordered, level=level, exposure=1 / weights)
    return _weighted(result, weights)


def event_weights(counts: FloatArray, variances: FloatArray) -> FloatArray:
    """The weight (n,) of a typical event in each bin: sum of squared weights over sum of weights.

    Sums run over the bin and as many bins on either side as are needed to hold ten effective events, so that empty
    bins have a weight too and a single heavy event does not make its own.
    `InputDataError` if counts (n,) or variances (n,) are negative or not finite, or there are no events.
    """
    for what, values in (("counts", counts), ("variances", variances)):
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise InputDataError(f"{what} must be finite and not negative, found {values.min():g}; merge bins")
    if counts.sum() <= 0 or np.any((variances <= 0) & (counts > 0)):
        raise InputDataError("a background needs events, with a variance in each filled bin")
    sums = np.concatenate([[0.0], np.cumsum(counts)])
    squares = np.concatenate([[0.0], np.cumsum(variances)])
    bins = np.arange(len(counts))
    weights = np.full(len(counts), squares[-1] / sums[-1])
    waiting = np.ones(len(counts), dtype=np.bool_)
    for reach in range(len(counts)):
        low, high = np.maximum(bins - reach, 0), np.minimum(bins + reach + 1, len(counts))
        total, square = sums[high] - sums[low], squares[high] - squares[low]
        # Cumulative sums over many decades leave a remainder where a bin is empty.
        solid = waiting & (total > 1e-12 * sums[-1])
        enough = np.zeros_like(solid)
        enough[solid] = total[solid] ** 2 >= _NEIGHBOURS * square[solid]
        weights[enough] = square[enough] / total[enough]
        waiting &= ~enough
    return weights


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
