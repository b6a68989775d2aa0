"""Figure of two triggers at the same rate: what each keeps of signals, and what they keep together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import label_outer, legend_above, ordered, panel_grid, pick
from hepad.plot.style import COLOURS, figure_of, hep_style

__all__ = ["BesideLine", "beside_figure"]

Interval = tuple[float, float, float]

_MARKERS = "oD^s"


@dataclass(frozen=True)
class BesideLine:
    """Efficiencies of a signal by the name of what keeps it, each (value, low, high) with its interval, from 0 to 1."""

    panel: str
    signal: str
    efficiencies: Mapping[str, Interval]


def beside_figure(
    lines: Sequence[BesideLine], *, context: FigureContext | None = None, caption: str = "", ax: Axes | None = None
) -> Figure:
    """A panel a model and working point, a row a signal, a mark a trigger, in per cent. `ValueError` without a line."""
    if not lines:
        raise ValueError("there are no triggers to compare")
    panels, signals = ordered(line.panel for line in lines), ordered(line.signal for line in lines)
    with hep_style():
        columns = min(2, len(panels))
        figure, grid = panel_grid(len(panels), columns, ax=ax)
        if isinstance(figure, Figure):
            width, height = figure.get_size_inches()
            figure.set_size_inches(width, max(height, (1.4 + 0.5 * len(signals)) * -(-len(panels) // columns)))
        for axes, panel in zip(grid, panels, strict=True):
            for line in (each for each in lines if each.panel == panel):
                at, names = signals.index(line.signal), list(line.efficiencies)
                for i, name in enumerate(names):
                    value, low, high = (100 * number for number in line.efficiencies[name])
                    y = at + 0.5 * ((i + 0.5) / len(names) - 0.5)
                    sides = [[max(value - low, 0)], [max(high - value, 0)]]
                    colour, marker = pick(COLOURS, i), pick(_MARKERS, i)
                    label = name if at == 0 else None
                    axes.errorbar([value], [y], xerr=sides, fmt=marker, color=colour, ms=6, lw=1.4, label=label)
            axes.set_title(panel, fontsize=15, pad=24)
        grid[0].set(xlim=(-3, 103), ylim=(len(signals) - 0.5, -0.5))
        grid[0].set_yticks(np.arange(len(signals)), signals)
        for axes in grid:
            axes.tick_params(axis="y", which="major", labelsize=13)
            axes.tick_params(axis="y", which="minor", length=0)
        label_outer(grid, columns, x="Efficiency [%]")
        draw_context(grid[0], context, right=grid[columns - 1], caption=caption)
        legend_above(figure, grid[0].get_legend_handles_labels()[0])
        for line in lines:
            for name, (value, low, high) in line.efficiencies.items():
                numbers = {"efficiency": value, "low": low, "high": high}
                keep_numbers(figure, panel=line.panel, signal=line.signal, trigger=name, **numbers)
    return figure_of(grid[0])
