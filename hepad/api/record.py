"""What all results of the API can do: be plotted, be plain JSON, be a small table in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hepad.output.document import Heading, Table, Text
from hepad.output.page import to_html_part

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from hepad.output.figure_context import FigureContext

__all__ = ["Record"]

Row = Sequence[str]


class Record(ABC):
    """A result: frozen, with `plot(ax=None)`, `to_json()` and a table for notebooks."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The result in plain JSON types, under the keys of the command's `--json`."""

    @abstractmethod
    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        """A title, a header and rows for people."""

    @abstractmethod
    def _draw(self, ax: Axes) -> None:
        """Draw the result on axes."""

    def _remarks(self) -> Sequence[str]:
        """What a reader of the result must know."""
        return ()

    def plot(self, ax: Axes | None = None, *, context: FigureContext | None = None) -> Axes:
        """Draw the result on `ax`, or on axes of a new pyplot figure in hepad's style, and return the axes.

        A `context` says above them whose data they are, at which energy, or whatever else is known.
        """
        axes = _new_axes() if ax is None else ax
        self._draw(axes)
        if context is not None:
            from hepad.plot.context import draw_context

            draw_context(axes, context)
        return axes

    def _repr_html_(self) -> str:
        """The table for a notebook; names from files are escaped."""
        title, header, rows = self._table()
        remarks = [Text(f"Warning: {remark}") for remark in self._remarks()]
        return to_html_part([Heading(title, 4), Table(header, rows), *remarks])

    def __repr__(self) -> str:
        title, header, rows = self._table()
        lines = [[str(cell) for cell in row] for row in (header, *rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
        cells = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
        return "\n".join([title, *(f"  {line.rstrip()}" for line in cells)])


def _new_axes() -> Axes:
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    from hepad.plot.style import hep_style

    with hep_style():
        axes = plt.figure(figsize=(8, 6), layout="constrained").subplots()
        shows = mpl.is_interactive()  # a notebook's backend wakes up with its first figure, and sets what must last
    mpl.interactive(shows)
    return axes
