"""What `--progress json` writes to stderr."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

__all__ = ["Line"]


class Line(TypedDict):
    """A line that says how far a command is; there may be others on stderr, which are no JSON."""

    progress: str
    """What is counted."""
    done: int
    of: int | None
    """Of how many; null if that is not known."""
    seconds: float
    """Since the first line of this count."""
    note: NotRequired[str]
