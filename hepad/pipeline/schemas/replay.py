"""`hepad replay`."""

from __future__ import annotations

from typing import Literal

from typing_extensions import TypedDict

from hepad.pipeline.replay.compare import Difference

__all__ = ["Printed"]


class Printed(TypedDict):
    """An output, and what its command makes now."""

    output: str
    command: str
    status: Literal["identical", "equal", "different"]
    """Bytes; content, in other bytes; or neither."""
    files: int
    """How many were compared."""
    other_bytes: list[str]
    """Files whose bytes differ, but not their content."""
    differences: list[Difference]
    versions: dict[str, tuple[str | None, str | None]]
    """By the package, of those that changed: what it was and is, null where it was or is not there."""
    record: list[str]
    """What else in the two records of provenance differs."""
    kept: str | None
    """The folder in which the new output was left."""
