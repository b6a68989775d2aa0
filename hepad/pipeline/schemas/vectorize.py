"""`hepad vectorize`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.schemas.parts import CutStep

__all__ = ["Printed"]


class Printed(TypedDict):
    """The cut flow, and what was written."""

    events: int
    """Events that were read."""
    selected: int
    """Events that pass the selection: the rows of the output."""
    cutflow: list[CutStep]
    skipped: list[Skipped]
    """Files that were left out."""
    columns: list[str]
    """The names of the columns of `x`, in order."""
    output: str
    """The file with the rows."""
