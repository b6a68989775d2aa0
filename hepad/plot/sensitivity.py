"""How sensitive several methods are: curves over the cross section, and improvements as a table of colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure, SubFigure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator
from scipy.special import log_ndtr

from hepad.output.figure_numbers import keep_matrix, keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import label_outer, legend_above, ordered, panel_grid, pick
from hepad.plot.style import COLOURS, DASHES, GREY, MARKERS, RED, figure_of, frame, hep_style

__all__ = ["GainTable", "SensitivityLine", "draw_points", "gain_figure", "p_figure", "sensitivity_figure"]

FloatArray = npt.NDArray[np.float64]

_DEEPEST = -17.0
"""Decades of the smallest p-value that is drawn; curves go on beyond the frame."""
_SIGMAS = (1, 2, 3, 4, 5, 6, 8, 10)


@dataclass(frozen=True)
class SensitivityLine:
    """A method of a panel: cross sections (k,) in fb, and of some quantity median, least and largest (k,)."""

    method: str
    x: FloatArray
    median: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class GainTable:
    """Improvements (rows, columns) over the best classical method, and their words; NaN where there is none."""

    title: str
    values: FloatArray
    words: Sequence[Sequence[str]]


def p_figure(
    panels: Mapping[str, Sequence[SensitivityLine]], *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """The p-value against the cross section, a panel a signal; lines have natural logarithms of p-values."""
    with hep_style():
        figure, grid = _panels(panels, ax)
        decades = [line.median / np.log(10) for lines in panels.values() for line in lines]
        known = np.concatenate([values[np.isfinite(values)] for values in decades])
        lowest = max(_DEEPEST, min(-6.5, float(known.min(initial=0.0)) * 1.05))
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            for z in (z for z in _SIGMAS if log_ndtr(-z) / np.log(10) > lowest):
                level = log_ndtr(-float(z)) / np.log(10)
                strong = z == 5
                axes.axhline(level, color=RED, linewidth=1.6 if strong else 0.7, linestyle=(0, (5, 2)), zorder=0)
                where = axes.get_yaxis_transform()
                axes.text(1.01, level, rf"{z}$\sigma$", color=RED, va="center", fontsize=11, transform=where)
            _draw(axes, title, lines, scale=1 / np.log(10))
            axes.set_ylim(lowest, 0.4)
            step = 2 if lowest < -9 else 1
            ticks = list(range(0, int(lowest) - 1, -step))
            axes.set_yticks(ticks, [rf"$10^{{{tick}}}$" if tick else "1" for tick in ticks])
            axes.yaxis.set_minor_locator(NullLocator())
        return _finished(figure, grid, panels, "Local $p$-value", context)


def sensitivity_figure(
    panels: Mapping[str, Sequence[SensitivityLine]],
    *,
    y_title: str,
    top: float | None = None,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A quantity against the cross section, a panel a signal; the axis ends at `top`, or where the curves do."""
    with hep_style():
        figure, grid = _panels(panels, ax)
        for axes, (title, lines) in zip(grid, panels.items(), strict=True):
            axes.axhline(1.0, color=GREY, linewidth=1.0, linestyle=":", zorder=0)
            _draw(axes, title, lines)
        tops = [line.high[np.isfinite(line.high)].max(initial=1.0) for lines in panels.values() for line in lines]
        grid[0].set_ylim(0, max(tops) * 1.25 if top is None else top)
        return _finished(figure, grid, panels, y_title, context)


def gain_figure(
    tables: Sequence[GainTable],
    *,
    rows: Sequence[str],
    columns: Sequence[str],
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Improvements as colours and words, a panel a table: rows are signals, columns methods."""
    with hep_style():
        width = 1.5 + 1.55 * len(columns)
        size = (3.2 + width * len(tables), 2.6 + 0.75 * len(rows))
        figure = frame(ax, size)
        grid = figure.subplots(1, len(tables), sharey=True, squeeze=False)[0]
        norm = LogNorm(1 / 8, 8)
        for axes, table in zip(grid, tables, strict=True):
            image = axes.imshow(table.values, cmap="RdBu_r", norm=norm, aspect="auto")
            axes.set_facecolor("#e8e8e8")
            axes.set_title(table.title, fontsize=15, pad=26)
            axes.set_xticks(range(len(columns)), columns, rotation=30, ha="right", fontsize=14)
            axes.set_yticks(range(len(rows)), rows, fontsize=14)
            axes.xaxis.set_minor_locator(NullLocator())
            axes.yaxis.set_minor_locator(NullLocator())
            axes.tick_params(length=0)
            for row, words in enumerate(table.words):
                for column, text in enumerate(words):
                    value = table.values[row, column]
                    dark = np.isfinite(value) and not 1 / 3.5 < value < 3.5
                    axes.text(
                        column, row, text, ha="center", va="center", fontsize=14, color="white" if dark else "black"
                    )
        bar = figure.colorbar(image, ax=list(grid), shrink=0.9, pad=0.02, extend="both")
        bar.set_ticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8], labels=["1/8", "1/4", "1/2", "1", "2", "4", "8"])
        bar.ax.yaxis.set_minor_locator(NullLocator())
        bar.set_label("Improvement", fontsize=14)
        draw_context(grid[0], context, right=grid[-1])
        for table in tables:
            keep_matrix(
                figure, {"improvement": table.values}, {"signal": rows}, {"method": columns}, quantity=table.title
            )
        return figure_of(grid[0])


def draw_points(
    ax: Axes, points: Mapping[str, tuple[Sequence[float], Sequence[bool]]], signals: Sequence[str], *, y_title: str
) -> None:
    """Numbers of each method on a logarithmic axis, a place a signal; those that are only a bound are drawn open."""
    for index, (method, (values, bounds)) in enumerate(points.items()):
        colour, marker = _look(index)
        x = np.arange(len(signals)) + 0.6 * ((index + 0.5) / len(points) - 0.5)
        faces = ["white" if bound else colour for bound in bounds]
        ax.scatter(x, values, s=45, c=faces, edgecolors=colour, marker=marker)
        ax.plot([], [], color=colour, marker=marker, linestyle="", label=method)
    ax.set_yscale("log")
    ax.set_xlim(-0.6, len(signals) - 0.4)
    ax.set_xticks(range(len(signals)), signals)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel("Signal")
    ax.set_ylabel(y_title)
    ax.legend(fontsize=12)


def _panels(panels: Mapping[str, Sequence[SensitivityLine]], ax: Axes | None) -> tuple[Figure | SubFigure, list[Axes]]:
    return panel_grid(len(panels), _columns(panels), ax=ax)


def _columns(panels: Mapping[str, Sequence[SensitivityLine]]) -> int:
    return min(3, len(panels))


def _methods(panels: Mapping[str, Sequence[SensitivityLine]]) -> list[str]:
    return ordered(line.method for lines in panels.values() for line in lines)


def _look(index: int) -> tuple[str, str]:
    return pick(COLOURS, index), pick(MARKERS, index)


def _line(index: int, method: str) -> Line2D:
    colour, marker = _look(index)
    dashes = pick(DASHES, index // len(COLOURS))
    return Line2D([], [], color=colour, marker=marker, markersize=6, linestyle=dashes, label=method)


def _draw(axes: Axes, title: str, lines: Sequence[SensitivityLine], scale: float = 1.0) -> None:
    for index, line in enumerate(lines):
        colour, marker = _look(index)
        shown = (line.x > 0) & np.isfinite(line.median)
        x = line.x[shown]
        low, median, high = (scale * values[shown] for values in (line.low, line.median, line.high))
        axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
        dashes = pick(DASHES, index // len(COLOURS))
        axes.plot(x, median, color=colour, marker=marker, markersize=5, linewidth=1.6, linestyle=dashes)
    axes.set_title(title, fontsize=15, pad=26)


def _finished(
    figure: Figure | SubFigure,
    grid: Sequence[Axes],
    panels: Mapping[str, Sequence[SensitivityLine]],
    y_title: str,
    context: FigureContext | None,
) -> Figure:
    _cross_sections(grid[0], [line.x for lines in panels.values() for line in lines])
    label_outer(grid, _columns(panels), x="Cross section [fb]", y=y_title)
    legend_above(figure, [_line(i, method) for i, method in enumerate(_methods(panels))])
    draw_context(grid[0], context, right=grid[_columns(panels) - 1])
    for signal, lines in panels.items():
        for line in lines:
            keep_numbers(
                figure,
                signal=signal,
                method=line.method,
                cross_section_fb=line.x,
                median=line.median,
                low=line.low,
                high=line.high,
            )
    return figure_of(grid[0])


def _cross_sections(axes: Axes, values: Sequence[FloatArray]) -> None:
    """A logarithmic axis, shared by all panels, with plain numbers: they reach over a decade or two."""
    every = np.concatenate(values)
    low, high = every[every > 0].min() / 1.25, every.max() * 1.25
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))))
    ticks = [digit * 10.0**decade for decade in decades for digit in (1, 2, 5)]
    if high / low > 300:
        ticks = [10.0**decade for decade in decades]
    shown = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.xaxis.set_minor_formatter(NullFormatter())
