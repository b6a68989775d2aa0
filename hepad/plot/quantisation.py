"""What a network keeps of its performance when it becomes logic, against what the logic takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, ordered, panel_grid, pick
from hepad.plot.style import COLOURS, GREY, MARKERS, figure_of, hep_style

__all__ = ["Point", "quantisation_figure"]


@dataclass(frozen=True)
class Point:
    """One design: the line it belongs to, its weight bits, and a panel's quantity against its cost.

    `spread` is the standard deviation of y, `best` marks a point that no other one beats in both.
    """

    line: str
    panel: str
    bits: int
    x: float
    y: float
    spread: float | None = None
    best: bool = False


def quantisation_figure(
    points: Sequence[Point],
    references: Sequence[tuple[str, str, float]] = (),
    *,
    xlabel: str,
    ylabel: str,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A panel for each signal: a line for each model, its points labelled with the weight bits, the best ones filled.

    `references` are (line, panel, value) of the models in floating point, drawn as dashed lines in their colour.
    """
    panels, lines = ordered(point.panel for point in points), ordered(point.line for point in points)
    with hep_style():
        figure, grid = panel_grid(len(panels), min(len(panels), 2), ax=ax)
        for panel, axes in zip(panels, grid, strict=True):
            for i, line in enumerate(lines):
                own = sorted((p for p in points if (p.line, p.panel) == (line, panel)), key=lambda p: p.bits)
                _draw(axes, own, line, pick(COLOURS, i), pick(MARKERS, i))
            for line, where, value in references:
                if where == panel and line in lines:
                    axes.axhline(value, color=pick(COLOURS, lines.index(line)), ls=(0, (5, 3)), lw=1.1, zorder=0)
            axes.set_title(panel, fontsize=15, pad=26)
            axes.margins(x=0.08, y=0.08)
            axes.label_outer()
            axes.autoscale_view()
        for axes in grid[-min(len(panels), 2) :]:
            axes.set_xlabel(xlabel)
            axes.xaxis.set_major_locator(MaxNLocator(5))
        for axes in grid[:: min(len(panels), 2)]:
            axes.set_ylabel(ylabel)
        draw_context(grid[0], context, right=grid[min(len(grid), 2) - 1], caption="numbers: weight bits")
        legend_above(figure, grid[0].get_legend_handles_labels()[0])
        for p in points:
            keep_numbers(
                figure, panel=p.panel, line=p.line, weight_bits=p.bits, **{xlabel: p.x, ylabel: p.y}, spread=p.spread
            )
        for line, where, value in references:
            keep_numbers(figure, panel=where, line=line, floating_point=value)
    return figure_of(grid[0])


def _draw(ax: Axes, points: Sequence[Point], line: str, colour: str, marker: str) -> None:
    ax.plot([p.x for p in points], [p.y for p in points], color=colour, lw=1.2, marker=marker, mfc="white", label=line)
    bars = [p for p in points if p.spread]
    ax.errorbar([p.x for p in bars], [p.y for p in bars], [p.spread or 0.0 for p in bars], color=colour, ls="", lw=1.2)
    best = [p for p in points if p.best]
    ax.plot([p.x for p in best], [p.y for p in best], color=colour, ls="", marker=marker)
    for p in points:
        ax.annotate(str(p.bits), (p.x, p.y), textcoords="offset points", xytext=(6, -9), fontsize="x-small", color=GREY)
