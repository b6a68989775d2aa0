"""Poisson tail probabilities as logarithms, so that a huge bump does not underflow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.polynomial import polynomial
from scipy.special import gammainc, gammaincc, gammaln, log_ndtr, ndtri_exp, xlogy

__all__ = [
    "log_p_deficit",
    "log_p_excess",
    "log_tail_above",
    "log_tail_below",
    "on_off_root",
    "signed_root",
    "significance",
]

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
    d, b = np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    return _where(d > b, log_tail_above, d, b)


def log_p_deficit(counts: npt.ArrayLike, expected: npt.ArrayLike) -> FloatArray:
    """ln P(N <= counts | expected) where counts fall short of the expectation, else 0; arrays (...) that broadcast.

    The probability is the regularised upper incomplete gamma function of counts + 1.
    """
    d, b = np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    return _where(d < b, log_tail_below, d, b)


def log_tail_above(counts: npt.ArrayLike, expected: npt.ArrayLike) -> FloatArray:
    """ln P(N >= counts | expected) on both sides of the expectation; 0 for no counts, -inf if nothing is expected."""
    d, b = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    result = np.zeros(d.shape)
    some = d > 0
    result[some] = np.minimum(_log_tail(d[some], b[some], above=True), 0.0)
    return result


def log_tail_below(counts: npt.ArrayLike, expected: npt.ArrayLike) -> FloatArray:
    """ln P(N <= counts | expected) on both sides of the expectation; 0 if nothing is expected."""
    d, b = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(expected, dtype=np.float64))
    result = np.zeros(d.shape)
    some = b > 0
    result[some] = np.minimum(_log_tail(d[some] + 1, b[some], above=False), 0.0)
    return result


def _where(chosen: npt.NDArray[np.bool_], tail: Any, d: FloatArray, b: FloatArray) -> FloatArray:
    d, b, chosen = np.broadcast_arrays(d, b, chosen)
    result = np.zeros(chosen.shape)
    result[chosen] = tail(d[chosen], b[chosen])
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


def on_off_root(counts: FloatArray, reference: FloatArray, variances: FloatArray) -> FloatArray:
    """Signed root of the deviance of counts against a counted reference, of equal shapes; 0 where both are empty.

    Equation 17 of Li and Ma, Astrophys. J. 272 (1983) 317, for reference^2 / variance events that stand for
    reference / variance times the exposure; a bin without reference has the exposure of all bins together.
    """
    total = float(variances.sum())
    common = float(reference.sum()) / total if total > 0 else 1.0
    exposure = np.full(np.shape(reference), common)
    np.divide(reference, variances, out=exposure, where=(variances > 0) & (reference > 0))
    events = reference * exposure
    both = counts + events
    share = np.where(both > 0, both / (1 + exposure), 1.0)
    term = xlogy(counts, np.where(counts > 0, counts, 1.0) / share)
    term += xlogy(events, np.where(events > 0, events, 1.0) / (exposure * share))
    return np.asarray(np.copysign(np.sqrt(np.maximum(2 * term, 0.0)), counts - reference), dtype=np.float64)


def _log_tail(a: FloatArray, b: FloatArray, *, above: bool) -> FloatArray:
    """The logarithm of the lower (above) or upper incomplete gamma function of a > 0 and b, both (n,)."""
    logs = np.empty_like(a)
    temme = (a >= _LARGE) & (b > 0.4 * a) & (b < 2.5 * a)
    logs[temme] = _log_temme(a[temme], b[temme], above=above)
    rest = np.flatnonzero(~temme)
    p = (gammainc if above else gammaincc)(a[rest], b[rest])
    logs[rest] = np.log(np.maximum(p, _TINY))
    far = rest[p <= _TINY]
    if len(far):
        logs[far] = (_log_series_above if above else _log_series_below)(a[far], b[far])
    return logs


def _log_temme(a: FloatArray, b: FloatArray, *, above: bool) -> FloatArray:
    """Gaussian tail of the signed root of the deviance, and its correction to third order in 1/a."""
    shift = (b - a) / a
    half = np.maximum(shift - np.log1p(shift), 0.0)  # eta^2 / 2
    eta = np.copysign(np.sqrt(2 * half), shift)
    correction = sum(polynomial.polyval(eta, c) / a**k for k, c in enumerate(_TEMME))
    sign = 1.0 if above else -1.0
    gaussian = log_ndtr(sign * eta * np.sqrt(a))
    size = np.exp(-a * half - 0.5 * np.log(2 * np.pi * a) - gaussian)
    return np.asarray(gaussian + np.log1p(-sign * size * correction), dtype=np.float64)


def _log_series_above(d: FloatArray, b: FloatArray) -> FloatArray:
    """ln of e^-b b^d / d! (1 + b/(d+1) + b^2/((d+1)(d+2)) + ...), for b < d."""
    return _log_series(d, b, lambda step: b / (d + step))


def _log_series_below(a: FloatArray, b: FloatArray) -> FloatArray:
    """ln of e^-b b^d / d! (1 + d/b + d(d-1)/b^2 + ...), for d = a - 1 < b; exact for whole counts."""
    return _log_series(a - 1, b, lambda step: np.maximum(a - step, 0.0) / b)


def _log_series(d: FloatArray, b: FloatArray, ratio: Callable[[int], FloatArray]) -> FloatArray:
    with np.errstate(divide="ignore"):
        leading = np.where(d > 0, d * np.log(b), 0.0) - b - gammaln(d + 1)
    total = np.ones_like(d)
    term = np.ones_like(d)
    step = 0
    while np.any(term > 1e-16 * total):
        step += 1
        term = term * ratio(step)
        total += term
    return np.asarray(leading + np.log(total), dtype=np.float64)
