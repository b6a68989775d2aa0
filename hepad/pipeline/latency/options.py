"""How to hold a model against a budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hepad.pipeline.latency.measured import MeasureOptions
from hepad.samples.trigger import Part
from hepad.trigger.logic import CUTOFF

__all__ = ["LatencyOptions"]


@dataclass(frozen=True)
class LatencyOptions:
    """Options of `latency`.

    `tiers`: which, in any order; empty: the quickest one that the budget can be held against; `all`: each whose tool
    is there. `bits` are those of `hepad.trigger.design.Precision` that differ from the defaults. `cutoff` is da4ml's
    largest delay of a stage; nanoseconds are calibrated for the default only. `shallow`: see
    `hepad.trigger.design.Design`. `measure` is for the tier `measured`.
    `output` is a folder for the report and a figure of the throughput. `on_tier` is told how many tiers are done, of
    how many, and which is next.
    """

    budget: str | None = None
    tiers: tuple[str, ...] = ()
    bits: Mapping[str, int] = field(default_factory=dict)
    score: str | None = None
    part: Part = "full"
    cutoff: float = CUTOFF
    shallow: bool = False
    measure: MeasureOptions = field(default_factory=MeasureOptions)
    max_events: int | None = None
    seed: int = 0
    output: Path | None = None
    on_tier: Callable[[int, int, str], None] | None = None
