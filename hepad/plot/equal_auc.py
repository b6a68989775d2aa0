"""What models take to reach the same AUC: lookup tables, nanoseconds and operations, one above the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, ordered, pick
from hepad.plot.style import COLOURS, GREY, MARKERS, figure_of, frame, hep_style

__all__ = ["CostDesign", "CostLine", "equal_auc_figure"]

Floats = npt.NDArray[np.float64]

_ROWS = {
    "lut": "Lookup tables [thousands]",
    "latency_ns": "Estimated latency [ns]",
    "operations": "Operations per event",
}
_PARTS: dict[str, tuple[str, Any]] = {
    "mac": ("multiply-accumulates", (0, (5, 2))),
    "conditional_adds": ("conditional additions", (0, (1, 1.3))),
    "neuron_updates": ("neuron updates", (0, (6, 1.5, 1, 1.5))),
}


@dataclass(frozen=True)
class CostLine:
    """What a model takes to reach an AUC, of one quantity (`lut` in thousands, `latency_ns`, `operations` or one of
    their kinds), each of shape (k,); `low` and `high` are not numbers where there is no band.
    """

    model: str
    signal: str
    quantity: str
    auc: Floats
    low: Floats
    value: Floats
    high: Floats


@dataclass(frozen=True)
class CostDesign:
    """A design of a model: its weight bits, its mean AUC with the spread of one fine-tuning, and its cost."""

    model: str
    signal: str
    quantity: str
    bits: int
    auc: float
    spread: float | None
    value: float


def equal_auc_figure(
    lines: Sequence[CostLine],
    designs: Sequence[CostDesign],
    *,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A column for each signal, a row for each quantity: what lies above the same AUC is equally good.

    The kinds of operations are drawn apart for models that have conditional additions.
    """
    signals, models = ordered(line.signal for line in lines), ordered(line.model for line in lines)
    if not signals:
        raise ValueError("nothing to compare")
    with hep_style():
        size = (max(8.0, 2.0 + 4.0 * len(signals)), 11.0)
        figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.05))
        grid = figure.subplots(len(_ROWS), len(signals), sharex="col", sharey="row", squeeze=False)
        for column, signal in enumerate(signals):
            for row, quantity in enumerate(_ROWS):
                axes = grid[row][column]
                for i, model in enumerate(models):
                    own = [x for x in lines if (x.model, x.signal) == (model, signal)]
                    _draw(axes, own, quantity, pick(COLOURS, i))
                    marks = [d for d in designs if (d.model, d.signal, d.quantity) == (model, signal, quantity)]
                    _mark(axes, marks, pick(COLOURS, i), pick(MARKERS, i), above=i % 2 == 0)
                axes.margins(x=0.05)
                axes.autoscale_view()
                axes.set_ylim(bottom=0)
            grid[0][column].text(
                0.05, 0.94, signal, transform=grid[0][column].transAxes, ha="left", va="top", fontweight="bold"
            )
            grid[-1][column].set_xlabel("AUC", fontsize="medium")
            grid[-1][column].xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        for row, label in enumerate(_ROWS.values()):
            grid[row][0].set_ylabel(label, fontsize="medium")
            low, high = grid[row][0].get_ylim()
            grid[row][0].set_ylim(low, high + 0.12 * (high - low))
        draw_context(grid[0][0], context, right=grid[0][-1], caption="numbers: weight bits")
        figure.align_ylabels(list(grid[:, 0]))
        legend_above(figure, _handles(lines, models))
        for line in lines:
            numbers = {"auc": line.auc, "low": line.low, "value": line.value, "high": line.high}
            keep_numbers(figure, model=line.model, signal=line.signal, quantity=line.quantity, **numbers)
        for d in designs:
            design = {"auc": d.auc, "value": d.value, "auc_spread": d.spread, "weight_bits": d.bits}
            keep_numbers(figure, model=d.model, signal=d.signal, quantity=d.quantity, **design)
    return figure_of(grid[0][0])


def _draw(ax: Axes, lines: Sequence[CostLine], quantity: str, colour: str) -> None:
    spiking = _spikes(lines)
    for line in lines:
        if line.quantity == quantity:
            ax.plot(line.auc, line.value, color=colour, lw=1.8)
            ax.fill_between(line.auc, line.low, line.high, color=colour, alpha=0.25, lw=0)
        elif quantity == "operations" and spiking and line.quantity in _PARTS:
            ax.plot(line.auc, line.value, color=colour, lw=1.3, ls=_PARTS[line.quantity][1])


def _mark(ax: Axes, designs: Sequence[CostDesign], colour: str, marker: str, *, above: bool) -> None:
    for d in designs:
        ax.errorbar(d.auc, d.value, xerr=d.spread, color=colour, marker=marker, ms=5, mfc="white", lw=0.9)
        place: dict[str, Any] = {
            "textcoords": "offset points",
            "xytext": (0, 6 if above else -13),
            "ha": "center",
            "fontsize": "xx-small",
        }
        ax.annotate(str(d.bits), (d.auc, d.value), color=GREY, **place)


def _spikes(lines: Sequence[CostLine]) -> bool:
    return any(bool((line.value > 0).any()) for line in lines if line.quantity == "conditional_adds")


def _handles(lines: Sequence[CostLine], models: Sequence[str]) -> list[Any]:
    found: list[Any] = []
    for i, model in enumerate(models):
        colour, marker = pick(COLOURS, i), pick(MARKERS, i)
        found.append(Line2D([], [], color=colour, marker=marker, mfc="white", lw=1.8, label=model))
    if any(np.isfinite(line.low).any() for line in lines):
        found.append(Patch(color=GREY, alpha=0.25, lw=0, label="68 % of draws of the seeds"))
        found.append(Line2D([], [], color=GREY, lw=0.9, label="spread of one fine-tuning"))
    for i, model in enumerate(models):
        if _spikes([line for line in lines if line.model == model]):
            found += [
                Line2D([], [], color=pick(COLOURS, i), lw=1.3, ls=dash, label=f"{model}: {name}")
                for name, dash in _PARTS.values()
            ]
    return found
