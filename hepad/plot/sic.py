"""Figure of the significance improvement that a cut on a score brings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import StrMethodFormatter

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import (
    MOST_WITHIN,
    label_outer,
    legend_above,
    legend_beside_curves,
    ordered,
    panel_grid,
    pick,
)
from hepad.plot.style import COLOURS, DASHES, GREY, MARKERS, figure_of, hep_style

__all__ = ["SicLine", "sic_figure"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SicLine:
    """eps_s / sqrt(eps_b) at rising signal efficiencies, arrays of shape (m,), and its band if there is one.

    NaN is not drawn; where only `high` is NaN the band has no upper end. `best` is (signal efficiency, value) of the
    maximum, which is marked.
    """

    model: str
    signal: str
    signal_efficiency: Floats
    value: Floats
    low: Floats | None = None
    high: Floats | None = None
    best: tuple[float, float] | None = None


def sic_figure(
    lines: Sequence[SicLine],
    *,
    band: str = "68 % bootstrap",
    floor: str = "",
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Significance improvement against signal efficiency: a panel for each signal, a colour for each model.

    The y axis is logarithmic if the largest values of the signals differ by more than a factor of 3. `band` names the
    band and `floor` the least background of a point in the legend; `context` and `caption` as in
    `hepad.plot.roc.roc_figure`. `ValueError` without a line.
    """
    if not lines:
        raise ValueError("there is no significance improvement to draw")
    models, signals = ordered(line.model for line in lines), ordered(line.signal for line in lines)
    low, high, on_log = _limits(lines)
    with hep_style():
        columns = min(math.ceil(math.sqrt(len(signals))), 3)
        figure, shown = panel_grid(len(signals), columns, ax=ax)
        handles = _handles(models, lines, band, floor)
        within = len(signals) == 1 and len(handles) <= MOST_WITHIN
        for axes, signal in zip(shown, signals, strict=True):
            for line in lines:
                if line.signal == signal:
                    _draw(axes, line, models.index(line.model), 10 * high)
            x = np.linspace(0, 1, 200)
            axes.plot(x, np.sqrt(x), color="black", ls=(0, (1, 2)), lw=1.2, zorder=1)
            if not within:
                axes.text(0.05, 0.93, signal, transform=axes.transAxes, ha="left", va="top", fontweight="bold")
        for axes in shown:
            axes.set(xlim=(0, 1), yscale="log" if on_log else "linear", ylim=(low, high))
            axes.set_xticks(np.linspace(0, 1, 6))
            axes.tick_params(axis="x", pad=8)  # its first label would touch the lowest one of y
            if on_log:
                axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        improvement = r"Improvement $\epsilon_\mathrm{s}/\sqrt{\epsilon_\mathrm{b}}$"
        label_outer(shown, columns, x="Signal efficiency", y=improvement)
        if within:
            curves = [(line.signal_efficiency, line.value) for line in lines]
            legend_beside_curves(shown[0], curves, handles=handles, title=signals[0])
        else:
            legend_above(figure, handles)
        draw_context(shown[0], context, right=shown[columns - 1], caption=caption)
        for line in lines:
            keep_numbers(
                shown[0],
                model=line.model,
                signal=line.signal,
                signal_efficiency=line.signal_efficiency,
                improvement=line.value,
                low=line.low,
                high=line.high,
            )
    return figure_of(shown[0])


def _limits(lines: Sequence[SicLine]) -> tuple[float, float, bool]:
    """Limits of the y axis, and whether it is logarithmic; bands may be cut off."""
    tops: dict[str, float] = {}
    for line in lines:
        peak = [1.0, *line.value[np.isfinite(line.value)], *([line.best[1]] if line.best else [])]
        tops[line.signal] = max(tops.get(line.signal, 0.0), *peak)
    top = max(tops.values())
    # A panel whose curves would lie flat on the floor of a shared axis is of no use.
    if top > 3 * min(tops.values()):
        return 0.2, 2.5 * top, True
    return 0.0, 1.25 * top, False


def _draw(axes: Axes, line: SicLine, place: int, far: float) -> None:
    colour = pick(COLOURS, place)
    axes.plot(line.signal_efficiency, line.value, color=colour, ls=pick(DASHES, place), lw=2)
    if line.low is not None and line.high is not None:
        drawn = np.isfinite(line.value) & np.isfinite(line.low)
        high = np.where(np.isfinite(line.high), line.high, far)
        axes.fill_between(line.signal_efficiency, line.low, high, where=drawn.tolist(), color=colour, alpha=0.22, lw=0)
    if line.best:
        axes.plot(*line.best, color=colour, marker=pick(MARKERS, place), ms=7, mec="white", mew=1.2, ls="", zorder=5)


def _handles(models: Sequence[str], lines: Sequence[SicLine], band: str, floor: str) -> list[Any]:
    marked = any(line.best for line in lines)
    handles: list[Any] = [
        Line2D(
            [],
            [],
            color=pick(COLOURS, i),
            ls=pick(DASHES, i),
            lw=2.5,
            marker=pick(MARKERS, i) if marked else None,
            ms=7,
            mec="white",
            label=m,
        )
        for i, m in enumerate(models)
    ]
    if any(line.low is not None for line in lines):
        handles.append(Patch(color=GREY, alpha=0.3, lw=0, label=band))
    if marked:
        handles.append(Line2D([], [], color=GREY, marker="o", ms=7, mec="white", ls="", label="Maximum"))
    handles.append(Line2D([], [], color="black", ls=(0, (1, 2)), lw=1.2, label="Random choice"))
    if floor:
        handles.append(Line2D([], [], ls="", label=floor))
    return handles
