"""`hepad evaluate`. A star in a key stands for a number that was asked for, as in rejection_at_0.3."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.evaluate.results import RegionRow, Spread
from hepad.pipeline.schemas.parts import Provenance
from hepad.stats.scores.comparison import Difference
from hepad.stats.scores.roc import Estimate
from hepad.stats.scores.stochastic_order import StochasticOrder

__all__ = ["Comparison", "Printed", "Row", "SystemRow", "Written"]

Published = dict[str, tuple[float, float]]


class PointEstimate(TypedDict):
    """A signal efficiency at the background efficiency `at`, with its bootstrap error."""

    at: float
    """Larger than what was asked for where too few background events would be left."""
    value: float
    std: float | None
    low: float | None
    high: float | None
    is_lower_limit: bool
    is_upper_limit: bool


class Improvement(TypedDict):
    """The largest significance improvement eps_s / sqrt(eps_b), and where it is reached."""

    value: float
    std: float | None
    low: float | None
    high: float | None
    is_lower_limit: bool
    is_upper_limit: bool
    signal_efficiency: float
    background_efficiency: float
    threshold: float
    min_background: float
    """Effective background events that are left at least."""


_RowPatterns = TypedDict("_RowPatterns", {"rejection_at_*": Estimate})
_SystemPatterns = TypedDict("_SystemPatterns", {"rejection_at_*": Spread, "tpr_at_fpr_*": Spread})
_ComparisonPatterns = TypedDict("_ComparisonPatterns", {"log_rejection_at_*": Difference | None})


class Row(_RowPatterns):
    """One score of one model against one signal; `rejection_at_*` are 1 / eps_b at a signal efficiency."""

    model: str
    """The training."""
    score: str
    signal: str
    system: str
    """What was trained."""
    auc: Estimate
    signal_efficiency_at: dict[str, Estimate]
    """By background efficiency."""
    bootstrap_replicas: int
    fpr40: Estimate
    """The background efficiency at a signal efficiency of 40 %."""
    tpr_at_fpr: dict[str, PointEstimate]
    """By background efficiency."""
    significance_improvement: Improvement | None
    published: Published
    """Value and standard deviation, by metric."""


class SystemRow(_SystemPatterns):
    """One score of a system that was trained several times, against one signal."""

    system: str
    score: str
    signal: str
    trainings: list[str]
    auc: Spread
    fpr40: Spread
    significance_improvement: NotRequired[Spread]
    published: Published


class Comparison(_ComparisonPatterns):
    """System `a` beside `b`, on the same events; `log_rejection_at_*` is the difference of ln(1 / eps_b)."""

    signal: str
    a: str
    b: str
    auc: Difference
    almost_stochastic_order: StochasticOrder | None


class Evaluation(TypedDict):
    """How well models part signals from background."""

    events: dict[str, int]
    """By sample."""
    rows: list[Row]
    regions: list[RegionRow]
    systems: list[SystemRow]
    comparisons: list[Comparison]
    warnings: list[str]
    """What makes a number less than it seems, in words."""
    skipped: list[Skipped]


class Printed(Evaluation):
    """How well models part signals from background; with its provenance if it was there already."""

    output: str | None
    provenance: NotRequired[Provenance]


class Written(Evaluation):
    """How well models part signals from background, with its provenance."""

    provenance: Provenance
