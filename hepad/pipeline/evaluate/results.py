"""What an evaluation gives: rows of metrics, regions, spreads over trainings, differences between systems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hepad.execution.run import Skipped
from hepad.output.figure_kinds import figure_titles
from hepad.output.plain_titles import plain_title
from hepad.stats.scores.comparison import Difference
from hepad.stats.scores.roc import Estimate, RocMetrics
from hepad.stats.scores.stochastic_order import StochasticOrder
from hepad.stats.scores.working_points import WorkingPoints

__all__ = ["Comparison", "EvaluateReport", "RegionRow", "Row", "Spread", "SystemRow", "named_estimates"]


@dataclass(frozen=True)
class Row:
    """One score of one model against one signal; `published` maps a metric to (value, standard deviation).

    `model` is the name of the training, `system` that of what was trained; they differ where one was trained often.
    """

    model: str
    score: str
    signal: str
    points: WorkingPoints
    published: Mapping[str, tuple[float, float]]
    system: str

    @property
    def metrics(self) -> RocMetrics:
        """The ROC curve, its band and its summaries."""
        return self.points.metrics

    def to_json(self) -> dict[str, Any]:
        """The row in JSON types."""
        names = {"model": self.model, "score": self.score, "signal": self.signal, "system": self.system}
        return {**names, **self.points.to_json(), "published": dict(self.published)}


@dataclass(frozen=True)
class RegionRow:
    """A region of a model: the efficiency it was set at, and those measured here with their errors."""

    model: str
    region: str
    nominal: float | None
    background: tuple[float, float]
    signals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Spread:
    """A metric over several trainings: their mean and standard deviation (n - 1).

    `bootstrap_std` is the mean of the trainings' bootstrap errors over events, None if one has none. `limits` counts
    the trainings whose value is a limit and no measurement: if there are any, mean and std are not to be trusted.
    """

    mean: float
    std: float
    bootstrap_std: float | None
    values: tuple[float, ...]
    limits: int

    @classmethod
    def of(cls, estimates: Sequence[Estimate]) -> Spread:
        """The spread of the same metric of at least two trainings."""
        values = tuple(e.value for e in estimates)
        errors = [e.std for e in estimates if e.std is not None]
        return cls(
            float(np.mean(values)),
            float(np.std(values, ddof=1)),
            float(np.mean(errors)) if len(errors) == len(values) else None,
            values,
            sum(e.is_lower_limit or e.is_upper_limit for e in estimates),
        )


@dataclass(frozen=True)
class SystemRow:
    """One score of a system that was trained several times, against one signal; `metrics` maps names to spreads."""

    system: str
    score: str
    signal: str
    trainings: tuple[str, ...]
    metrics: dict[str, Spread]
    published: Mapping[str, tuple[float, float]]

    def to_json(self) -> dict[str, Any]:
        """The row in JSON types."""
        return {
            "system": self.system,
            "score": self.score,
            "signal": self.signal,
            "trainings": list(self.trainings),
            **{name: vars(spread) for name, spread in self.metrics.items()},
            "published": dict(self.published),
        }


@dataclass(frozen=True)
class Comparison:
    """System `a` beside system `b`, by their default scores, on the same events.

    `log_rejection` is the difference of ln(1/eps_b), None if one of them has no surviving background; `order` tells
    whether the AUCs of a are stochastically larger, None if it was not asked for or the weights do not allow it.
    """

    signal: str
    a: str
    b: str
    auc: Difference
    log_rejection: Difference | None
    order: StochasticOrder | None

    def to_json(self, rejection_at: float) -> dict[str, Any]:
        """The comparison in JSON types."""
        return {
            "signal": self.signal,
            "a": self.a,
            "b": self.b,
            "auc": self.auc.to_json(),
            f"log_rejection_at_{rejection_at:g}": self.log_rejection.to_json() if self.log_rejection else None,
            "almost_stochastic_order": self.order.to_json() if self.order else None,
        }


@dataclass(frozen=True)
class EvaluateReport:
    """All rows; `warnings` say what makes a number less than it seems, `skipped` which files were left out.

    `titles` are what figures and tables call signals, of those that have a title; JSON has their names alone.
    `output` is None if nothing was written. `complete_before` is the content of report.json of an output that was
    complete already; then there are no rows, for nothing was measured.
    """

    rows: tuple[Row, ...]
    regions: tuple[RegionRow, ...]
    events: dict[str, int]
    rejection_at: float
    warnings: tuple[str, ...]
    output: Path | None
    systems: tuple[SystemRow, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    min_background: float = 10
    skipped: tuple[Skipped, ...] = ()
    complete_before: Mapping[str, Any] | None = None
    titles: Mapping[str, str] = field(default_factory=dict)

    def called(self, sample: str) -> str:
        """What tables call a signal, or background: the title that was asked for, the known one, or its name."""
        return plain_title(figure_titles().get(sample, self.titles.get(sample, sample)))

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**(self.complete_before or self.content()), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to."""
        return {
            "events": self.events,
            "rows": [row.to_json() for row in self.rows],
            "regions": [vars(region) for region in self.regions],
            "systems": [row.to_json() for row in self.systems],
            "comparisons": [comparison.to_json(self.rejection_at) for comparison in self.comparisons],
            "warnings": list(self.warnings),
            "skipped": [vars(skipped) for skipped in self.skipped],
        }


def named_estimates(points: WorkingPoints) -> dict[str, Estimate]:
    """The numbers of a row by the names that `SystemRow` gives them in report.json."""
    named = {
        "auc": points.metrics.auc,
        **{f"rejection_at_{at:g}": rejection for at, rejection in points.rejections.items()},
        "fpr40": points.fpr40,
        **{f"tpr_at_fpr_{point.wanted:g}": point.estimate for point in points.tpr_at_fpr},
    }
    if points.improvement is not None:
        named["significance_improvement"] = points.improvement.value
    return named
