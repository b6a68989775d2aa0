"""The numbers that a figure shows: what draws it hands them over, and they are written beside it as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from hepad.output.csv_rows import write_csv

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

__all__ = ["keep_matrix", "keep_numbers", "numbers_of", "write_numbers"]

_NUMBERS: WeakKeyDictionary[Figure, list[dict[str, list[Any]]]] = WeakKeyDictionary()


def keep_numbers(drawn: Axes | Figure | SubFigure, /, **columns: object) -> None:
    """Remember what was drawn: columns of numbers or words, or a single one for all rows; None is left out.

    What is known of the first rows alone is a shorter column.
    """
    figure = drawn.get_figure(root=True)
    assert figure is not None  # noqa: S101  what is drawn on has one
    values = {name: np.asarray(given) for name, given in columns.items() if given is not None}
    rows = max((len(column) for column in values.values() if column.ndim), default=1)
    block = {name: column.tolist() if column.ndim else [column.tolist()] * rows for name, column in values.items()}
    _NUMBERS.setdefault(figure, []).append(block)


def keep_matrix(
    drawn: Axes | Figure | SubFigure,
    values: Mapping[str, npt.ArrayLike],
    rows: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
    /,
    **same: object,
) -> None:
    """Remember matrices (r, c) by name, a row of the table for each cell: names of `rows` (r,) and `columns` (c,)."""
    height, width = (len(next(iter(names.values()))) for names in (rows, columns))
    along = {name: np.repeat(np.asarray(given), width) for name, given in rows.items()}
    across = {name: np.tile(np.asarray(given), height) for name, given in columns.items()}
    keep_numbers(drawn, **same, **along, **across, **{name: np.ravel(np.asarray(v)) for name, v in values.items()})


def numbers_of(figure: Figure) -> list[dict[str, Any]]:
    """What was drawn, row by row: by the names of the columns that a row has."""
    return [
        {name: column[i] for name, column in block.items() if i < len(column)}
        for block in _NUMBERS.get(figure, [])
        for i in range(max(map(len, block.values()), default=0))
    ]


def write_numbers(figure: Figure, path: Path) -> None:
    """Write them as CSV, if there are any."""
    rows = numbers_of(figure)
    if not rows:
        return
    header = list(dict.fromkeys(name for row in rows for name in row))
    write_csv(path, [header, *([_cell(row.get(name)) for name in header] for row in rows)])


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
