"""Tables as comma-separated values, which open in a spreadsheet as what they are: the only place that writes them.

Tables of numbers alone that hepad reads back are written where they are read (`hepad.search.bins`, the spectra of
`hepad fit`).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hepad.printable import is_number, printable

__all__ = ["csv_records", "csv_text", "write_csv"]

_FORMULA = ("=", "+", "-", "@")
"""Spreadsheets take a text that begins so for a formula, and do what it says."""


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """The rows as text; None is an empty cell.

    Text that a spreadsheet would take for a formula, such as a file's name, has an apostrophe in front; numbers, also
    those that come as text, are as they are.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([_cell(cell) for cell in row] for row in rows)
    return text.getvalue()


def csv_records(records: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """Records as rows below their names, by default all that occur; an empty cell for what a record does not have."""
    names = list(dict.fromkeys(name for record in records for name in record)) if names is None else names
    return csv_text([names, *([record.get(name) for name in names] for record in records)])


def write_csv(path: Path, rows: Iterable[Iterable[object]]) -> None:
    """Write what `csv_text` gives."""
    path.write_text(csv_text(rows), encoding="utf-8", newline="")


def _cell(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    quote = "'" if cell.startswith(_FORMULA) and not is_number(cell) else ""
    return quote + printable(cell)
