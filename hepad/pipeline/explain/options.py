"""How a score is to be explained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hepad.cards.analysis import RegionSpec
from hepad.execution.run import OnEvents
from hepad.io.reader import DEFAULT_STEP_SIZE

__all__ = ["ExplainOptions"]


@dataclass(frozen=True)
class ExplainOptions:
    """Options of `explain`; `top` is how many events of the highest score are explained one by one.

    `output` None is for a report that is not written.

    Of images: `score` names the score, None for the model's first; `region` is that of the bundle whose events are
    looked at, None for all selected ones, and `regions` are new ones; the mean is over at most `mean_of` events, evenly
    spaced.
    """

    output: Path | None = None
    top: int = 20
    selection: str | None = None
    score: str | None = None
    region: str | None = None
    regions: Mapping[str, RegionSpec] = field(default_factory=dict)
    mean_of: int = 200
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_events: OnEvents | None = None
