"""`hepad export`; `export.json` is of `hepad schema export`."""

from __future__ import annotations

from hepad.cards.export import ExportCard

__all__ = ["Printed"]


class Printed(ExportCard):
    """What is in `export.json`, and where it was written; a key without a value is left out."""

    output: str
