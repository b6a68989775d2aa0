"""`hepad hist`; its other output is a UHI histogram, whose schema is at https://github.com/scikit-hep/uhi."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.schemas.parts import CutStep

__all__ = ["Printed"]


class Filled(TypedDict):
    """A histogram."""

    sum: float
    """The sum of weights within the range."""
    underflow_overflow: float
    """The sum of weights outside of it."""


class Printed(TypedDict):
    """The cut flow, and what was filled."""

    events: int
    """Events that were read."""
    selected: int
    """Events that pass the selection."""
    cutflow: list[CutStep]
    histograms: dict[str, Filled]
    """By name: the mass, and the region."""
    skipped: list[Skipped]
    """Files that were left out."""
    output: list[str]
    """The files that hold the histograms."""
