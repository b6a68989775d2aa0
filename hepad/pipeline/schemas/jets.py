"""`hepad jets`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped

__all__ = ["Printed"]


class Made(TypedDict):
    """Jets that were found in events."""

    events: int
    """Events that were read."""
    with_jets: int
    """Those that have one."""
    jets: int
    skipped: list[Skipped]
    """Files that were left out."""
    output: str | None
    """The file with the jets."""


class Combined(TypedDict):
    """Scores of events, made of those of their jets."""

    events: int
    scored: int
    """Events with a jet that has a score."""
    output: str


class Tabulated(TypedDict):
    """The leading jets of each event side by side."""

    events: int
    rows: int
    """Events with so many jets."""
    columns: list[str]
    """Their names, in order."""
    output: str


Printed = Made | Combined | Tabulated
