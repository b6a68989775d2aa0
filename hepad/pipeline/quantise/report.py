"""What `hepad quantise` found: each design, and what designs of equal widths have in common."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["EqualCost", "QuantiseReport", "QuantisedPoint", "Summary", "summaries"]


@dataclass(frozen=True)
class QuantisedPoint:
    """One design: its model, how its weights came about, and what it does and takes.

    `weights`: `rounded` or `fine-tuned`; None bits for the model in floating point. `auc` by signal. `flips`: the
    fraction of background decisions in the loosest region that are not the model's, at the same rate. `operations` an
    event, see `hepad.trigger.network.operations`. Of a fine-tuning: its `seed`, the `loss` and the flips on background
    that was held out of it, and whether it was `chosen` by these among those of other seeds.
    """

    model: str
    weights: str
    bits: int | None
    auc: dict[str, float]
    flips: float | None = None
    lut: int | None = None
    ff: int | None = None
    clock_edges: int | None = None
    latency_ns: float | None = None
    latency_error_ns: float | None = None
    operations: dict[str, float] = field(default_factory=dict)
    seed: int | None = None
    loss: float | None = None
    held_out_flips: float | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Summary:
    """Means over the fine-tuning seeds of a design; for `auc` and `flips` with the standard deviation of one seed.

    `pareto`: the signals for which no other design has a larger mean AUC with no more lookup tables.
    """

    model: str
    weights: str
    bits: int | None
    seeds: int
    auc: dict[str, float]
    auc_spread: dict[str, float]
    flips: float | None
    flips_spread: float | None
    lut: float | None
    latency_ns: float | None
    chosen_seed: int | None
    pareto: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuantiseReport:
    """All designs, their summaries, what each model takes at equal AUC, and its operations in floating point."""

    points: tuple[QuantisedPoint, ...]
    summary: tuple[Summary, ...]
    equal_auc: tuple[EqualCost, ...]
    operations: dict[str, dict[str, float]]
    variants: tuple[str, ...]
    output: Path

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "points": [vars(point) for point in self.points],
            "summary": [{**vars(item), "pareto": list(item.pareto)} for item in self.summary],
            "equal_auc": [item.to_json() for item in self.equal_auc],
            "operations": self.operations,
            "variants": list(self.variants),
            "output": str(self.output),
        }


def summaries(points: Sequence[QuantisedPoint], signals: Sequence[str]) -> tuple[Summary, ...]:
    """One for each model, kind of weights and width, in their order, with the best marked for each signal."""
    groups: dict[tuple[str, str, int | None], list[QuantisedPoint]] = {}
    for point in points:
        groups.setdefault((point.model, point.weights, point.bits), []).append(point)
    found = [_summary(group, signals) for group in groups.values()]
    logic = [item for item in found if item.lut is not None]
    return tuple(
        replace(item, pareto=tuple(s for s in signals if item in logic and not any(_beats(o, item, s) for o in logic)))
        for item in found
    )


def _summary(group: Sequence[QuantisedPoint], signals: Sequence[str]) -> Summary:
    first = group[0]
    flips = _known(point.flips for point in group)
    return Summary(
        first.model,
        first.weights,
        first.bits,
        len(group),
        {s: float(np.mean([point.auc[s] for point in group])) for s in signals},
        {s: spread for s in signals if (spread := _spread([point.auc[s] for point in group])) is not None},
        _mean(flips),
        _spread(flips),
        _mean(_known(point.lut for point in group)),
        _mean(_known(point.latency_ns for point in group)),
        next((point.seed for point in group if point.chosen), None),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _spread(values: Sequence[float]) -> float | None:
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def _beats(other: Summary, item: Summary, signal: str) -> bool:
    a, b = (-other.auc[signal], other.lut or 0), (-item.auc[signal], item.lut or 0)
    return a != b and a[0] <= b[0] and a[1] <= b[1]


@dataclass(frozen=True)
class EqualCost:
    """What a model takes at an AUC that all models of the scan reach; low and high are None without several seeds."""

    signal: str
    auc: float
    model: str
    costs: dict[str, tuple[float | None, float, float | None]]

    def to_json(self) -> dict[str, Any]:
        """The numbers by name."""
        costs = {name: dict(zip(("low", "mean", "high"), v, strict=True)) for name, v in self.costs.items()}
        return {"signal": self.signal, "auc": self.auc, "model": self.model, **costs}
