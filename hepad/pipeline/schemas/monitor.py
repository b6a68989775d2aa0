"""`hepad monitor`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.monitor.report import RunRow
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Printed(TypedDict):
    """All runs beside the reference."""

    model: str
    reference_events: int
    tests: int
    """By whose number p-values are adjusted."""
    alpha: float
    """The adjusted p-value below which a quantity has shifted."""
    min_distance: float
    """The distance below which none has."""
    runs: list[RunRow]
    skipped: list[Skipped]
    """Files that were left out."""
    passed: bool
    """Whether nothing has shifted."""


class Written(Printed):
    """All runs beside the reference, with the provenance."""

    provenance: Provenance
