"""Poisson tails where the expectation itself was counted: the on/off problem.

An expectation b with variance v is worth m = b^2 / v counts of weight v / b, so tau = b / v. Given d counts beside
these m, d is binomial of d + m with probability 1 / (1 + tau) if both have the same mean, whatever that mean is:
p = P(N >= d) = I_(1/(1+tau))(d, m + 1), exact for whole m and continued to others by the incomplete beta function
(R. Cousins, J. Linnemann and J. Tucker, arXiv:physics/0702156; the gamma-Poisson mixture is the same formula).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import betainc, betaln

__all__ = ["log_p_deficit_uncertain", "log_p_excess_uncertain", "uncertain_root"]

FloatArray = npt.NDArray[np.float64]

_TINY = 1e-280


def log_p_excess_uncertain(
    counts: FloatArray, expected: FloatArray, weight: FloatArray, *, full: bool = False
) -> FloatArray:
    """ln p of counts above an expectation counted with `weight` = variance / expectation > 0, else 0; arrays (...).

    With nothing counted p stays finite: (weight / (1 + weight))^d. `full`: of counts below the expectation too.
    """
    d, b, w = np.broadcast_arrays(counts, expected, weight)
    result = np.zeros(d.shape)
    some = (d > 0) if full else (d > b)
    d, m, w = d[some], b[some] / w[some], w[some]
    result[some] = _log_beta(d, m + 1, w / (1 + w))
    return result


def log_p_deficit_uncertain(
    counts: FloatArray, expected: FloatArray, weight: FloatArray, *, full: bool = False
) -> FloatArray:
    """ln p of counts below an expectation counted with `weight` = variance / expectation > 0, else 0; arrays (...).

    `full`: of counts above the expectation too.
    """
    d, b, w = np.broadcast_arrays(counts, expected, weight)
    result = np.zeros(d.shape)
    some = (b > 0) if full else (d < b)
    d, m, w = d[some], b[some] / w[some], w[some]
    result[some] = _log_beta(m, d + 1, 1 / (1 + w))
    return result


def uncertain_root(counts: FloatArray, expected: FloatArray, weight: FloatArray) -> FloatArray:
    """Signed root of the likelihood ratio of two counts with one mean (T.-P. Li and Y.-Q. Ma, ApJ 272 (1983) 317).

    For whole counts the p-value is at least the Gaussian tail beyond this value (A. Zubkov and A. Serov,
    Theory Probab. Appl. 57 (2013) 539).
    """
    m = expected / weight
    total = counts + m
    with np.errstate(divide="ignore", invalid="ignore"):
        on = np.where(counts > 0, counts * np.log(counts * (1 + weight) / (weight * total)), 0.0)
        off = np.where(m > 0, m * np.log(m * (1 + weight) / total), 0.0)
    return np.asarray(np.copysign(np.sqrt(np.maximum(2 * (on + off), 0.0)), counts - expected), dtype=np.float64)


def _log_beta(a: FloatArray, b: FloatArray, x: FloatArray) -> FloatArray:
    """ln I_x(a, b) for x below about a / (a + b), by its series as a logarithm where it would underflow."""
    p = betainc(a, b, x)
    logs = np.log(np.maximum(p, _TINY))
    far = np.flatnonzero(p <= _TINY)
    if len(far):
        a, b, x = a[far], b[far], x[far]
        total, term, step = np.ones_like(a), np.ones_like(a), 0
        while np.any(term > 1e-16 * total):
            term = term * x * (a + b + step) / (a + 1 + step)
            total += term
            step += 1
        logs[far] = a * np.log(x) + b * np.log1p(-x) - np.log(a) - betaln(a, b) + np.log(total)
    return np.minimum(logs, 0.0)
