"""Two triggers at exactly the same rate: what both accept, what one accepts alone, and what they give together.

A threshold cannot part events of equal score, and a score that counts something has many. So of the events at the
threshold a trigger keeps a fraction, as if these were prescaled: then its rate is just what is wanted. Such fractions
of two triggers are taken as independent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.stats.scores.acceptance import Acceptance, Sums, weighted_acceptance
from hepad.trigger.counting import Decisions, expected_sums
from hepad.trigger.rates import sums_of

__all__ = ["PARTS", "Candidates", "Cut", "Difference", "Pair", "PairCounts", "Reached", "shared_fraction"]

Floats = npt.NDArray[np.float64]
Reached = tuple[Floats, Floats]
"""Falling scores (k,) and the fraction (k,) of events with that or a higher one: `hepad.trigger.rates.Tail.reached`."""

PARTS = ("first", "second", "both", "first_only", "second_only", "either", "shared")
"""What is counted of a pair; `shared` is accepted by either at the lower rate at which both together have the rate."""
_DIFFERENCES = (("first", "second"), ("shared", "first"), ("shared", "second"))
_STEPS = 60


@dataclass(frozen=True)
class Cut:
    """Events above the threshold are kept, of those at it a share: a fraction of all events in total."""

    threshold: float
    share: float

    @classmethod
    def of(cls, reach: Reached, fraction: float) -> Cut:
        """The cut that keeps a fraction of the events of a tail, by its `reached`; at most all that have a score."""
        values, reached = reach
        place = min(int(np.searchsorted(np.maximum.accumulate(reached), fraction)), len(values) - 1)
        before = reached[place - 1] if place else 0.0
        share = (fraction - before) / (reached[place] - before)
        return cls(float(values[place]), float(min(max(share, 0.0), 1.0)))

    def keeps(self, scores: npt.NDArray[np.float32]) -> Floats:
        """The probability (n,) that each event is kept, of scores (n,), NaN for none."""
        wide = scores.astype(np.float64)
        return np.where(wide > self.threshold, 1.0, np.where(wide == self.threshold, self.share, 0.0))


@dataclass(frozen=True)
class Pair:
    """The cuts of two triggers at a rate, and (`shared`) at that of each at which together they have it.

    `low` and `high` are the cuts at the ends of the interval that the rate is known to by the events they are set on.
    """

    at: tuple[Cut, Cut]
    low: tuple[Cut, Cut]
    high: tuple[Cut, Cut]
    shared: tuple[Cut, Cut]


class Candidates:
    """The zero-bias events that a trigger of a pair accepts at a rate: all that it takes to lower the rate of both."""

    def __init__(self, at: tuple[Cut, Cut], columns: tuple[int, int]) -> None:
        self._at, self._columns = at, columns
        self._kept: list[tuple[npt.NDArray[np.float32], Floats]] = []
        self._total = 0.0

    def add(self, part: Decisions) -> None:
        """Take more events."""
        scores = part.scores[:, self._columns]
        kept = np.logical_or(*(cut.keeps(scores[:, i]) > 0 for i, cut in enumerate(self._at)))
        self._kept.append((scores[kept], part.weights[kept]))
        self._total += float(part.weights.sum())

    def together(self) -> Callable[[tuple[Cut, Cut]], float]:
        """The fraction of all events that either of two cuts accepts, none lower than those given."""
        scores, weights = (np.concatenate(column) for column in zip(*self._kept, strict=True))

        def fraction(cuts: tuple[Cut, Cut]) -> float:
            first, second = (cut.keeps(scores[:, i]) for i, cut in enumerate(cuts))
            return float(weights @ (1 - (1 - first) * (1 - second))) / self._total

        return fraction


def shared_fraction(reached: tuple[Reached, Reached], candidates: Candidates, fraction: float) -> float:
    """The fraction that each of two triggers may keep for both together to keep a fraction of all events.

    From half of it, if no event is common, to all of it, if they are the same.
    """
    together = candidates.together()
    low, high = fraction / 2, fraction
    for _ in range(_STEPS):
        middle = (low + high) / 2
        first, second = (Cut.of(reach, middle) for reach in reached)
        low, high = (middle, high) if together((first, second)) <= fraction else (low, middle)
    return low


@dataclass(frozen=True)
class Difference:
    """A difference of two fractions of the same events, and its standard error, in which what is common cancels."""

    value: float
    error: float


class PairCounts:
    """Counts what a pair of triggers does with events, chunk by chunk."""

    def __init__(self, pair: Pair, columns: tuple[int, int]) -> None:
        self._pair, self._columns = pair, columns
        self.total = Sums(0, 0.0, 0.0, 0.0)
        self._moments = np.zeros((3, len(PARTS)))
        self._differences = np.zeros((3, len(_DIFFERENCES)))
        self._ends = np.zeros((2, 2))

    def add(self, part: Decisions) -> None:
        """Count more events."""
        scores, w = part.scores[:, self._columns], part.weights
        first, second = _kept(self._pair.at, scores)
        looser = _kept(self._pair.shared, scores)
        both = first * second
        shared = 1 - (1 - looser[0]) * (1 - looser[1])
        columns = (first, second, both, first - both, second - both, first + second - both, shared)
        found = np.stack(columns, axis=1)
        self.total += sums_of(w)
        weighted = found * w[:, None]
        self._moments += np.stack([(found > 0).sum(axis=0), weighted.sum(axis=0), np.square(weighted).sum(axis=0)])
        for i, (one, other) in enumerate(_DIFFERENCES):
            d = found[:, PARTS.index(one)] - found[:, PARTS.index(other)]
            self._differences[:, i] += (w @ d, np.square(w) @ d, np.square(w) @ np.square(d))
        for i, cuts in enumerate((self._pair.low, self._pair.high)):
            self._ends[i] += [w @ kept for kept in _kept(cuts, scores)]

    def sums(self, part: str) -> Sums:
        """The sums of the events of one of `PARTS`."""
        return expected_sums(self._moments[:, PARTS.index(part)], self.total)

    def fraction(self, part: str) -> Acceptance:
        """The fraction of all events that one of `PARTS` is."""
        return weighted_acceptance(self.sums(part), self.total)

    def difference(self, one: str, other: str) -> Difference:
        """That of the fractions of two parts: first and second, shared and first, or shared and second."""
        total = self.total
        w_d, w2_d, w2_d2 = self._differences[:, _DIFFERENCES.index((one, other))]
        value = w_d / total.weight
        variance = w2_d2 - 2 * value * w2_d + value**2 * total.weight2
        return Difference(float(value), float(np.sqrt(max(variance, 0.0)) / total.weight))

    def threshold_errors(self) -> tuple[float, float]:
        """What each fraction changes by as its threshold moves by its uncertainty: half the distance of the ends."""
        low, high = self._ends / self.total.weight
        return float((high[0] - low[0]) / 2), float((high[1] - low[1]) / 2)


def _kept(cuts: tuple[Cut, Cut], scores: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    return cuts[0].keeps(scores[:, 0]), cuts[1].keeps(scores[:, 1])
