"""Has a distribution shifted between two samples? A calibrated test of any kind of number, and many such tests at once.

The distance is Kolmogorov and Smirnov's, the largest difference of the cumulative distributions, between at most 64
bins of about as many events of both samples together. Those are made without a look at which event is of which sample,
so that the numbers of one sample in the bins are a multivariate hypergeometric choice if nothing has shifted: ties, as
of multiplicities or of objects that are missing, need no approximation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Shift", "adjusted", "binned", "shift"]

_BINS = 64
_SAME = 1 - 1e-9
_BLOCK = 2048

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """`distance` from 0 to 1, and the probability of one as large between two samples of one distribution."""

    distance: float
    p_value: float


def shift(reference: npt.ArrayLike, other: npt.ArrayLike, *, toys: int, seed: int) -> Shift:
    """The shift of `other` (m,) against `reference` (n,), by `toys` random relabellings.

    If none of them comes as far, Kolmogorov's asymptotic formula, which with bins and ties is too large rather than too
    small, takes the place where it is smaller. `ValueError` without events of both.
    """
    one, two = (np.asarray(values, dtype=np.float64) for values in (reference, other))
    if not len(one) or not len(two):
        raise ValueError("a shift needs events of both samples")
    edges = binned(np.concatenate([one, two]))
    total, chosen = _counts(one, edges) + _counts(two, edges), len(two)
    distance = float(_distances(_counts(two, edges)[None], total, chosen)[0])
    if distance == 0:
        return Shift(0.0, 1.0)
    rng, reached = np.random.default_rng(seed), 0
    for start in range(0, toys, _BLOCK):
        size = min(_BLOCK, toys - start)
        drawn = rng.multivariate_hypergeometric(total, chosen, size=size, method="marginals")
        reached += int((_distances(drawn, total, chosen) >= distance * _SAME).sum())
    p_value = (1 + reached) / (1 + toys)
    return Shift(distance, p_value if reached else min(p_value, _asymptotic(distance, len(one), chosen)))


def binned(values: Floats) -> Floats:
    """Lower edges of bins of about equal numbers of the values (n,); a value that many have gets a bin of its own."""
    distinct = np.unique(values)
    if len(distinct) <= _BINS:
        return distinct
    return np.unique(np.quantile(values, np.arange(_BINS) / _BINS, method="lower"))


def adjusted(p_values: npt.ArrayLike) -> Floats:
    """Holm's p-values of many tests (k,): below a level for any test that is true with at most that probability."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    found = np.empty(len(p))
    found[order] = np.minimum(steps, 1.0)
    return found


def _counts(values: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    place = np.searchsorted(edges, values, side="right") - 1
    return np.bincount(place, minlength=len(edges))


def _distances(drawn: npt.NDArray[Any], total: npt.NDArray[np.int64], chosen: int) -> Floats:
    """Largest differences of the cumulative shares of the drawn (toys, bins) and of the rest."""
    rest = int(total.sum()) - chosen
    share = np.cumsum(drawn, axis=1) / chosen
    return np.asarray(np.abs(share - (np.cumsum(total) - share * chosen) / rest).max(axis=1))


def _asymptotic(distance: float, one: int, two: int) -> float:
    from scipy.stats import kstwobign

    return float(kstwobign.sf(distance * math.sqrt(one * two / (one + two))))
