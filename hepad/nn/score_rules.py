"""Scores by name: one name, one formula, in every model, trained here or elsewhere.

All are float64 of shape (n,), higher more anomalous; the arrays are of first axis n, the events', and means and sums
run over all others. In the units of what they are given, squared where it is squared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "LARGEST_LOG_VARIANCE",
    "LATENT",
    "LEAST_OVERLAP",
    "LEAST_PROBABILITY",
    "RECONSTRUCTION",
    "bce",
    "dice",
    "kl",
    "log_mae",
    "mae",
    "mse",
]
__all__ += ["mse", "mu2", "pixel_sum", "r", "sae", "sae_mask", "sse"]

LEAST_PROBABILITY = 1e-7
LEAST_OVERLAP = 1e-6
LARGEST_LOG_VARIANCE = 50.0
"""Far beyond what training reaches; keeps the exponential of absurd inputs finite."""

_Rows = npt.NDArray[Any]
_Scores = npt.NDArray[np.float64]


def mse(x: _Rows, y: _Rows) -> _Scores:
    """Mean squared difference of input and reconstruction."""
    return _mean(np.square(x - y))


def mae(x: _Rows, y: _Rows) -> _Scores:
    """Mean absolute difference of input and reconstruction."""
    return _mean(np.abs(x - y))


def log_mae(x: _Rows, y: _Rows) -> _Scores:
    """Natural logarithm of `mae`, as in arXiv:2307.01612; a perfect reconstruction has that of float32's smallest."""
    return np.asarray(np.log(np.maximum(mae(x, y), np.finfo(np.float32).tiny)))


def sse(x: _Rows, y: _Rows) -> _Scores:
    """Sum of the squared differences of input and reconstruction."""
    return _sum(np.square(_wide(x) - y))


def sae(x: _Rows, y: _Rows) -> _Scores:
    """Sum of the absolute differences of input and reconstruction."""
    return _sum(np.abs(_wide(x) - y))


def sae_mask(x: _Rows, y: _Rows) -> _Scores:
    """How many numbers are above 0 in one of input and reconstruction and not in the other."""
    return _sum((x > 0) != (y > 0))


def bce(x: _Rows, y: _Rows) -> _Scores:
    """Sum of the binary cross entropies of an input from 0 to 1 and probabilities, which are kept 1e-7 off 0 and 1."""
    p = np.clip(_wide(y), LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return -_sum(x * np.log(p) + (1 - x) * np.log1p(-p))


def dice(x: _Rows, y: _Rows) -> _Scores:
    """Inverse Dice coefficient, (sum x^2 + sum y^2) / (2 sum x y): 1 for equal ones, also for two that are all 0.

    An overlap of nothing counts as one of 1e-6, so that the score is a number.
    """
    both = _sum(np.square(_wide(x))) + _sum(np.square(_wide(y)))
    return np.where(both > 0, both / np.maximum(2 * _sum(_wide(x) * y), LEAST_OVERLAP), 1 + both)


def pixel_sum(x: _Rows, y: _Rows) -> _Scores:  # noqa: ARG001  all rules of a reconstruction are alike
    """Sum of the reconstruction alone."""
    return _sum(_wide(y))


def mu2(mean: _Rows, log_variance: _Rows | None = None) -> _Scores:  # noqa: ARG001  all of the latent space are alike
    """Sum over the latent axes of the mean squared: CMS's trigger AXOL1TL up to its version 4."""
    return np.asarray(np.square(mean.astype(np.float64)).sum(axis=1))


def r(mean: _Rows, log_variance: _Rows) -> _Scores:
    """Sum over the latent axes of mean squared / variance, arXiv:2108.03986."""
    return np.asarray((np.square(mean.astype(np.float64)) * np.exp(-log_variance.astype(np.float64))).sum(axis=1))


def kl(mean: _Rows, log_variance: _Rows) -> _Scores:
    """Divergence of N(mean, variance) from N(0, 1), averaged over the latent axes, as in arXiv:2108.03986."""
    wide = log_variance.astype(np.float64)
    return np.asarray(0.5 * (np.square(mean.astype(np.float64)) + np.exp(wide) - wide - 1).mean(axis=1))


RECONSTRUCTION: dict[str, Callable[[_Rows, _Rows], _Scores]] = {
    "mse": mse,
    "mae": mae,
    "log_mae": log_mae,
    "sse": sse,
    "sae": sae,
    "sae_mask": sae_mask,
    "bce": bce,
    "dice": dice,
    "pixel_sum": pixel_sum,
}
"""Scores of an input and its reconstruction."""

LATENT: dict[str, Callable[[_Rows, _Rows], _Scores]] = {"mu2": mu2, "r": r, "kl": kl}
"""Scores of the mean and the log variance of a latent Gaussian; `mu2` needs the mean only."""


def _mean(values: _Rows) -> _Scores:
    return np.asarray(values.mean(axis=tuple(range(1, values.ndim)), dtype=np.float64))


def _sum(values: _Rows) -> _Scores:
    return np.asarray(values.sum(axis=tuple(range(1, values.ndim)), dtype=np.float64))


def _wide(values: _Rows) -> npt.NDArray[np.float64]:
    return values.astype(np.float64)
