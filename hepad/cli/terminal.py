"""The console that shows foreign text as it is, and tables that keep their numbers whole. Imports rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

from hepad.printable import printable

__all__ = ["Terminal", "show_table"]

_GAP = 3
"""Columns of a terminal beside a cell: a blank on either side, and one between cells."""
_NAME, _TEXT, _NUMBER, _LEAST = 30, 24, 40, 8
"""Where cells are folded: names of the first column, which one types, other texts, and what is too long for a number.

Texts are brought to the least only where nothing else helps.
"""


class Terminal(Console):
    """Prints each string on a line of its own, whatever characters it holds; nothing in it is markup."""

    def __init__(self, *, to_stderr: bool = False, quiet: bool = False) -> None:
        super().__init__(stderr=to_stderr, quiet=quiet, highlight=False, markup=False, emoji=False)
        self.soft_wrap = not self.is_terminal

    def print(self, *objects: Any, **options: Any) -> None:
        """Print; strings are made printable."""
        super().print(*(printable(item) if isinstance(item, str) else item for item in objects), **options)

    def status(self, status: Any, **options: Any) -> Any:
        """Show what is going on, if anybody looks."""
        return super().status(printable(status) if isinstance(status, str) else status, **options)


def show_table(
    console: Terminal, title: str, header: Sequence[str], rows: Sequence[Sequence[str]], *, numbers_from: int
) -> None:
    """Print a table; columns from `numbers_from` on are aligned to the right and never cut or broken.

    Where a terminal is too narrow texts are folded, and what does not fit even then follows as a further table with
    the same texts, or with the first column if there are only texts. Files and pipes have no width.
    """
    rows = [[printable(cell) for cell in row] for row in rows]
    limit = console.width if console.is_terminal else None
    console.print(title, style="bold")
    for block in _blocks([_column(i, header, rows, numbers_from) for i in range(len(header))], limit):
        table = Table(box=box.SIMPLE_HEAD)
        for column, width in block:
            justify: Literal["left", "right"] = "right" if column.number else "left"
            table.add_column(header[column.place], justify=justify, overflow="fold", width=width)
        for row in rows:
            table.add_row(*(row[column.place] for column, _ in block))
        console.width = max(console.width, _total([width for _, width in block]))
        console.print(table, soft_wrap=False)


@dataclass(frozen=True)
class _Column:
    """A column, its width as it is, and the least that it is brought to where that is too much."""

    place: int
    number: bool
    natural: int
    least: int
    key: bool


def _column(place: int, header: Sequence[str], rows: Sequence[Sequence[str]], numbers_from: int) -> _Column:
    number = place >= numbers_from
    cells = [row[place] for row in rows]
    natural = max(map(cell_len, [header[place], *cells]))
    whole = max(map(cell_len, [*(header[place].split() or [""]), *cells]))  # headings are folded between words
    least = min(whole, _NUMBER) if number else min(natural, _TEXT if place else _NAME)
    return _Column(place, number, natural, least, key=place == 0 or (not number and numbers_from < len(header)))


def _total(widths: Sequence[int]) -> int:
    return sum(width + _GAP for width in widths) + 1


def _blocks(columns: Sequence[_Column], limit: int | None) -> list[list[tuple[_Column, int]]]:
    """The tables to print: their columns with widths."""
    if limit is None or _total([column.natural for column in columns]) <= limit:
        return [[(column, column.natural) for column in columns]]
    keys = [column for column in columns if column.key]
    blocks: list[list[_Column]] = []
    for column in (column for column in columns if not column.key):
        if not blocks or _total([each.least for each in (*blocks[-1], column)]) > limit:
            blocks.append(list(keys))
        blocks[-1].append(column)
    return [_fitted(block, limit) for block in blocks or [keys]]


def _fitted(block: Sequence[_Column], limit: int) -> list[tuple[_Column, int]]:
    """Widths within the limit, if there are any: taken from the widest first, from names only where needed."""
    widths = [column.natural for column in block]
    for least in ([column.least for column in block], [c.least if c.number else _LEAST for c in block]):
        while _total(widths) > limit and any(width > low for width, low in zip(widths, least, strict=True)):
            widest = max((width, i) for i, width in enumerate(widths) if width > least[i])[1]
            widths[widest] -= 1
    return list(zip(block, widths, strict=True))
