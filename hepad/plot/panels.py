"""What figures of several panels share: layout, the header above the axes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure, SubFigure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from hepad.plot.style import figure_of, frame

Floats = npt.NDArray[np.float64]

__all__ = [
    "MOST_WITHIN",
    "label_outer",
    "legend_above",
    "legend_beside_curves",
    "legend_clear",
    "log_numbers",
    "ordered",
    "panel_grid",
    "pick",
    "sigmas",
    "span",
]


MOST_WITHIN = 6
"""Entries of a legend within the axes; more of them would take half of the axes."""

_MARKUP = re.compile(r"[${}_^]|(?<=\\[a-z])[a-z]+")
"""What takes no room of a formula: a command is about as wide as a letter or two."""


def panel_grid(count: int, columns: int, *, ax: Axes | None = None) -> tuple[Figure | SubFigure, list[Axes]]:
    """A figure and its `count` axes, row by row; in place of `ax`."""
    rows = -(-count // columns)
    size = (0.8 + 4.6 * columns, 0.6 + 4.0 * rows) if columns > 1 else (8.0, 5.8)
    figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
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


def legend_above(
    figure: Figure | SubFigure,
    handles: Sequence[Any],
    *,
    title: str | None = None,
    size: float = 14,
    markers: float = 1.0,
) -> Legend:
    """A legend above all axes, in as many columns as there is room for; a figure of ours grows by its height.

    Beside the axes it would make figures half as wide again, which leaves slides little of them. Markers are so many
    times as large as those that are drawn.
    """
    names = [str(handle.get_label()) for handle in handles]
    width, height = figure.bbox.width / figure.dpi, figure.bbox.height / figure.dpi
    # An average letter is half as wide as it is high; before it the line and gaps.
    longest = max(len(_MARKUP.sub("", line)) for name in names for line in name.split("\n"))
    columns = max(1, min(len(names), int((width - 0.4) * 72 / size / (0.52 * longest + 4.2))))
    rows = -(-len(names) // columns)
    lines = max(name.count("\n") + 1 for name in names) * rows + (title.count("\n") + 1 if title else 0)
    if isinstance(figure, Figure):
        figure.set_size_inches(width, height + (1.25 * lines + 0.4) * size / 72)
    found = figure.legend(
        handles=handles,
        loc="outside upper left",
        ncols=columns,
        title=title,
        alignment="left",
        frameon=False,
        fontsize=size,
        handlelength=2.6,
        markerscale=markers,
        columnspacing=1.4,
        borderpad=0.2,
    )
    found.get_title().set_fontsize(size)
    found.get_title().set_multialignment("left")
    return found


def legend_clear(axes: Axes, handles: Sequence[Any], *, within: bool, markers: float = 1.0) -> None:
    """A legend above all axes of a figure of ours; `within` axes of somebody else's, above which is no room of ours."""
    if within:
        look: dict[str, Any] = {"frameon": False, "handlelength": 2.6, "borderpad": 0.2}
        axes.legend(loc="best", handles=handles, markerscale=markers, **look)
    else:
        legend_above(figure_of(axes), handles, markers=markers)


def legend_beside_curves(
    axes: Axes,
    curves: Sequence[tuple[Floats, Floats]],
    *,
    handles: Sequence[Artist] | None = None,
    title: str | None = None,
    lower: bool = False,
    size: float = 14,
) -> Legend:
    """A legend within axes on the side that the curves leave free, and no more of an axis than that takes.

    It is of all that is drawn there, or of the `handles` given. `curves` are x, rising, and y, arrays (n,) each; what
    is not finite is none. The end of the y axis moves outwards so far that they are clear of the legend, in the upper
    corner, or the `lower`, that asks for less of it.
    """
    look: dict[str, Any] = {"alignment": "left", "frameon": False, "fontsize": size, "handlelength": 2.2}
    chosen: dict[str, Any] = {} if handles is None else {"handles": handles}
    legend = axes.legend(**chosen, title=title, borderpad=0.3, **look)
    legend.get_title().set_fontsize(size)
    legend.get_title().set_multialignment("left")
    box, frame = legend.get_window_extent(), axes.get_window_extent()
    pad = size * figure_of(axes).dpi / 72  # of the legend from the frame, and as much again
    wide, high = (box.width + pad) / frame.width, (box.height + pad) / frame.height
    to_x, to_y = axes.xaxis.get_transform(), axes.yaxis.get_transform()
    (left, right), (bottom, top) = to_x.transform(axes.get_xlim()), to_y.transform(axes.get_ylim())
    sign = -1.0 if lower else 1.0
    start, end = (-top, -bottom) if lower else (bottom, top)
    ends = {}
    for side in ("right", "left"):
        reach = [end]
        for x, y in curves:
            shown = np.isfinite(x) & np.isfinite(y)
            if not np.any(shown):
                continue
            places, heights = (to_x.transform(x[shown]) - left) / (right - left), sign * to_y.transform(y[shown])
            grid = np.linspace(places[0], places[-1], 200)
            under = grid > 1 - wide if side == "right" else grid < wide
            on_grid = np.interp(grid, places, heights)
            reach.append(start + (on_grid[under].max(initial=start) - start) / max(1 - high, 0.2))
        ends[side] = max(reach)
    right_hand = ends["right"] <= ends["left"]
    limit = float(to_y.inverted().transform(sign * min(ends.values())))
    if lower:
        axes.set_ylim(bottom=limit)
        legend.set_loc("lower right" if right_hand else "lower left")
    else:
        axes.set_ylim(top=limit)
        legend.set_loc("upper right" if right_hand else "upper left")
    return legend


def sigmas(name: str, bands: Floats) -> dict[str, Floats]:
    """Columns of a table for bands (n, 5) at -2 to 2 standard deviations: `NAME_-2sigma`, ..., the median is `NAME`."""
    ends = ("_-2sigma", "_-1sigma", "", "_+1sigma", "_+2sigma")
    return {f"{name}{end}": bands[:, i] for i, end in enumerate(ends)}


def span(values: Floats) -> tuple[float, float]:
    """Limits of an axis a little beyond the first and last of values (n,): points and numbers do not stick out."""
    margin = 0.03 * float(values[-1] - values[0])
    return float(values[0]) - margin, float(values[-1]) + margin


def log_numbers(axis: Axis, low: float, high: float) -> None:
    """Numbers of a logarithmic axis that do not collide: powers of ten, within two decades 2 and 5, within one 3."""
    axis.set_minor_formatter(NullFormatter())
    if high < 100 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high > 10 * low else (1.0, 2.0, 3.0, 5.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def ordered(names: Iterable[str]) -> list[str]:
    """The distinct names in the order in which they come first."""
    return list(dict.fromkeys(names))


def pick(choices: Sequence[Any], index: int) -> Any:
    """The choice at an index, from the beginning again after the last."""
    return choices[index % len(choices)]
