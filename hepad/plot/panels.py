"""What figures of several panels share: layout, the header above the axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hepad.plot.style import figure_of

__all__ = ["SIMULATION", "header", "label_outer", "legend", "log_numbers", "ordered", "panel_grid", "pick"]

SIMULATION = "Simulation (Delphes)"
"""The label of private simulation; never the name of an experiment."""


def panel_grid(count: int, columns: int) -> tuple[Figure, list[Axes]]:
    """A figure with room for a legend on the right, and its `count` axes, row by row."""
    rows = -(-count // columns)
    size = (2.8 + 4.6 * columns, 0.6 + 4.0 * rows) if columns > 1 else (9.4, 5.8)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
    grid = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel())
    for spare in grid[count:]:
        spare.remove()
    return figure, grid[:count]


def label_outer(grid: Sequence[Axes], columns: int, *, x: str, y: str | None = None) -> None:
    """Titles of axes, row by row: of x below the lowest panel of each column, of y at the first of each row."""
    for place, axes in enumerate(grid):
        if place + columns >= len(grid):
            axes.set_xlabel(x)
            axes.tick_params(labelbottom=True)
        if y is not None and place % columns == 0:
            axes.set_ylabel(y)


def header(left: Axes, right: Axes, simulation: bool, caption: str) -> None:
    """Above the axes: the label of private simulation on the left, a caption on the right."""
    if simulation:
        left.text(0, 1.015, SIMULATION, transform=left.transAxes, ha="left", va="bottom", fontstyle="italic")
    if caption:
        right.text(1, 1.015, caption, transform=right.transAxes, ha="right", va="bottom", fontsize="small")


def legend(axes: Axes, *, beside: Literal["outside right upper"] | None, **options: Any) -> None:
    """A legend beside all axes of the figure; within these where `beside` is None: what stands beside is not ours."""
    if beside is None:
        axes.legend(loc="best", **options)
    else:
        figure_of(axes).legend(loc=beside, **options)


def log_numbers(axis: Axis, low: float, high: float) -> None:
    """Numbers of a logarithmic axis that do not run into one another: powers of ten, below two decades also 2 and 5."""
    axis.set_minor_formatter(NullFormatter())
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ordered(names: Iterable[str]) -> list[str]:
    """The distinct names in the order in which they come first."""
    return list(dict.fromkeys(names))


def pick(choices: Sequence[Any], index: int) -> Any:
    """The choice at an index, from the beginning again after the last."""
    return choices[index % len(choices)]
