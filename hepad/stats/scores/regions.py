"""Regions: cuts on scores, and thresholds on one at a background efficiency, a rate or a cross section.

They are set on background that the model has not seen. `Quantiles` keeps what is needed to set new ones later.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import RegionCard
from hepad.errors import UsageError
from hepad.stats.scores.acceptance import Sums

__all__ = [
    "Above",
    "Both",
    "Box",
    "Contour",
    "Level",
    "Quantiles",
    "Region",
    "background_quantiles",
    "region_of",
    "set_region",
]

_EXACT_RANKS = 1000
_TABLE_SIZE = 2000


@dataclass(frozen=True)
class Quantiles:
    """The upper tail of the background's score.

    `efficiency[i]` is the weighted fraction of background with a score >= `threshold[i]` and `error[i]` its standard
    deviation; all have shape (k,), efficiency rises and threshold falls. `events` is the number of background events,
    `effective_events` is (sum w)^2 / (sum w^2).
    """

    threshold: npt.NDArray[np.float64]
    efficiency: npt.NDArray[np.float64]
    error: npt.NDArray[np.float64]
    events: int
    effective_events: float


class Region(Protocol):
    """A cut on scores of events."""

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that it cuts on."""
        ...

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it, of scores (n,) by name; an event whose score is NaN is in no region."""
        ...


@dataclass(frozen=True)
class Above:
    """Events with a score at or above a threshold."""

    score: str
    threshold: float

    @property
    def scores(self) -> tuple[str, ...]:
        """The score that it cuts on."""
        return (self.score,)

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it."""
        return np.asarray(scores[self.score].astype(np.float64) >= self.threshold)


@dataclass(frozen=True)
class Box:
    """Events with each score at or above its first bound and below its second: a quadrant, a region of ABCD.

    A bound may be infinite.
    """

    bounds: Mapping[str, tuple[float, float]]

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that it cuts on."""
        return tuple(self.bounds)

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it."""
        parts = []
        for name, (low, high) in self.bounds.items():
            values = scores[name].astype(np.float64)
            parts.append((values >= low) & (values < high))
        return np.asarray(np.logical_and.reduce(parts))


@dataclass(frozen=True)
class Contour:
    """Events within closed polygons in the plane of two scores; where an even number of them overlap is outside.

    `polygons` are of shape (m, 2) each, m at least 3. A point on an edge is in one of the areas that the edge parts.
    """

    scores: tuple[str, str]
    polygons: tuple[npt.NDArray[np.float64], ...]

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it: those from which a ray to the right crosses an odd number of edges."""
        x, y = (scores[name].astype(np.float64) for name in self.scores)
        found = np.zeros(len(x), dtype=np.bool_)
        for polygon in self.polygons:
            for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
                if y0 != y1:
                    crosses = (y0 <= y) != (y1 <= y)
                    found ^= crosses & (x < x0 + (y - y0) * ((x1 - x0) / (y1 - y0)))
        return found


@dataclass(frozen=True)
class Level:
    """Events where a function of two scores is at or above a level: within a level curve, as of a ratio of densities.

    `values` (a, b) of the function are given at rising `x` (a,) and `y` (b,), bilinear between and -inf beyond.
    """

    scores: tuple[str, str]
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    level: float

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it."""
        from scipy.interpolate import RegularGridInterpolator

        at = np.stack([scores[name].astype(np.float64) for name in self.scores], axis=1)
        function = RegularGridInterpolator((self.x, self.y), self.values, bounds_error=False, fill_value=-np.inf)
        return np.asarray(function(at) >= self.level)


@dataclass(frozen=True)
class Both:
    """Events that are in all of several regions."""

    regions: tuple[Region, ...]

    @property
    def scores(self) -> tuple[str, ...]:
        """The scores that they cut on."""
        return tuple(dict.fromkeys(name for region in self.regions for name in region.scores))

    def inside(self, scores: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the events in it."""
        return np.asarray(np.logical_and.reduce([region.inside(scores) for region in self.regions]))


def region_of(card: RegionCard, threshold: float | None = None) -> Region:
    """The region of a card of a bundle, with another threshold if one is given."""
    spec = card.spec
    parts: list[Region] = [Above(card.score, card.threshold if threshold is None else threshold)]
    if spec.where:
        parts.append(Box({name: (bounds.low, bounds.high) for name, bounds in spec.where.items()}))
    if spec.within is not None:
        parts.append(Contour(spec.within.scores, (np.array(spec.within.polygon, dtype=np.float64),)))
    return parts[0] if len(parts) == 1 else Both(tuple(parts))


def background_quantiles(
    scores: npt.NDArray[np.float32], weights: npt.NDArray[np.float64], *, below: Sums | None = None
) -> Quantiles:
    """The quantile table of background scores of shape (n,): exact for the 1000 highest, 1000 ranks below.

    Equal scores share one entry, for a threshold cannot part them. Errors are those of `weighted_acceptance`. `below`
    are the sums over background that is not given, because its scores are lower than all of these.
    """
    if len(scores) == 0:
        raise UsageError("no background events to set regions on")
    order = np.argsort(-scores.astype(np.float64), kind="stable")
    values = scores[order].astype(np.float64)
    cumulative, squares = np.cumsum(weights[order]), np.cumsum(np.square(weights[order]))
    last_of_value = np.flatnonzero(np.append(values[1:] != values[:-1], True))
    n = len(last_of_value)
    ranks = np.arange(n)
    if n > _TABLE_SIZE:
        lower = np.geomspace(_EXACT_RANKS, n - 1, _TABLE_SIZE - _EXACT_RANKS).astype(int)
        ranks = np.unique(np.concatenate([ranks[:_EXACT_RANKS], lower]))
    kept = last_of_value[ranks]
    rest = below or Sums(0, 0.0, 0.0)
    total, total_squares = cumulative[-1] + rest.weight, squares[-1] + rest.weight2
    efficiency = cumulative[kept] / total
    passed, failed = squares[kept], total_squares - squares[kept]
    return Quantiles(
        values[kept],
        np.minimum(efficiency, 1.0),
        np.sqrt((1 - efficiency) ** 2 * passed + efficiency**2 * failed) / total,
        len(scores) + rest.events,
        float(total**2 / total_squares),
    )


def set_region(
    name: str, spec: RegionSpec, quantiles: Mapping[str, Quantiles | None], default_score: str
) -> RegionCard:
    """The threshold of a region: the lowest that keeps no more background than asked for.

    `UsageError` if the background has too few events for that efficiency or there is none, or the score is unknown.
    """
    score = spec.score or default_score
    if score not in quantiles:
        raise UsageError(f"region {name!r}: unknown score {score!r}; this model has {', '.join(quantiles)}")
    for other in spec.other_scores:
        if other not in quantiles:
            raise UsageError(f"region {name!r}: unknown score {other!r}; this model has {', '.join(quantiles)}")
    if spec.threshold is not None:
        return RegionCard(score=score, threshold=spec.threshold, spec=spec)
    table, wanted = quantiles[score], spec.efficiency
    if wanted is None:
        raise UsageError(f"region {name!r} needs the cross section of the selected background")
    if table is None:
        raise UsageError(
            f"region {name!r}: this model was imported without background, so only a threshold can set it; "
            "give threshold:X, or import it again with --background"
        )
    i = int(np.searchsorted(table.efficiency, wanted * (1 + 1e-12), side="right")) - 1
    if i < 0:
        raise UsageError(f"region {name!r}: {_too_small(wanted, table)}, or ask for a larger one")
    efficiency = float(table.efficiency[i])
    return RegionCard(
        score=score,
        threshold=float(table.threshold[i]),
        spec=spec,
        efficiency=efficiency,
        efficiency_error=float(table.error[i]),
        calibration_events=table.events,
    )


def _too_small(wanted: float, table: Quantiles) -> str:
    """Why no threshold keeps so little background: there are too few events, or too many have the highest score."""
    needed = math.ceil(1 / wanted)
    if table.events < needed:
        return (
            f"background efficiency {wanted:g} needs at least {needed} background events to set it on, there are "
            f"{table.events}; give more background"
        )
    return (
        f"no threshold has background efficiency {wanted:g}: {table.efficiency[0]:.3g} of the background has the "
        f"highest score, {table.threshold[0]:g}"
    )
