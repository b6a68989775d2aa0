"""`hepad schema --json` without a name; with one it prints a JSON Schema, whose own is at json-schema.org."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict

__all__ = ["Printed"]


class Name(TypedDict):
    """A schema that there is."""

    name: str
    what: str


Printed = list[Name] | dict[str, Any]
