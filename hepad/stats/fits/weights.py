"""The weight of a typical event in each bin of a weighted spectrum."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["event_weights"]

FloatArray = npt.NDArray[np.float64]

_MAX_ITERATIONS = 100
_WEIGHT_SPREAD = 4.0
"""Variance of a power of the mass in units of that for events of one weight: mixed samples fluctuate more."""


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
