"""`hepad score`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.schemas.parts import CutStep
from hepad.pipeline.score import RegionCount

__all__ = ["Printed"]


class Printed(TypedDict):
    """Events, the cut flow, and what is in the regions."""

    events: int
    """Events that were read."""
    selected: int
    """Events that pass the selection."""
    cutflow: list[CutStep]
    regions: dict[str, RegionCount]
    """By the name of the region."""
    quantiles: dict[str, float]
    """Of the default score over selected events, by the quantile, as "0.5"."""
    model: str
    selection: str
    skipped: list[Skipped]
    """Files that were left out."""
    output: str | None
    """The file with the scores."""
