"""Rates of a trigger: crossings a second, intervals of counted crossings, thresholds of streams of scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from hepad.stats.scores.acceptance import Acceptance, Sums, weighted_acceptance
from hepad.stats.scores.regions import Quantiles, background_quantiles

__all__ = ["BUNCHES", "FEW", "Crossings", "Rate", "Tail", "moments", "sums_of", "survival"]

Floats = npt.NDArray[np.float64]

ORBITS_KHZ = 11.2456
"""How often a bunch goes round the LHC: 299 792 458 m/s in 26 658.883 m."""
BUNCHES = 2544
"""Colliding bunches of a filling for which CMS quotes rates: 28.61 MHz."""
FEW = 10
"""A rate that rests on fewer crossings is marked."""


@dataclass(frozen=True)
class Crossings:
    """The crossings of filled bunches a second; or, with `input_khz`, what else events come from at that rate."""

    bunches: int = BUNCHES
    input_khz: float | None = None

    @property
    def khz(self) -> float:
        """Their rate."""
        return self.bunches * ORBITS_KHZ if self.input_khz is None else self.input_khz


@dataclass(frozen=True)
class Rate:
    """A rate in kHz with its 68.3 % interval and the one-sided upper bound at 95 %; `events` are what it rests on.

    `few`: whether these are so few crossings that it says little.
    """

    khz: float
    low_khz: float
    high_khz: float
    upper_95_khz: float
    events: int
    few: bool

    @classmethod
    def of(cls, passed: Sums, total: Sums, crossings: Crossings) -> Rate:
        """The rate of a trigger that so many of the crossings pass; the intervals are those of `weighted_acceptance`.

        `ValueError` if the weights of all do not sum to more than zero.
        """
        return cls.scaled(weighted_acceptance(passed, total), crossings.khz)

    @classmethod
    def scaled(cls, part: Acceptance, khz: float) -> Rate:
        """The rate of a fraction of what comes at a rate."""
        return cls(
            part.value * khz, part.low * khz, part.high * khz, part.upper_95 * khz, part.events, part.events < FEW
        )

    def prescaled(self, prescale: float) -> Rate:
        """The rate of one in `prescale`; none for 0."""
        by = 1 / prescale if prescale else 0.0
        return Rate(self.khz * by, self.low_khz * by, self.high_khz * by, self.upper_95_khz * by, self.events, self.few)


@dataclass
class Tail:
    """The highest scores of a stream, in bounded memory: thresholds at small rates are set on them, exactly.

    An event with a score of NaN (a model that was not asked) counts as one below all others.
    """

    capacity: int = 1_000_000
    _scores: npt.NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32), init=False)
    _weights: Floats = field(default_factory=lambda: np.empty(0), init=False)
    _total: Sums = field(default_factory=lambda: Sums(0, 0.0, 0.0), init=False)
    _dropped: float = field(default=-math.inf, init=False)

    def add(self, scores: npt.NDArray[np.float32], weights: Floats, among: npt.NDArray[np.bool_] | None = None) -> None:
        """Take more events: scores (n,), weights (n,); only those of the mask `among` can be in the tail."""
        self._total += sums_of(weights)
        kept = ~np.isnan(scores) if among is None else among & ~np.isnan(scores)
        self._scores = np.concatenate([self._scores, scores[kept]])
        self._weights = np.concatenate([self._weights, weights[kept]])
        if len(self._scores) > 2 * self.capacity:
            self._prune()

    def table(self) -> Quantiles | None:
        """The quantile table over all events that came; None if none of them has a score."""
        if len(self._scores) > self.capacity:
            self._prune()
        known = self._scores > self._dropped  # of the lowest kept some with that score may have gone
        if not known.any():
            return None
        return background_quantiles(
            self._scores[known], self._weights[known], below=self._total - sums_of(self._weights[known])
        )

    def reached(self) -> tuple[Floats, Floats]:
        """Falling scores (k,), each once, and the fraction (k,) of all events that came with that or a higher one.

        Both are of length 0 if none has a score; unlike in `table`, none that is kept is left out.
        """
        if len(self._scores) > self.capacity:
            self._prune()
        known = self._scores > self._dropped
        order = np.argsort(-self._scores[known].astype(np.float64), kind="stable")
        values = self._scores[known][order].astype(np.float64)
        last = np.flatnonzero(np.append(values[1:] != values[:-1], True)) if len(values) else np.empty(0, np.int64)
        return values[last], np.cumsum(self._weights[known][order])[last] / self._total.weight

    @property
    def complete(self) -> bool:
        """Whether all scores that came are still there."""
        return self._dropped == -math.inf

    def _prune(self) -> None:
        order = np.argpartition(-self._scores, self.capacity)
        self._dropped = max(self._dropped, float(self._scores[order[self.capacity :]].max()))
        kept = np.sort(order[: self.capacity])  # in the order in which they came: sums have one order
        self._scores, self._weights = self._scores[kept], self._weights[kept]


def sums_of(weights: Floats) -> Sums:
    """The sums over events of weights (n,)."""
    return Sums(len(weights), float(weights.sum()), float(np.square(weights).sum()), -float(weights[weights < 0].sum()))


def moments(passed: npt.NDArray[np.bool_], weights: Floats) -> Floats:
    """Events, sums of weights and of squared weights of those that pass: masks (n, ...) give (3, ...)."""
    powers = np.stack([np.ones(len(weights)), weights, np.square(weights)])
    return np.asarray(np.tensordot(powers, passed.astype(np.float64), axes=1))


def survival(passed: npt.NDArray[np.bool_], prescales: Floats) -> Floats:
    """The probability (n,) that one of several triggers keeps an event, of decisions (n, k) and prescales (k,).

    One in `prescale` of the events that a trigger accepts is kept, of others independently; with 0 none is.
    """
    kept = np.divide(1.0, prescales, out=np.zeros_like(prescales), where=prescales > 0)
    return np.asarray(1.0 - np.prod(1.0 - passed * kept, axis=1))
