"""Whether the ABCD method closes on a background: regions by cuts on two scores, and A against B C / D."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["ClosurePoint", "abcd_counts", "abcd_cuts", "closure_point"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClosurePoint:
    """A working point. A passes both cuts, B the first alone, C the second alone, D none.

    `efficiency` is what was asked for, `cuts` are the least scores that pass, `counts` (4,) the sums of weights in A,
    B, C, D and `variances` (4,) the sums of their squares, `events` (4,) how many events these are.
    """

    efficiency: float
    cuts: tuple[float, float]
    counts: FloatArray
    variances: FloatArray
    events: npt.NDArray[np.int64]

    @property
    def predicted(self) -> tuple[float, float]:
        """B C / D and its standard deviation to first order; NaN if one of the three is empty."""
        estimate = self._product([0, 1, 1, -1])
        return estimate, estimate * float(np.sqrt(self._relative[1:].sum()))

    @property
    def ratio(self) -> tuple[float, float]:
        """A D / (B C), 1 where the two scores are independent, and its standard deviation to first order."""
        ratio = self._product([1, -1, -1, 1])
        return ratio, ratio * float(np.sqrt(self._relative.sum()))

    @property
    def pull(self) -> float:
        """The logarithm of the ratio over its standard deviation, that of a log odds ratio."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.log(self.ratio[0]) / np.sqrt(self._relative.sum()))

    @property
    def _relative(self) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self.variances / self.counts**2)

    def _product(self, powers: Sequence[int]) -> float:
        counts = np.where(self.counts > 0, self.counts, np.nan)
        return float(np.prod(counts ** np.asarray(powers, dtype=np.float64)))


def abcd_cuts(x: FloatArray, y: FloatArray, weight: FloatArray, efficiency: float) -> tuple[float, float]:
    """Cuts on two scores (n,) that leave a fraction `efficiency` of the weight, as in the code of arXiv:2111.06417.

    The first leaves sqrt(efficiency) of all events, the second as much of those that pass the first.
    """
    part = float(np.sqrt(efficiency))
    first = _cut(x, weight, part)
    left = x >= first
    return first, _cut(y[left], weight[left], part)


def abcd_counts(
    x: FloatArray, y: FloatArray, weight: FloatArray, cuts: tuple[float, float], efficiency: float
) -> ClosurePoint:
    """The regions of events with scores (n,) and weights (n,) at given cuts."""
    region = 2 * (x < cuts[0]) + (y < cuts[1])
    counts, variances = (np.bincount(region, weights=weight**power, minlength=4).astype(np.float64) for power in (1, 2))
    return ClosurePoint(efficiency, cuts, counts, variances, np.bincount(region, minlength=4).astype(np.int64))


def closure_point(x: FloatArray, y: FloatArray, weight: FloatArray, efficiency: float) -> ClosurePoint:
    """The regions of a background at its own cuts of an efficiency."""
    return abcd_counts(x, y, weight, abcd_cuts(x, y, weight, efficiency), efficiency)


def _cut(values: FloatArray, weight: FloatArray, part: float) -> float:
    """The least value such that no more than a part of the weight is at or above it; infinite if there is none."""
    order = np.argsort(-values, kind="stable")
    ordered, above = values[order], np.cumsum(weight[order])
    last = np.append(ordered[1:] != ordered[:-1], True)[: len(ordered)]  # equal values pass together
    passing = np.flatnonzero(last & (above <= part * above[-1:] * (1 + 1e-12)))
    return float(ordered[passing[-1]]) if len(passing) else float("inf")
