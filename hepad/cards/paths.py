"""Paths in cards, which stay below the card's own folder."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

__all__ = ["inside"]


def inside(value: str | None) -> str | None:
    """A path below the card's own folder; `ValueError` for whatever leaves that folder."""
    if value is None:
        return None
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or "\\" in value or re.match(r"[A-Za-z]:", value):
        raise ValueError(f"{value!r} must be a path below the card's own folder")
    return value
