"""Does a score depend on a mass? Distance correlation with a permutation test, and a hump around a window.

Distance correlation (Szekely, Rizzo, Bakirov, Ann. Statist. 35 (2007) 2769, arXiv:0803.4101) is 0 only for independent
numbers, whatever the dependence looks like, and at most 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from hepad.stats.scores.dependence_kernel import sum_over_pairs

__all__ = ["Dependence", "Hump", "dependence", "hump"]

FloatArray = npt.NDArray[np.float64]

MOST_EVENTS = 5_000
"""Of more, so many are drawn."""
_EQUAL = 1e-6
"""Weights that differ by less, relatively, are equal."""


@dataclass(frozen=True)
class Dependence:
    """The distance correlation of two numbers of `events`, and the share `p` of permutations with one as large."""

    events: int
    correlation: float
    p: float
    permutations: int


def dependence(
    x: FloatArray, y: FloatArray, weight: FloatArray | None = None, *, permutations: int = 199, seed: int = 0
) -> Dependence:
    """Of numbers (n,), by the V-statistic of their distances; 0 with p = 1 where either is always the same.

    At most 5 000 events are taken, drawn at random; of those of different `weight` (n,), above 0, each is kept with a
    probability in proportion to it, and none is there twice, which permutations would tear apart. p is (1 +
    permutations with as large a correlation) / (1 + permutations): no less than 0.005 with 199.
    """
    rng = np.random.default_rng(seed)
    taken = np.arange(len(x))
    if weight is not None and len(weight) and np.ptp(weight) > _EQUAL * weight.max():
        taken = np.flatnonzero(rng.random(len(x)) < weight / weight.max())
    if len(taken) > MOST_EVENTS:
        taken = rng.choice(taken, MOST_EVENTS, replace=False)
    a, b = _Distances.of(x[taken]), _Distances.of(y[taken])
    scale = np.sqrt(a.variance * b.variance)
    if not scale > 0:
        return Dependence(len(taken), 0.0, 1.0, permutations)
    order = np.argsort(a.values, kind="stable")
    found = _covariance(a, b, order, order)
    larger = 0
    for _ in range(permutations):
        larger += _covariance(a, b, order, rng.permutation(len(taken))) >= found * (1 - 1e-12)
    return Dependence(
        len(taken), float(np.sqrt(max(found / scale, 0.0))), (1 + larger) / (1 + permutations), permutations
    )


@dataclass(frozen=True)
class _Distances:
    """Standardised values (n,), their ranks from 1 on, the mean distance (n,) of each, and their distance variance."""

    values: FloatArray
    rank: npt.NDArray[np.int64]
    rows: FloatArray
    variance: float

    @classmethod
    def of(cls, numbers: FloatArray) -> _Distances:
        n = len(numbers)
        if n < 2 or not np.ptp(numbers) > 0:
            return cls(np.zeros(n), np.ones(n, dtype=np.int64), np.zeros(n), 0.0)
        values = (numbers - numbers.mean()) / numbers.std()
        order = np.argsort(values, kind="stable")
        rising = values[order]
        before = np.cumsum(rising) - rising
        place = np.arange(n)
        # Of the i-th: those before are smaller, those behind larger; all sum up to 0.
        sums = (2 * place + 2 - n) * rising - 2 * (before + rising)
        rows = np.empty(n)
        rows[order] = sums / n
        rank = np.empty(n, dtype=np.int64)
        rank[order] = np.searchsorted(rising, rising, side="left") + 1
        # The mean square of the distances is twice the variance of the values, which is 1.
        return cls(values, rank, rows, float(2.0 + rows.mean() ** 2 - 2 * (rows**2).mean()))


def _covariance(a: _Distances, b: _Distances, first: npt.NDArray[np.intp], second: npt.NDArray[np.intp]) -> float:
    """The squared distance covariance of a[first], which rise, and b[second]."""
    n = len(first)
    pairs = 2 * sum_over_pairs(a.values[first], b.values[second], b.rank[second]) / n**2
    product = float(a.rows.mean() * b.rows.mean())
    return float(pairs + product - 2 * (a.rows[first] * b.rows[second]).mean())


@dataclass(frozen=True)
class Hump:
    """How much of the sidebands is selected `near` the window and `far` from it, their `error`, and what that says.

    `z` are the standard deviations by which more is selected near the window, `p` the probability of as many or more:
    of a selection that does not know the window, or rises or falls along the mass, it is a normal number.
    """

    near: float
    far: float
    error: float
    z: float
    p: float


def hump(
    selected: npt.NDArray[np.bool_],
    mass: FloatArray,
    low: float,
    high: float,
    outer: tuple[float, float],
    *,
    weight: FloatArray | None = None,
) -> Hump | None:
    """Compare the halves of the sidebands, each side parted at its median; None unless each of the four has 10 events.

    Shares are those of the `weight` (n,), and their errors those of as many effective events.

    The mean over the sides is taken, so that a slope along the mass counts on one side as much as it lacks on the
    other. An excess around a window that has no resonance is made up; with one, its tails are in there.
    """
    shares = []
    ones = np.ones(len(mass)) if weight is None else weight
    for inside, sign in (((mass >= outer[0]) & (mass < low), -1), ((mass >= high) & (mass < outer[1]), 1)):
        own, chosen, weights = sign * mass[inside], selected[inside], ones[inside]
        if len(own) < 2 * _FEWEST:
            return None
        near = own <= np.median(own)
        for part in (near, ~near):
            if np.count_nonzero(part) < _FEWEST:
                return None
            total = weights[part].sum()
            n = total**2 / (weights[part] ** 2).sum()
            share = weights[part & chosen].sum() / total
            shares.append((share, max(share * (1 - share), 1 / n) / n))
    values, variances = np.array(shares).T
    near_share, far_share = values[[0, 2]].mean(), values[[1, 3]].mean()
    error = float(np.sqrt(variances.sum()) / 2)
    z = float((near_share - far_share) / error)
    return Hump(float(near_share), float(far_share), error, z, float(ndtr(-z)))


_FEWEST = 10
"""Events of each half of a sideband."""
