"""`hepad list`."""

from __future__ import annotations

from typing import Any

from hepad.bundles.citation import Citation

__all__ = ["Printed"]

Rows = list[dict[str, Any]]
Printed = dict[str, list[str]] | list[Citation] | Rows
