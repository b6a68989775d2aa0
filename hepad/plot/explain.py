"""Figure of which objects carry an anomaly score: a heat map of shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import figure_of, frame, hep_style

__all__ = ["ShareRow", "draw_shares", "share_figure"]


@dataclass(frozen=True)
class ShareRow:
    """One row: shares from 0 to 1 by object; `present` names the objects that an event has, None for all."""

    name: str
    shares: Mapping[str, float]
    present: Sequence[str] | None = None


def share_figure(
    lines: Sequence[ShareRow],
    *,
    rows: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
    caption: str = "",
) -> Figure:
    """Rows of shares as a heat map, a column for each object, in per cent.

    A cell of 1 % or more holds its number; a cross marks an object that is absent from an event. `rows` labels the
    vertical axis; `context` and `caption` as in `hepad.plot.roc.roc_figure`. `ValueError` without a row or if rows
    have different objects.
    """
    if not lines or any(tuple(line.shares) != tuple(lines[0].shares) for line in lines):
        raise ValueError("a figure of shares needs rows of the same objects")
    objects = tuple(lines[0].shares)
    values = 100 * np.array([list(line.shares.values()) for line in lines])
    with hep_style():
        size = (4.2 + 0.52 * len(objects), 2.3 + 0.42 * len(lines))
        figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        axes = figure.subplots()
        top = max(float(values.max()), 1.0)
        image = axes.pcolormesh(values, cmap="Blues", vmin=0, vmax=top, edgecolors="white", linewidth=0.8)
        for (i, j), value in np.ndenumerate(values):
            present = lines[i].present
            absent = present is not None and objects[j] not in present
            text = f"{value:.0f}" if value >= 1 else ""
            if absent:
                text += "\N{MULTIPLICATION SIGN}"
            colour = "white" if value > 0.6 * top else "black"
            axes.text(j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=10, color=colour)
        axes.invert_yaxis()
        axes.set_xticks(np.arange(len(objects)) + 0.5, objects, rotation=90, fontsize=12)
        axes.set_yticks(np.arange(len(lines)) + 0.5, [line.name for line in lines], fontsize=12)
        axes.tick_params(which="both", length=0)
        axes.minorticks_off()
        axes.set_ylabel(rows, fontsize=13)
        bar = figure.colorbar(image, ax=axes, pad=0.02)
        bar.set_label("Share of the error [%]", fontsize=13)
        bar.ax.tick_params(labelsize=12)
        draw_context(axes, context, caption=caption, narrow=True)
        keep_matrix(axes, {"share_percent": values}, {"row": [line.name for line in lines]}, {"object": objects})
    return figure_of(axes)


def draw_shares(axes: Axes, samples: Mapping[str, Mapping[str, float]]) -> None:
    """Bars of the shares of objects, in per cent, a colour a sample."""
    names = list(next(iter(samples.values())))
    width = 0.8 / len(samples)
    for place, (sample, shares) in enumerate(samples.items()):
        at = np.arange(len(names)) + (place - (len(samples) - 1) / 2) * width
        axes.bar(at, [100 * shares[name] for name in names], width, label=sample)
    axes.set_xticks(np.arange(len(names)), names, rotation=90, fontsize=12)
    axes.tick_params(axis="x", which="minor", length=0)
    axes.set_ylabel("Share of the error [%]")
    axes.legend(loc="best", frameon=False)
