"""Count what triggers do with crossings, chunk by chunk: totals, pure, unique, overlaps, pile-up, with a menu."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.stats.scores.acceptance import Sums
from hepad.trigger.rates import moments, sums_of, survival

__all__ = ["Counts", "Curve", "Decisions", "Triggers", "expected_moments", "expected_sums", "sums"]

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

MOST_VERTICES = 255
"""Crossings with more count as these."""


@dataclass(frozen=True)
class Triggers:
    """Models with a threshold at each working point, (points, models), NaN where there is none, and a menu's seeds."""

    thresholds: Floats
    prescales: Floats

    @property
    def unprescaled(self) -> Mask:
        """The seeds (k,) that keep every crossing that they accept."""
        return np.asarray(self.prescales == 1)


@dataclass(frozen=True)
class Decisions:
    """Of n crossings: scores (n, models), the seeds' decisions (n, seeds), weights (n,) and vertices (n,) or None."""

    scores: npt.NDArray[np.float32]
    seeds: Mask
    weights: Floats
    vertices: npt.NDArray[np.int64] | None = None


class Counts:
    """Sums over crossings; each is an array (3, ...) of events, weights and squared weights, see `moments`.

    `fired[p]` (3, m, m + k): models (rows) that accept together with models and seeds at working point p; `seeds`
    (3, k, k) the same of seeds. `pure` (3, p, m) and `seeds_pure` (3, k): no other unprescaled seed accepts. `unique`
    (3, p, m): neither does another model at its threshold of the same working point. `menu` (3,) is what the prescaled
    menu keeps, `with_menu` (3, p, m) it and a model, `with_all` (3, p) it and all models. `by_vertices` has the total,
    `menu` and models by the number of vertices, (3, v, 2 + p m).
    """

    def __init__(self, triggers: Triggers) -> None:
        self._triggers = triggers
        points, models = triggers.thresholds.shape
        k = len(triggers.prescales)
        self.total = Sums(0, 0.0, 0.0, 0.0)
        self.fired = np.zeros((points, 3, models, models + k))
        self.seeds = np.zeros((3, k, k))
        self.pure = np.zeros((3, points, models))
        self.unique = np.zeros((3, points, models))
        self.seeds_pure = np.zeros((3, k))
        self.menu = np.zeros(3)
        self.with_menu = np.zeros((3, points, models))
        self.gained = np.zeros((3, points, models))
        self.with_all = np.zeros((3, points))
        self.by_vertices = np.zeros((3, MOST_VERTICES + 1, 2 + points * models))
        self.has_vertices = False

    def add(self, part: Decisions) -> None:
        """Count more crossings."""
        t, w = self._triggers, part.weights
        accepts = part.scores[:, None, :].astype(np.float64) >= t.thresholds  # NaN accepts nothing
        self.total += sums_of(w)
        others = part.seeds[:, t.unprescaled].sum(axis=1)
        kept = survival(part.seeds, t.prescales)
        alone = part.seeds & (others[:, None] - (part.seeds & t.unprescaled) == 0)
        pure = accepts & (others == 0)[:, None, None]
        self.seeds += _pairs(part.seeds, part.seeds, w)
        self.seeds_pure += moments(alone, w)
        self.pure += moments(pure, w)
        self.unique += moments(pure & (accepts.sum(axis=2, keepdims=True) - accepts == 0), w)
        for point in range(len(t.thresholds)):
            here = accepts[:, point]
            self.fired[point] += _pairs(here, np.concatenate([here, part.seeds], axis=1), w)
        self.menu += expected_moments(kept, w)
        either = np.where(accepts, 1.0, kept[:, None, None])
        self.with_menu += expected_moments(either, w)
        self.gained += expected_moments(either - kept[:, None, None], w)
        self.with_all += expected_moments(np.where(accepts.any(axis=2), 1.0, kept[:, None]), w)
        if part.vertices is not None:
            self._add_vertices(part.vertices, kept, accepts.reshape(len(w), -1), w)

    def _add_vertices(self, vertices: npt.NDArray[np.int64], kept: Floats, accepts: Mask, w: Floats) -> None:
        self.has_vertices = True
        place = np.clip(vertices, 0, MOST_VERTICES)
        columns = np.concatenate([np.ones((len(w), 1)), kept[:, None], accepts], axis=1)
        for power in range(3):
            values = (columns > 0) if power == 0 else (columns * w[:, None]) ** power
            np.add.at(self.by_vertices[power], place, values)


def sums(moment: npt.NDArray[Any], total: Sums) -> Sums:
    """The sums of three moments of events that are among the `total`."""
    negative = 0.0 if total.negative == 0 else None
    return Sums(round(float(moment[0])), float(moment[1]), float(moment[2]), negative)


def expected_sums(moment: npt.NDArray[Any], total: Sums) -> Sums:
    """The same where each event is kept with a probability: `events` is the effective number, at least 1 if any may be.

    A prescaled seed that accepts thousands of crossings does not make the rate of a menu better known.
    """
    found = sums(moment, total)
    if found.weight2 <= 0:
        return found
    return Sums(max(round(found.weight**2 / found.weight2), 1), found.weight, found.weight2, found.negative)


class Curve:
    """How many events have a score at or above each of rising thresholds (g,): sums (3, g), see `moments`."""

    def __init__(self, thresholds: Floats) -> None:
        self.thresholds = thresholds
        self.passed = np.zeros((3, len(thresholds)))

    def add(self, scores: npt.NDArray[np.float32], weights: Floats) -> None:
        """Count more events: scores (n,), NaN for none, and weights (n,)."""
        there = ~np.isnan(scores)
        place = np.searchsorted(self.thresholds, scores[there].astype(np.float64), side="right")
        for power in range(3):
            each = np.bincount(place, weights[there] ** power, minlength=len(self.thresholds) + 1)
            self.passed[power] += np.cumsum(each[::-1])[::-1][1:]


def _pairs(left: Mask, right: Mask, weights: Floats) -> Floats:
    """The moments (3, a, b) of events that both of two triggers accept, of masks (n, a) and (n, b)."""
    powers = (np.ones(len(weights)), weights, np.square(weights))
    right_numbers = right.astype(np.float64)
    return np.stack([(left * power[:, None]).T @ right_numbers for power in powers])


def expected_moments(kept: Floats, weights: Floats) -> Floats:
    """The moments (3, ...) of events kept with probabilities (n, ...): how many may be, and the expected weights."""
    shape = (len(weights), *[1] * (kept.ndim - 1))
    weighted = kept * weights.reshape(shape)
    return np.stack([(kept > 0).sum(axis=0), weighted.sum(axis=0), np.square(weighted).sum(axis=0)])
