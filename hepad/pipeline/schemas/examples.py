"""`hepad examples`."""

from __future__ import annotations

from typing_extensions import TypedDict

__all__ = ["Printed"]


class Printed(TypedDict):
    """What was written."""

    output: str
    """The folder."""
    files: list[str]
    """Relative to it."""
