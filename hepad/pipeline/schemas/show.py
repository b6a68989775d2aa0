"""`hepad show`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.pipeline.schemas.list import AnyRow

__all__ = ["Printed"]


class Thing(TypedDict):
    """Something that ships."""

    kind: str
    name: str
    row: AnyRow
    """That of `hepad list KIND`."""
    card: str
    """All of it, as YAML."""


Printed = list[Thing]
