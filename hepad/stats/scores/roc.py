"""How well a score separates signal from background: ROC curves, their summaries and bootstrap errors.

An event is kept if its score is at or above the threshold; higher scores are more anomalous. Events of equal score
are kept or dropped together, so that a tie is one straight step of the curve, shared by signal and background.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError

__all__ = [
    "Estimate",
    "RocBand",
    "RocCurve",
    "RocMetrics",
    "estimate",
    "rejection_estimate",
    "roc_curve",
    "roc_metrics",
]

Floats = npt.NDArray[np.float64]

ZERO_EVENT_LIMIT = -float(np.log(0.05))
"""Poisson upper limit at 95 % confidence on the expected count when none is seen: 2.996 events."""

_QUANTILES = (0.15865525393145707, 0.8413447460685429)  # 68 % interval: one Gaussian standard deviation each side
_ROUNDING = 1e-12  # sums of weights may miss an efficiency such as 0.3 by rounding


@dataclass(frozen=True)
class Estimate:
    """A number with its bootstrap error: `std`, and the 68 % interval from `low` to `high`.

    `std`, `low` and `high` are None where there is none; every number is finite, as JSON wants it. With
    `is_lower_limit` or `is_upper_limit` the value is no measurement but a bound: a limit at 95 % confidence where no
    background event survived, or what a monotone curve cannot exceed (`hepad.stats.scores.working_points`).
    """

    value: float
    std: float | None = None
    low: float | None = None
    high: float | None = None
    is_lower_limit: bool = False
    is_upper_limit: bool = False

    def to_json(self) -> dict[str, float | bool | None]:
        """The estimate in JSON types."""
        return {
            "value": self.value,
            "std": self.std,
            "low": self.low,
            "high": self.high,
            "is_lower_limit": self.is_lower_limit,
            "is_upper_limit": self.is_upper_limit,
        }


@dataclass(frozen=True)
class RocCurve:
    """Efficiencies at every distinct threshold, from the strictest to the loosest.

    The four arrays are float64 of shape (k + 1,) for k distinct scores. They begin with a threshold of +infinity,
    which keeps nothing, and end with both efficiencies at 1. `background_kept` is the effective number of background
    events above the threshold, (sum w)^2 / sum w^2 of those that are kept: where heavy events are kept, fewer than
    the efficiency's share of all. With negative weights efficiencies need not rise; the area uses them as they are,
    the look-ups use their running maximum.
    """

    threshold: Floats
    signal_efficiency: Floats
    background_efficiency: Floats
    background_kept: Floats

    @property
    def background_entries(self) -> float:
        """The effective number of all background events."""
        return float(self.background_kept[-1])

    def efficiency_that_keeps(self, events: float) -> float:
        """The background efficiency from which on at least so many effective background events are kept.

        It is linear between thresholds; infinity if all background is less.
        """
        fewer = np.flatnonzero(self.background_kept < events * (1 - _ROUNDING))
        last = int(fewer[-1]) if len(fewer) else 0
        if last + 1 >= len(self.background_kept):
            return float("inf")
        (low, high), (few, enough) = self.background_efficiency[last : last + 2], self.background_kept[last : last + 2]
        return float(low + (high - low) * (events - few) / (enough - few))

    @property
    def auc(self) -> float:
        """Area under signal against background efficiency: P(signal > background) + P(equal) / 2."""
        s, b = self.signal_efficiency, self.background_efficiency
        return float(np.sum(np.diff(b) * (s[1:] + s[:-1])) / 2)

    @cached_property
    def _rises(self) -> tuple[Floats, Floats]:
        """Both efficiencies, never falling: a curve is looked at in many places."""
        return _rising(self.signal_efficiency), _rising(self.background_efficiency)

    def background_efficiency_at(self, signal_efficiency: npt.ArrayLike) -> Floats:
        """The smallest background efficiency that keeps this part of the signal (any shape, from 0 to 1)."""
        wanted = _checked_fraction(signal_efficiency)
        s, b = self._rises
        right = np.searchsorted(s, wanted - _ROUNDING, side="left")
        return _between(wanted, right, s, b)

    def signal_efficiency_at(self, background_efficiency: npt.ArrayLike) -> Floats:
        """The largest signal efficiency that keeps no more than this part of the background (any shape)."""
        wanted = _checked_fraction(background_efficiency)
        s, b = self._rises
        right = np.searchsorted(b, wanted + _ROUNDING, side="right")
        return _between(wanted, right, b, s)

    def rejection_at(self, signal_efficiency: float = 0.3) -> Estimate:
        """Background rejection 1 / eps_b at a signal efficiency, without errors.

        If no background event survives, the value is the 95 % lower limit: effective background events / 2.996.
        """
        survives = float(self.background_efficiency_at(signal_efficiency))
        if survives > 0:
            return Estimate(1 / survives)
        return Estimate(self.background_entries / ZERO_EVENT_LIMIT, is_lower_limit=True)


@dataclass(frozen=True)
class RocBand:
    """Background efficiency and its 68 % bootstrap interval on a grid of signal efficiencies.

    All arrays are float64 of shape (m,), dimensionless; 0 means that no background event survives.
    """

    signal_efficiency: Floats
    background_efficiency: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class RocMetrics:
    """A ROC curve, its summaries with bootstrap errors, and its band.

    `rejection` is 1 / eps_b at `rejection_at`; `signal_efficiency` maps a background efficiency to an estimate.
    `drawn` holds the value of each statistic in each replica, arrays of shape (replicas,): "auc", "survives" (eps_b at
    `rejection_at`) and those asked for. Models measured on the same events with equal generators draw the same
    events, so that differences of these arrays are paired.
    """

    curve: RocCurve
    auc: Estimate
    rejection_at: float
    rejection: Estimate
    signal_efficiency: dict[float, Estimate]
    band: RocBand
    replicas: int
    drawn: Mapping[str, Floats] = field(default_factory=dict, repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The summaries in JSON types; no NaN and no infinity. The curve and the band are left out."""
        return {
            "auc": self.auc.to_json(),
            f"rejection_at_{self.rejection_at:g}": self.rejection.to_json(),
            "signal_efficiency_at": {f"{at:g}": e.to_json() for at, e in self.signal_efficiency.items()},
            "bootstrap_replicas": self.replicas,
        }


def roc_curve(
    signal: npt.ArrayLike,
    background: npt.ArrayLike,
    signal_weight: npt.ArrayLike | None = None,
    background_weight: npt.ArrayLike | None = None,
) -> RocCurve:
    """The weighted ROC curve of scores of shape (n,) and (m,); weights of the same shapes, 1 if not given.

    `InputDataError` if a sample is empty, a score or weight is not finite, or the weights do not sum to
    more than 0. `ValueError` for wrong shapes.
    """
    return _sample(signal, background, signal_weight, background_weight).curve()


def roc_metrics(
    signal: npt.ArrayLike,
    background: npt.ArrayLike,
    signal_weight: npt.ArrayLike | None = None,
    background_weight: npt.ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    rejection_at: float = 0.3,
    background_efficiencies: Sequence[float] = (),
    statistics: Mapping[str, Callable[[RocCurve], float]] | None = None,
    replicas: int = 200,
    grid: int = 200,
) -> RocMetrics:
    """The ROC curve with bootstrap errors: signal and background are both drawn again, event by event.

    Each replica draws n of n events with replacement (B. Efron, Ann. Statist. 7 (1979) 1); weights travel with
    their events. `rejection_at` is a signal efficiency; `background_efficiencies` are where the signal efficiency
    is wanted; the band has `grid` points, evenly spaced from 1 / grid to 1. `statistics` are computed of each
    replica's curve and kept in `drawn`. Errors as in `roc_curve`, and
    `ValueError` for fewer than 2 replicas. The std of a rejection is that of eps_b, propagated: std(eps_b) / eps_b^2,
    which stays finite where a replica loses its last background event; the interval's `high` is then None.
    """
    if replicas < 2 or grid < 1:
        raise ValueError(f"need at least 2 replicas and 1 grid point, got {replicas} and {grid}")
    sample = _sample(signal, background, signal_weight, background_weight)
    curve = sample.curve()
    grid_at = np.linspace(1 / grid, 1, grid)
    wanted_s = np.concatenate([[rejection_at], grid_at])
    wanted_b = _checked_fraction(np.asarray(background_efficiencies, dtype=np.float64))
    more = dict(statistics or {})
    rows, extra = [], []
    for r in sample.replicas(replicas, rng):
        rows.append(np.concatenate([[r.auc], r.background_efficiency_at(wanted_s), r.signal_efficiency_at(wanted_b)]))
        extra.append([statistic(r) for statistic in more.values()])
    if len(rows) < 2:
        raise InputDataError("too few bootstrap replicas have a positive sum of weights: too many are 0 or negative")
    drawn = np.array(rows)
    values = np.array([curve.auc, *curve.signal_efficiency_at(wanted_b)])
    columns = drawn[:, [0, *range(2 + grid, drawn.shape[1])]]
    auc, *efficiencies = (estimate(v, c) for v, c in zip(values, columns.T, strict=True))
    low, high = np.quantile(drawn[:, 2 : 2 + grid], _QUANTILES, axis=0)
    return RocMetrics(
        curve=curve,
        auc=auc,
        rejection_at=rejection_at,
        rejection=rejection_estimate(curve, rejection_at, drawn[:, 1]),
        signal_efficiency=dict(zip((float(b) for b in wanted_b), efficiencies, strict=True)),
        band=RocBand(grid_at, curve.background_efficiency_at(grid_at), low, high),
        replicas=len(rows),
        drawn={
            "auc": drawn[:, 0],
            "survives": drawn[:, 1],
            **dict(zip(more, np.array(extra, dtype=np.float64).T, strict=True)),
        },
    )


@dataclass(frozen=True)
class _Sample:
    """Both samples, each event placed at the rank of its score; rank 0 is the highest."""

    scores: Floats  # distinct, falling
    signal_rank: npt.NDArray[np.intp]
    background_rank: npt.NDArray[np.intp]
    signal_weight: Floats | None
    background_weight: Floats | None

    def curve(self) -> RocCurve:
        signal = self._summed(self.signal_rank, self.signal_weight)
        background = self._summed(self.background_rank, self.background_weight)
        kept = background
        if self.background_weight is not None:
            squares = self._summed(self.background_rank, np.square(self.background_weight))
            kept = np.divide(background**2, squares, out=np.zeros_like(squares), where=squares > 0)
        threshold = np.concatenate([[np.inf], self.scores])
        return RocCurve(threshold, signal / signal[-1], background / background[-1], kept)

    def replicas(self, count: int, rng: np.random.Generator) -> Iterator[RocCurve]:
        """Curves of bootstrap replicas; one whose weights do not sum to more than 0 is passed over."""
        for _ in range(count):
            drawn = self._drawn(rng)
            if min(drawn.totals().values()) > 0:
                yield drawn.curve()

    def totals(self) -> dict[str, float]:
        both = (("signal", self.signal_weight), ("background", self.background_weight))
        return {name: 1.0 if weight is None else float(weight.sum()) for name, weight in both}

    def _drawn(self, rng: np.random.Generator) -> _Sample:
        # Ranks are drawn, not scores, so that no replica is sorted again.
        s = rng.integers(len(self.signal_rank), size=len(self.signal_rank))
        b = rng.integers(len(self.background_rank), size=len(self.background_rank))
        return _Sample(
            self.scores,
            self.signal_rank[s],
            self.background_rank[b],
            None if self.signal_weight is None else self.signal_weight[s],
            None if self.background_weight is None else self.background_weight[b],
        )

    def _summed(self, rank: npt.NDArray[np.intp], weight: Floats | None) -> Floats:
        per_score = np.bincount(rank, weight, minlength=len(self.scores)).astype(np.float64)
        return np.concatenate([[0.0], np.cumsum(per_score)])


def _sample(
    signal: npt.ArrayLike,
    background: npt.ArrayLike,
    signal_weight: npt.ArrayLike | None,
    background_weight: npt.ArrayLike | None,
) -> _Sample:
    s, s_weight = _checked("signal", signal, signal_weight)
    b, b_weight = _checked("background", background, background_weight)
    distinct, rank = np.unique(np.concatenate([s, b]), return_inverse=True)
    falling = len(distinct) - 1 - rank.ravel()
    sample = _Sample(distinct[::-1], falling[: len(s)], falling[len(s) :], s_weight, b_weight)
    for name, total in sample.totals().items():
        if total <= 0:
            raise InputDataError(f"the {name} weights sum to {total:g}; an efficiency needs a positive sum")
    return sample


def _checked(name: str, scores: npt.ArrayLike, weight: npt.ArrayLike | None) -> tuple[Floats, Floats | None]:
    values = np.asarray(scores, dtype=np.float64)
    weights = None if weight is None else np.asarray(weight, dtype=np.float64)
    if values.ndim != 1 or (weights is not None and weights.shape != values.shape):
        found = "" if weights is None else f" and {weights.shape}"
        raise ValueError(f"{name} scores and weights must have one shape (n,), got {values.shape}{found}")
    if not len(values):
        raise InputDataError(f"there are no {name} events to make a ROC curve of")
    for what, array in (("scores", values), ("weights", weights)):
        bad = 0 if array is None else int(np.count_nonzero(~np.isfinite(array)))
        if bad:
            raise InputDataError(f"{bad} of {len(values)} {name} {what} are NaN or infinite")
    return values, weights


def _checked_fraction(fraction: npt.ArrayLike) -> Floats:
    values = np.asarray(fraction, dtype=np.float64)
    if not np.all((values >= 0) & (values <= 1)):
        raise ValueError(f"an efficiency must be from 0 to 1, got {values}")
    return values


def _rising(efficiency: Floats) -> Floats:
    return np.minimum(np.maximum.accumulate(efficiency), 1.0)


def _between(wanted: Floats, right: npt.NDArray[np.intp], x: Floats, y: Floats) -> Floats:
    """Linear interpolation of y at `wanted` on the segment of the curve that ends at point `right`."""
    end = np.clip(right, 1, len(x) - 1)
    width = x[end] - x[end - 1]
    part = np.divide(wanted - x[end - 1], width, out=np.zeros_like(wanted), where=width > 0)
    inside = y[end - 1] + np.clip(part, 0.0, 1.0) * (y[end] - y[end - 1])
    return np.asarray(np.where(right < len(x), inside, y[-1]))  # past the last point all is kept


def estimate(value: float, drawn: Floats) -> Estimate:
    """A value with the standard deviation and the 68 % interval of its bootstrap replicas, shape (r,), r >= 2."""
    low, high = np.quantile(drawn, _QUANTILES)
    return Estimate(float(value), float(drawn.std(ddof=1)), float(low), float(high))


def rejection_estimate(curve: RocCurve, at: float, survives: Floats) -> Estimate:
    """1 / eps_b at a signal efficiency; `survives` is eps_b of the replicas, shape (r,). See `roc_metrics`."""
    nominal = curve.rejection_at(at)
    if nominal.is_lower_limit:
        return nominal
    low, high = np.quantile(survives, _QUANTILES)
    return Estimate(
        nominal.value,
        float(survives.std(ddof=1)) * nominal.value**2,
        1 / float(high) if high > 0 else None,
        1 / float(low) if low > 0 else None,
    )
