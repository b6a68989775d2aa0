"""Figures of runs against a reference: which quantities shifted where, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hepad.output.figure_numbers import keep_matrix, keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.spectrum import poisson_interval
from hepad.plot.style import canvas, figure_of, frame, hep_style

__all__ = ["Compared", "distribution_figure", "shift_map"]

_LARGEST = 10.0
"""Of minus the logarithm of a p-value: what is beyond is as clear."""
_BINS = 30

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """A quantity in a run and in the reference, arrays of events, and what stands above it."""

    quantity: str
    run: Floats
    reference: Floats
    words: str


def shift_map(
    runs: Sequence[str],
    quantities: Sequence[str],
    p_values: Floats,
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Minus the decimal logarithm of p-values (runs, quantities) as a heat map, up to 10; from 2 on as numbers.

    The longer of the two lists goes down the figure: across a slide there is no room for the names of many.
    """
    values = np.minimum(-np.log10(np.maximum(p_values, 1e-300)), _LARGEST)
    across, down = (runs, quantities) if len(quantities) > len(runs) else (quantities, runs)
    size = (max(8.0, 4.6 + 0.5 * len(across)), 2.0 + 0.3 * len(down))
    with canvas(ax, size) as axes:
        figure = figure_of(axes)
        if ax is None:
            figure.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        drawn = values.T if across is runs else values
        image = axes.pcolormesh(drawn, cmap="Blues", vmin=0, vmax=_LARGEST, edgecolors="white", linewidth=0.8)
        for (i, j), value in np.ndenumerate(drawn):
            if value >= 2:
                text = "10+" if value >= _LARGEST else f"{value:.0f}"
                colour = "white" if value > 0.6 * _LARGEST else "black"
                axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=10, color=colour)
        axes.invert_yaxis()
        upright = 90 if len(across) > 3 else 0
        axes.set_xticks(np.arange(len(across)) + 0.5, across, rotation=upright, fontsize=12)
        axes.set_yticks(np.arange(len(down)) + 0.5, down, fontsize=12)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label(r"$-\log_{10}\,p$, adjusted", fontsize=13)
        bar.ax.tick_params(labelsize=12)
        draw_context(axes, context, caption=caption)
        keep_matrix(axes, {"p_value": p_values}, {"run": runs}, {"quantity": quantities})
    return figure


def distribution_figure(
    panels: Sequence[Compared],
    *,
    run: str,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Some quantities in a run, with Poisson errors, over those of the reference, as shares of the events."""
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    with hep_style():
        figure = frame(ax, (0.6 + 5.6 * columns, 0.6 + 4.2 * rows), ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for spare in grid[len(panels) :]:
            spare.remove()
        for axes, panel in zip(grid, panels, strict=False):
            edges = _edges(np.concatenate([panel.run, panel.reference]))
            known, found = (
                np.histogram(np.clip(v, edges[0], edges[-1]), edges)[0] for v in (panel.reference, panel.run)
            )
            axes.stairs(known / known.sum(), edges, fill=True, color="#92dadd", label="reference")
            middle = (edges[:-1] + edges[1:]) / 2
            some = found > 0
            bars = np.stack(poisson_interval(found.astype(np.float64)))[:, some] / found.sum()
            axes.errorbar(
                middle[some], found[some] / found.sum(), bars, fmt="o", color="black", markersize=4, label=run
            )
            top = max(float((known / known.sum()).max()), float((found / found.sum()).max()))
            low = 0.3 / max(known.sum(), found.sum())
            axes.set(xlabel=panel.quantity, ylabel="Share of events", yscale="log", ylim=(low, 30 * top))
            axes.text(0.04, 0.95, panel.words, transform=axes.transAxes, va="top", fontsize=12)
            axes.ticklabel_format(axis="x", style="plain")  # a factor would stand where the title is
            bins = {"quantity": panel.quantity, "low": edges[:-1], "high": edges[1:]}
            keep_numbers(axes, **bins, events_of_the_run=found, events_of_the_reference=known)
        grid[0].legend(frameon=False, loc="upper right", fontsize=12)
        draw_context(grid[0], context, right=grid[columns - 1], caption=caption)
    return figure_of(grid[0])


def _edges(values: Floats) -> Floats:
    """Bins over all but the last thousandth on either side; one a whole number for a few of these."""
    low, high = np.quantile(values, [0.001, 0.999])
    if np.all(values == np.round(values)) and high - low <= _BINS:
        return np.arange(low, high + 2) - 0.5
    return np.linspace(low, high if high > low else low + 1, _BINS + 1)
