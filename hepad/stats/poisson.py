"""Poisson tail probabilities as logarithms, so that a huge bump does not underflow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numpy.polynomial import polynomial
from scipy.special import gammainc, gammaln, log_ndtr, ndtri_exp

__all__ = ["log_p_excess", "signed_root", "significance"]

FloatArray = npt.NDArray[np.float64]

_TINY = 1e-280
_LARGE = 1e4
"""From this count on Temme's expansion is used: scipy's series stops early, 0.1 % off for 5 sigma of 3 million."""

# Taylor coefficients of Temme's c0 to c2 in eta (DiDonato and Morris, ACM TOMS 12 (1986) 377, table I).
_TEMME = (
    (-1 / 3, 1 / 12, -2 / 135, 1 / 864, 1 / 2835, -139 / 777600, 1 / 25515, -571 / 261273600, -281 / 151559100,
     8.29671134095308601e-7, -1.76659527368260793e-7, 6.70785354340149858e-9, 1.02618097842403080e-8),
    (-1 / 540, -1 / 288, 1 / 378, -77 / 77760, 1 / 4860, -4.0187757201646090e-7, -1.8098550334489978e-5,
     7.6491609160811101e-6, -1.6120900894563446e-6, 4.6471278028074343e-9, 1.3786334469157210e-7),
    (25 / 6048, -139 / 51840, 1 / 1296, 2.00938786008230453e-6, -1.07366532263651605e-4, 5.29234488291201254e-5,
     -1.27606351886187277e-5, 3.42357873409613807e-8, 1.37219573090629332e-6),
)  # fmt: skip


def log_p_excess(counts: npt.ArrayLike, expected: npt.ArrayLike) -> FloatArray:
    """ln P(N >= counts | expected) where counts exceed the expectation, else 0; arrays (...) that broadcast.

    The probability is the regularised lower incomplete gamma function (arXiv:1101.0390), which also continues it to
    the non-integer counts of weighted spectra. Large counts use Temme's uniform expansion of it, and probabilities
    below 1e-280 its power series, both as logarithms.
    """
    d, b = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    result = np.zeros(d.shape)
    excess = d > b
    result[excess] = np.minimum(_log_tail(d[excess], b[excess]), 0.0)
    return result


def significance(log_p: float) -> float | None:
    """One-sided Gaussian significance of exp(log_p); None where p is 1 and no significance exists."""
    return None if log_p >= 0 else float(-ndtri_exp(log_p))


def signed_root(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Signed root of the Poisson deviance of single counts, for counts and expected > 0 of shapes that broadcast.

    For integer counts above the expectation, P(N >= counts) is at least the Gaussian tail beyond this value
    (M. Short, Improved inequalities for the Poisson and binomial distribution, ISRN Prob. Stat. 2013, 412958).
    """
    excess = counts - expected
    with np.errstate(divide="ignore", invalid="ignore"):
        # log1p keeps the small differences of large counts.
        term = np.where(counts > 0, counts * np.log1p(excess / expected), 0.0)
    term -= excess
    root = np.sqrt(np.maximum(2.0 * term, 0.0))
    return np.asarray(np.copysign(root, excess), dtype=np.float64)


def _log_tail(d: FloatArray, b: FloatArray) -> FloatArray:
    """The logarithm of the lower incomplete gamma function for b < d, both (n,)."""
    logs = np.empty_like(d)
    temme = (d >= _LARGE) & (b > 0.4 * d)
    logs[temme] = _log_temme(d[temme], b[temme])
    rest = np.flatnonzero(~temme)
    p = gammainc(d[rest], b[rest])
    logs[rest] = np.log(np.maximum(p, _TINY))
    far = rest[p <= _TINY]
    if len(far):
        logs[far] = _log_series(d[far], b[far])
    return logs


def _log_temme(d: FloatArray, b: FloatArray) -> FloatArray:
    """Gaussian tail of the signed root of the deviance, and its correction to third order in 1/d."""
    shift = (b - d) / d
    half = np.maximum(shift - np.log1p(shift), 0.0)  # eta^2 / 2
    eta = -np.sqrt(2 * half)
    correction = sum(polynomial.polyval(eta, c) / d**k for k, c in enumerate(_TEMME))
    gaussian = log_ndtr(eta * np.sqrt(d))
    size = np.exp(-d * half - 0.5 * np.log(2 * np.pi * d) - gaussian)
    return np.asarray(gaussian + np.log1p(-size * correction), dtype=np.float64)


def _log_series(d: FloatArray, b: FloatArray) -> FloatArray:
    """ln of e^-b b^d / d! (1 + b/(d+1) + b^2/((d+1)(d+2)) + ...), for b < d."""
    with np.errstate(divide="ignore"):
        leading = d * np.log(b) - b - gammaln(d + 1)
    total = np.ones_like(d)
    term = np.ones_like(d)
    step = 0
    while np.any(term > 1e-16 * total):
        step += 1
        term = term * b / (d + step)
        total += term
    return np.asarray(leading + np.log(total), dtype=np.float64)
