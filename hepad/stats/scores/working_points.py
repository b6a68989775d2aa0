"""Points of a ROC curve that people quote: rejections, FPR40, TPR at a tiny FPR, the best significance improvement.

Where a sample is too small for a point, the result says so: a bound with its flag, or a maximum with a floor on the
background events behind it, never a fluctuation of the last few events.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.stats.scores.roc import (
    ZERO_EVENT_LIMIT,
    Estimate,
    RocBand,
    RocCurve,
    RocMetrics,
    estimate,
    rejection_estimate,
    roc_curve,
    roc_metrics,
)

__all__ = [
    "BestImprovement",
    "PointEstimate",
    "WorkingPoints",
    "best_improvement",
    "improvement_band",
    "working_points",
]

Floats = npt.NDArray[np.float64]

FPR_AT = 0.4
"""Signal efficiency of FPR40, as in the CoDAE paper on dark showers (section 5.1)."""


@dataclass(frozen=True)
class PointEstimate:
    """A signal efficiency (TPR) wanted at the background efficiency (FPR) `wanted` and measured at `at`.

    They differ where fewer than the floor of background events would be left at `wanted`: then `at` is the smallest
    FPR with that many and, as a TPR never falls when the FPR rises, the estimate is flagged as an upper limit on the
    TPR at `wanted`.
    """

    wanted: float
    at: float
    estimate: Estimate

    def to_json(self) -> dict[str, Any]:
        """The estimate in JSON types, with `at`."""
        return {"at": self.at, **self.estimate.to_json()}


@dataclass(frozen=True)
class BestImprovement:
    """The largest significance improvement eps_s / sqrt(eps_b), and where it is reached.

    Only thresholds that keep at least `min_background` effective background events count.
    """

    value: Estimate
    signal_efficiency: float
    background_efficiency: float
    threshold: float
    min_background: float

    def to_json(self) -> dict[str, Any]:
        """The maximum in JSON types."""
        return {
            **self.value.to_json(),
            "signal_efficiency": self.signal_efficiency,
            "background_efficiency": self.background_efficiency,
            "threshold": self.threshold,
            "min_background": self.min_background,
        }


@dataclass(frozen=True)
class WorkingPoints:
    """The metrics of `roc_metrics` and the points beside them.

    `rejections` maps signal efficiencies to 1/eps_b; `fpr40` is the FPR at a TPR of 40 %; `tpr_at_fpr` the reverse
    at small FPR; `improvement` is None if the whole background has fewer events than the floor.
    """

    metrics: RocMetrics
    rejections: dict[float, Estimate]
    fpr40: Estimate
    tpr_at_fpr: tuple[PointEstimate, ...]
    improvement: BestImprovement | None

    def to_json(self) -> dict[str, Any]:
        """All summaries in JSON types; the keys of `RocMetrics.to_json` and those of the points."""
        return {
            **self.metrics.to_json(),
            **{f"rejection_at_{at:g}": rejection.to_json() for at, rejection in self.rejections.items()},
            "fpr40": self.fpr40.to_json(),
            "tpr_at_fpr": {f"{point.wanted:g}": point.to_json() for point in self.tpr_at_fpr},
            "significance_improvement": None if self.improvement is None else self.improvement.to_json(),
        }


def working_points(
    signal: npt.ArrayLike,
    background: npt.ArrayLike,
    signal_weight: npt.ArrayLike | None = None,
    background_weight: npt.ArrayLike | None = None,
    *,
    rng: np.random.Generator,
    rejections_at: Sequence[float] = (0.3,),
    fpr: Sequence[float] = (1e-5,),
    min_background: float = 10,
    background_efficiencies: Sequence[float] = (),
    replicas: int = 200,
) -> WorkingPoints:
    """Measure a score of shape (n,) for signal and (m,) for background, with bootstrap errors for every number.

    `rejections_at` are signal efficiencies, the first of them that of `roc_metrics`; `fpr` are background efficiencies;
    `min_background` is the floor in effective background events, (sum w)^2 / sum w^2 of those that are kept.
    `ValueError` if it is not positive or no rejection is asked for; other errors and `background_efficiencies` as in
    `roc_metrics`.
    """
    if not rejections_at or not min_background > 0:
        raise ValueError("working points need at least one signal efficiency and a positive floor of background events")
    floor = roc_curve(signal, background, signal_weight, background_weight).efficiency_that_keeps(min_background)
    at = tuple(min(max(wanted, floor), 1.0) for wanted in fpr)
    wanted = (*rejections_at, FPR_AT)
    statistics: dict[str, Callable[[RocCurve], float]] = {}
    for value in wanted:
        statistics[f"survives_at_{value:g}"] = lambda curve, s=value: float(curve.background_efficiency_at(s))  # type: ignore[misc]
    for i, value in enumerate(at):
        statistics[f"tpr_{i}"] = lambda curve, b=value: float(curve.signal_efficiency_at(b))  # type: ignore[misc]
    if floor <= 1:
        statistics["improvement"] = lambda curve: best_improvement(curve, floor)[0]
    metrics = roc_metrics(
        signal,
        background,
        signal_weight,
        background_weight,
        rng=rng,
        rejection_at=rejections_at[0],
        background_efficiencies=background_efficiencies,
        statistics=statistics,
        replicas=replicas,
    )
    curve, drawn = metrics.curve, metrics.drawn
    return WorkingPoints(
        metrics,
        {s: rejection_estimate(curve, s, drawn[f"survives_at_{s:g}"]) for s in rejections_at},
        _fpr(curve, drawn[f"survives_at_{FPR_AT:g}"]),
        tuple(_tpr(curve, want, use, drawn[f"tpr_{i}"]) for i, (want, use) in enumerate(zip(fpr, at, strict=True))),
        _improvement(curve, floor, min_background, drawn["improvement"]) if floor <= 1 else None,
    )


def best_improvement(curve: RocCurve, least: float) -> tuple[float, int]:
    """The largest eps_s / sqrt(eps_b) of the thresholds that keep at least `least` of the background, and its index.

    `least` is a background efficiency, above 0 and up to 1; the loosest threshold always counts.
    """
    b = curve.background_efficiency
    counts = b >= least * (1 - 1e-9)  # a floor of exactly 10 events is met by 10 events, whatever the rounding
    counts[-1] = True
    values = np.divide(
        curve.signal_efficiency, np.sqrt(np.abs(b)), out=np.full_like(b, -np.inf), where=counts & (b > 0)
    )
    best = int(np.argmax(values))
    return float(values[best]), best


def improvement_band(band: RocBand, least: float) -> tuple[Floats, Floats, Floats]:
    """eps_s / sqrt(eps_b) on the grid of a band with its 68 % interval, arrays of shape (m,): value, low, high.

    NaN where the background efficiency is below `least`, and in `high` where the interval has no upper end.
    """
    s, shown = band.signal_efficiency, band.background_efficiency >= least * (1 - 1e-9)

    def over_root(background: Floats) -> Floats:
        usable = shown & (background > 0)
        return np.divide(s, np.sqrt(background), out=np.full_like(s, np.nan), where=usable)

    return over_root(band.background_efficiency), over_root(band.high), over_root(band.low)


def _fpr(curve: RocCurve, drawn: Floats) -> Estimate:
    value = float(curve.background_efficiency_at(FPR_AT))
    if value > 0:
        return estimate(value, drawn)
    return Estimate(min(ZERO_EVENT_LIMIT / curve.background_entries, 1.0), is_upper_limit=True)


def _tpr(curve: RocCurve, wanted: float, at: float, drawn: Floats) -> PointEstimate:
    found = estimate(float(curve.signal_efficiency_at(at)), drawn)
    bound = Estimate(found.value, found.std, found.low, found.high, is_upper_limit=at > wanted)
    return PointEstimate(wanted, at, bound)


def _improvement(curve: RocCurve, least: float, min_background: float, drawn: Floats) -> BestImprovement:
    value, index = best_improvement(curve, least)
    return BestImprovement(
        estimate(value, drawn),
        float(curve.signal_efficiency[index]),
        float(curve.background_efficiency[index]),
        float(curve.threshold[index]),
        min_background,
    )
