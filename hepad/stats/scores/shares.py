"""Which part of a sum each of its terms carries, over a sample of events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = ["event_shares", "mean_shares"]

Floats = npt.NDArray[np.float64]


def event_shares(parts: npt.ArrayLike) -> Floats:
    """The share of each term in the sum of its row: (n, k) numbers, none negative, to (n, k) shares that sum to 1.

    A row of zeros has shares of 0. `ValueError` for another shape, negative numbers or numbers that are not finite.
    """
    values = _checked(parts)
    largest = values.max(axis=1, keepdims=True, initial=0.0)
    scaled = np.divide(values, largest, out=np.zeros_like(values), where=largest > 0)  # a sum of these cannot overflow
    total = scaled.sum(axis=1, keepdims=True)
    shares: Floats = np.divide(scaled, total, out=np.zeros_like(scaled), where=total > 0)
    return shares


def mean_shares(parts: npt.ArrayLike, weight: npt.ArrayLike | None = None) -> tuple[Floats, Floats]:
    """The share of each term in the sum over all events, and its standard error; arrays of shape (k,).

    `parts` of shape (n, k) and `weight` of shape (n,), 1 if not given. This is the ratio of the weighted sums, so
    events of large sums count for more than others; the mean of `event_shares` counts all alike. The error is that
    of a ratio of sums to first order, sqrt(sum w^2 (p_k - share_k p)^2) / sum w p, with p the sum of an event
    (W. G. Cochran, Sampling Techniques, 1977, section 2.11): the bootstrap gives the same at more cost.
    `InputDataError` if the weighted sum is not more than 0; `ValueError` as in `event_shares` or for weights of another
    shape.
    """
    values = _checked(parts)
    weights = np.ones(len(values)) if weight is None else np.asarray(weight, dtype=np.float64)
    if weights.shape != (len(values),):
        raise ValueError(f"weights must have shape ({len(values)},), got {weights.shape}")
    whole = values.sum(axis=1)
    total = float(weights @ whole)
    if not (np.isfinite(total) and total > 0):
        raise InputDataError(f"the weighted sum over {len(values)} events is {total:g}: it has no shares")
    share: Floats = weights @ values / total
    residual = values - whole[:, np.newaxis] * share
    error: Floats = np.sqrt(np.square(weights) @ np.square(residual)) / total
    return share, error


def _checked(parts: npt.ArrayLike) -> Floats:
    values = np.asarray(parts, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all() or (values < 0).any():
        raise ValueError(f"parts must be finite, not negative and of shape (n, k), got shape {values.shape}")
    return values
