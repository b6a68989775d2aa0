"""Scores by name: one name, one formula, in every model, trained here or elsewhere.

All are float64 of shape (n,), higher more anomalous; the arrays are of first axis n, the events', and means and sums
run over all others. In the units of what they are given, squared where it is squared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["LATENT", "RECONSTRUCTION", "kl", "log_mae", "mae", "mse", "mu2", "r"]

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


RECONSTRUCTION: dict[str, Callable[[_Rows, _Rows], _Scores]] = {"mse": mse, "mae": mae, "log_mae": log_mae}
"""Scores of an input and its reconstruction."""

LATENT: dict[str, Callable[[_Rows, _Rows], _Scores]] = {"mu2": mu2, "r": r, "kl": kl}
"""Scores of the mean and the log variance of a latent Gaussian; `mu2` needs the mean only."""


def _mean(values: _Rows) -> _Scores:
    return np.asarray(values.mean(axis=tuple(range(1, values.ndim)), dtype=np.float64))
