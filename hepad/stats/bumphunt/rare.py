"""A global p-value for bumps that no pseudo-experiment reaches, by importance sampling.

Pseudo-experiments are thrown with a signal in a window chosen at random, as strong as the bump that was observed, and
each that has as large a bump counts with how much rarer it would be without any signal: 1 / sum_k a_k L_k, where L_k is
the likelihood ratio of signal in window k to background alone and a_k how often k is chosen. Their mean is the
probability of such a bump in background alone, without bias and whatever the windows share (S. Asmussen and P. Glynn,
Stochastic Simulation, 2007, section VI.1; D. Naiman and C. Priebe, J. Comput. Graph. Stat. 10 (2001) 296, for scans).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import lambertw, logsumexp, ndtri_exp

from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import CountedNull, Null, RefittedNull
from hepad.stats.bumphunt.scan import fisher

__all__ = ["rare_p"]

FloatArray = npt.NDArray[np.float64]

_RARE = 3.0
_MOST = 0.02
"""Neither a local significance below the one nor a global p-value above the other is worth this: plain
pseudo-experiments do better."""
_TOYS = 2000
_SEED = 0x6776
"""Mixed into the seed, so that other pseudo-experiments are used."""
_BLOCK_NUMBERS = 2_000_000
_MOST_NUMBERS = 20_000_000
"""Numbers of all signals in all bins: bounds the memory to some 300 MB."""
_LEAST_RATIO = 0.02
"""Background is not reduced further than to this, so that counts above zero stay possible."""
_BACKGROUND = 0.1
"""The share of pseudo-experiments without a signal: none can count more than ten times."""
_LEAST_FOUND = 20
"""Pseudo-experiments that must have as large a bump for their mean to have an error."""


def rare_p(null: Null, log_p: float, *, seed: int, toys: int = _TOYS) -> tuple[float, float] | None:
    """The global p-value of a bump of local ln p, and its statistical error.

    None for a bump that is not rare, below three sigma or with a global p-value above 2 %, where it is too small for a
    floating-point number, and where too few pseudo-experiments have such a bump even with the signal.
    """
    if not log_p < 0 or -float(ndtri_exp(log_p)) < _RARE:
        return None
    rng = np.random.default_rng([seed, _SEED])
    means = null.means()
    ratios, shares = _signals(null, means, log_p, rng)
    # One random place in each of as many equal stretches of the shares: all windows have their turn.
    stretches = (np.arange(toys) + rng.random()) / toys
    chosen = np.searchsorted(np.cumsum(shares)[:-1], stretches)
    logs, constants = np.log(ratios).T, (ratios - 1) @ means.ravel()
    found = np.full(toys, -np.inf)
    block = max(1, _BLOCK_NUMBERS // (len(ratios) + means.size))
    for start in range(0, toys, block):
        counts = rng.poisson(ratios[chosen[start : start + block]] * means.ravel())
        t = null.of(counts.reshape(-1, *means.shape))
        above = np.flatnonzero(~(t < -log_p - 1e-7 * (1 - log_p)))  # a fit that failed counts: on the safe side
        found[start + above] = -logsumexp(counts[above] @ logs - constants, b=shares, axis=1)
    if np.count_nonzero(np.isfinite(found)) < _LEAST_FOUND:
        return None
    weights = np.exp(found - found.max())
    scale = float(np.exp(found.max()))
    p, error = scale * float(weights.mean()), scale * float(weights.std(ddof=1) / np.sqrt(toys))
    return (p, error) if 0 < p <= _MOST else None


def _signals(null: Null, means: FloatArray, log_p: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """By what signals multiply the means (signals, numbers), and how often each is thrown (signals,).

    The first is none. The others lie in one window each.
    """
    in_window, window = _in_windows(null, means, log_p)
    layout = null.layout
    # Narrow windows share less with one another than wide ones do: so many are independent.
    shares = np.prod(1.0 / (layout.last - layout.first) ** 2, axis=0)[window]
    most = max(_MOST_NUMBERS // means.size, 1)
    if len(window) > most:  # the others are like those that are kept
        kept = rng.choice(len(window), size=most, replace=False, p=shares / shares.sum())
        in_window, window, shares = in_window[kept], window[kept], shares[kept]
    inside = _bins_of(layout, window)[:, None, :]
    ratios = np.where(inside, in_window[:, :, None], 1.0)
    if isinstance(null, RefittedNull):
        ratios = _left_by_fits(null, means, inside, in_window)
    ratios = np.concatenate([np.ones((1, means.size)), ratios.reshape(-1, means.size)])
    return ratios, np.concatenate([[_BACKGROUND], (1 - _BACKGROUND) * shares / shares.sum()])


def _in_windows(null: Null, means: FloatArray, log_p: float) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """By what signals multiply the means in their windows (signals, rows), and which windows (signals,)."""
    sums = null.layout.sums(means)
    counted = isinstance(null, CountedNull)
    channels = len(means) // 2 if counted else len(means)
    data = sums[:channels]
    # Data and reference, both Poisson, share the squared significance by what one event of the reference weighs.
    weight = np.divide(data, sums[channels:], out=np.zeros_like(data), where=sums[channels:] > 0) if counted else 0.0
    ratios, windows = [], []
    for sign in null.options.signs:
        for squares in _squares(log_p, channels):
            square = np.broadcast_to(squares[:, None], data.shape)
            rows = [_ratio(data, square / (1 + weight), sign)]
            if counted:
                rows.append(_ratio(sums[channels:], square * weight / (1 + weight), -sign))
            there = (data > 0) if sign > 0 else (2.2 * data > square)  # a deficit needs events that can be missing
            windows.append(np.flatnonzero(np.any(there & (square > 0), axis=0)))
            ratios.append(np.concatenate(rows)[:, windows[-1]].T)
    return np.concatenate(ratios), np.concatenate(windows)


def _left_by_fits(
    null: RefittedNull, means: FloatArray, inside: npt.NDArray[np.bool_], in_window: FloatArray
) -> FloatArray:
    """Ratios (signals, rows, bins) of the likeliest counts in which fits leave the excess that is wanted.

    For small signals a fit to the means plus Sigma a, with a = 1_w - Sigma^-1 C 1_w, stays as it was: C is the
    covariance of the fitted expectation and Sigma that of the counts.
    """
    absorbed = np.einsum("cij,scj->sci", null.fitted_covariance, np.broadcast_to(inside, (len(inside), *means.shape)))
    left = inside - absorbed / np.maximum(means, np.finfo(float).tiny)
    wanted = (in_window - 1) * (inside * means).sum(axis=-1)
    given = np.maximum((inside * left * means).sum(axis=-1), 1e-3 * (inside * means).sum(axis=-1))
    shift = np.divide(wanted, given, out=np.zeros_like(wanted), where=given > 0)
    return np.asarray(np.maximum(1 + shift[:, :, None] * left, _LEAST_RATIO), dtype=np.float64)


def _squares(log_p: float, channels: int) -> list[FloatArray]:
    """Squared significances (channels,) that give a combined ln p: shared by all channels, and in each alone."""
    if channels == 1:
        return [np.array([float(ndtri_exp(log_p)) ** 2])]
    from scipy.optimize import brentq

    total = brentq(lambda x: float(fisher(np.array(x), channels)) - log_p, 10 * log_p - 100.0, 0.0)
    alone = min(total + channels - 1, -1.0)  # the others, without signal, have a ln p of -1 on average
    shared = np.full(channels, float(ndtri_exp(total / channels)) ** 2)
    return [shared, *(np.eye(channels) * float(ndtri_exp(alone)) ** 2)]


def _ratio(means: FloatArray, square: FloatArray, sign: int) -> FloatArray:
    """The factor r on means (...) that makes the likelihood ratio 2 means (r ln r - r + 1) equal to a square (...)."""
    half = np.maximum(np.divide(square, 2 * means, out=np.zeros_like(means), where=means > 0), 1e-12)
    argument = (half - 1 if sign > 0 else np.minimum(half - 1, -1e-12)) / math.e
    branch: npt.NDArray[np.int64] = np.full(means.shape, 0 if sign > 0 else -1)
    ratio = np.exp(1 + lambertw(argument, branch).real)
    return np.asarray(np.where(means > 0, np.maximum(ratio, _LEAST_RATIO), 1.0), dtype=np.float64)


def _bins_of(layout: Layout, window: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    """Which bins (T, bins) are in windows (T,)."""
    axes = [
        np.asarray((np.arange(size) >= first[window, None]) & (np.arange(size) < last[window, None]), dtype=np.bool_)
        for size, first, last in zip(layout.shape, layout.first, layout.last, strict=True)
    ]
    return axes[0] if len(axes) == 1 else (axes[0][:, :, None] & axes[1][:, None, :]).reshape(len(window), -1)
