"""`hepad inspect`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.io.events import SampleInfo
from hepad.pipeline.inspect import ObjectsFound

__all__ = ["Printed"]


class Runs(TypedDict):
    """Whether a selection can run on the file."""

    runs: bool
    lacks: list[str]


class File(TypedDict):
    """What is in a file."""

    file: str
    format: str
    entries: int
    objects: dict[str, ObjectsFound]
    """`mean_count` an event is that of the first events."""
    selections: dict[str, Runs]
    """Those that ship."""
    regions: list[str]
    """Of a file of scores."""
    model: str | None
    """Of a file of scores."""
    sample: SampleInfo
    others: dict[str, list[str]]
    """Branches that hold collections of a kind beside the usual one."""
    triggers: list[str]
    labels: list[str]
    """What events may have been simulated as."""


Printed = list[File]
