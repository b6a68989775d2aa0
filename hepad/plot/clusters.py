"""Figures of clusters: where they are, how many events they have, and what makes one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_clear
from hepad.plot.spectrum import poisson_interval
from hepad.plot.style import COLOURS, GREY, canvas, figure_of

__all__ = ["characteristic_figure", "count_figure", "map_figure"]

_SHOWN = 20_000
_NAMED = 8
_COLOURS = (*(colour for colour in COLOURS if colour != GREY), "#d5d5d5")
_MARKED = 1 << 30

Floats = npt.NDArray[np.float64]


def map_figure(
    points: Floats,
    classes: npt.NDArray[np.int64],
    marked: int | None = None,
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Events (n, k >= 1) in the plane of their first two axes, by cluster; those in none (-1) are grey.

    The `marked` cluster is black, on top of all. Of more than 20 000 events every k-th is drawn; from the ninth cluster
    on they share a colour.
    """
    step = max(1, -(-len(points) // _SHOWN))
    x = points[::step, 0]
    y = points[::step, 1] if points.shape[1] > 1 else np.zeros(len(x))
    shown = np.where(classes[::step] == marked, _MARKED, np.minimum(classes[::step], _NAMED))
    with canvas(ax, (8.0, 6.0)) as axes:
        for number in np.unique(shown):
            here = shown == number
            name = {-1: "no cluster", _NAMED: "further clusters", _MARKED: f"cluster {(marked or 0) + 1}"}.get(
                int(number), f"cluster {number + 1}"
            )
            colour = GREY if number < 0 else "black" if number == _MARKED else _COLOURS[number]
            size = 2.5 if number < 0 else 5 if number == _MARKED else 4
            axes.plot(x[here], y[here], ".", markersize=size, color=colour, label=name, alpha=0.8)
        axes.margins(0.03)
        axes.set(xlabel="First principal axis", ylabel="Second principal axis")
        legend_clear(axes, axes.get_legend_handles_labels()[0], within=ax is not None, markers=2.5)
        keep_numbers(axes, cluster=classes[::step], first_axis=x, second_axis=y)
        draw_context(axes, context, caption=caption)
    return figure_of(axes)


def count_figure(
    names: Sequence[str],
    data: Floats,
    expected: Floats | None,
    p_values: Sequence[float] | None = None,
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Events of each cluster, (k,), with Poisson errors, beside those expected; p-values of excesses stand above."""
    places = np.arange(len(names))
    with canvas(ax, (min(max(7.0, 3.0 + 0.8 * len(names)), 15.0), 5.6)) as axes:
        if expected is not None:
            axes.bar(places, expected, width=0.75, color="#92dadd", label="expected from background")
        some = data > 0
        bars = np.stack(poisson_interval(data))[:, some]
        axes.errorbar(places[some], data[some], bars, fmt="o", color="black", label="data", markersize=6)
        for place, p_value in zip(places, p_values or (), strict=False):
            if p_value < 0.01:
                at = max(data[place] + np.sqrt(data[place]), 0.0 if expected is None else expected[place])
                words: dict[str, Any] = {
                    "xytext": (0, 6),
                    "textcoords": "offset points",
                    "ha": "center",
                    "fontsize": 12,
                }
                # Upright, as many of them stand closer to one another than they are long.
                axes.annotate(f"$p$ = {p_value:.1g}", (place, at), rotation=90, va="bottom", **words)
        axes.set_xticks(places, names)
        axes.tick_params(axis="x", which="minor", length=0)
        top = float(max(data.max(initial=1), 0 if expected is None else expected.max(initial=1)))
        axes.set(xlabel="Cluster", ylabel="Events", yscale="log")
        axes.set(xlim=(-0.7, len(names) - 0.3), ylim=(0.5, top * (2 * top) ** 0.5))
        axes.legend(frameon=False, loc="upper right", ncols=2)
        keep_numbers(axes, cluster=names, data=data, expected=expected, p_value=p_values or None)
        draw_context(axes, context, caption=caption)
    return figure_of(axes)


def characteristic_figure(
    names: Sequence[str],
    values: Sequence[float],
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Standardised differences of quantities inside a cluster from the rest, the first at the top."""
    places = np.arange(len(names))[::-1]
    with canvas(ax, (8.6, 1.8 + 0.5 * len(names))) as axes:
        axes.barh(places, values, height=0.62, color=[COLOURS[0] if value > 0 else COLOURS[1] for value in values])
        axes.axvline(0.0, color="black", linewidth=1.2)
        axes.set_yticks(places, names)
        axes.tick_params(axis="y", which="both", length=0)
        low, high = min(0.0, *values), max(0.0, *values)
        axes.set_xlim(low - 0.06 * (high - low), high + 0.06 * (high - low))
        axes.set_xlabel("Difference from the rest [standard deviations]")
        keep_numbers(axes, quantity=names, difference_in_sigma=values)
        draw_context(axes, context, caption=caption)
    return figure_of(axes)
