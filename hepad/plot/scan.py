"""Loss and AUC against something that was varied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import NullLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, log_numbers
from hepad.plot.style import COLOURS, MARKERS, figure_of, frame, hep_style

__all__ = ["ScanLine", "scan_figure"]


@dataclass(frozen=True)
class ScanLine:
    """One line: mean and standard deviation, of shape (k,), at the values `x`; `std` is 0 for one training each.

    `signal` is None for the loss.
    """

    model: str
    signal: str | None
    x: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    std: npt.NDArray[np.float64]


def scan_figure(
    lines: Sequence[ScanLine],
    *,
    xlabel: str,
    log_x: bool = False,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The loss of all models in the first panel, then the AUC of each signal in a panel for each model.

    Bars are one standard deviation over trainings. The AUC panels share their axis; `log_x` spaces the values
    evenly in their logarithm. `ValueError` if there is no loss to draw.
    """
    losses = [line for line in lines if line.signal is None]
    if not losses:
        raise ValueError("there is no scan to draw")
    models = [line.model for line in losses]
    signals = list(dict.fromkeys(line.signal for line in lines if line.signal is not None))
    with hep_style():
        layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
        figure = frame(ax, (0.4 + 4.8 * (1 + len(models)), 4.9), layout)
        first, *others = figure.subplots(1, 1 + len(models), squeeze=False)[0]
        for i, line in enumerate(losses):
            _draw(first, line, line.model, "black" if len(losses) == 1 else _grey(i), MARKERS[i])
        first.set_ylabel("Training loss per event")
        first.ticklabel_format(axis="y", style="plain")  # a power of ten above would collide with the label
        if all((line.mean - line.std).min() > 0 for line in losses):
            first.set_yscale("log")
            log_numbers(first.yaxis, *first.get_ylim())
        for axes, model in zip(others, models, strict=True):
            for line in (line for line in lines if line.model == model and line.signal is not None):
                i = signals.index(str(line.signal))
                _draw(axes, line, str(line.signal), COLOURS[i % len(COLOURS)], MARKERS[i % len(MARKERS)])
            axes.set_ylabel("AUC")
            axes.text(1, 1.02, model, transform=axes.transAxes, ha="right", va="bottom", fontweight="bold")
        _share(others)
        for axes in (first, *others):
            _horizontal(axes, losses, xlabel, log_x=log_x)
        if len(losses) > 1:
            first.legend(loc="best", frameon=False)
        legend_above(figure, others[0].get_legend_handles_labels()[0])
        draw_context(first, context, narrow=True)
        for line in lines:
            numbers = {xlabel: line.x, "mean": line.mean, "standard_deviation": line.std}
            keep_numbers(
                figure, model=line.model, quantity=f"AUC of {line.signal}" if line.signal else "loss", **numbers
            )
    return figure_of(first)


def _draw(axes: Axes, line: ScanLine, name: str, colour: str, marker: str) -> None:
    axes.errorbar(line.x, line.mean, line.std, label=name, color=colour, marker=marker, ms=6, lw=1.6, capsize=3)


def _grey(index: int) -> str:
    return ("black", "#717581", "#b9ac70", "#a96b59")[index % 4]


def _share(panels: Sequence[Axes]) -> None:
    """One range for all AUC panels; 0.5 is chance."""
    low = min(axes.get_ylim()[0] for axes in panels)
    high = max(axes.get_ylim()[1] for axes in panels)
    for axes in panels:
        axes.set_ylim(low, min(high, 1.02))
        if low < 0.5 < high:
            axes.axhline(0.5, color="black", ls=(0, (1, 2)), lw=1.2, zorder=0)


def _horizontal(axes: Axes, lines: Sequence[ScanLine], xlabel: str, *, log_x: bool) -> None:
    ticks = sorted({float(x) for line in lines for x in line.x})
    margin = 0.06
    if log_x:
        axes.set_xscale("log")
        ratio = (ticks[-1] / ticks[0]) ** margin if len(ticks) > 1 else 2.0
        axes.set_xlim(ticks[0] / ratio, ticks[-1] * ratio)
    else:
        width = (ticks[-1] - ticks[0]) * margin or 1.0
        axes.set_xlim(ticks[0] - width, ticks[-1] + width)
    axes.set_xticks(ticks, [_number(tick) for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(xlabel)


def _number(value: float) -> str:
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:g}"
