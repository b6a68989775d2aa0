"""Data and the samples of a fit, channel by channel, with the uncertainty after the fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import ordered
from hepad.plot.spectrum import poisson_interval
from hepad.plot.style import AREAS, figure_of, frame, hep_style

__all__ = ["MOST_CHANNELS", "StackedChannel", "plot_postfit"]

FloatArray = npt.NDArray[np.float64]

MOST_CHANNELS = 24
"""Panels of one figure; of more channels the first are drawn."""

_OTHERS = "Others"
_OTHERS_LOOK: dict[str, Any] = {"facecolor": "white", "edgecolor": "#94a4a2", "hatch": "xxxx", "linewidth": 0.0}
_LETTERS = 26
_BAND = "Uncertainty after the fit"


@dataclass(frozen=True)
class StackedChannel:
    """Counts (n,) of one channel, the yields (n,) of its samples, and the error (n,) of their sum."""

    name: str
    observed: FloatArray
    samples: Mapping[str, FloatArray]
    errors: FloatArray


def plot_postfit(
    channels: Sequence[StackedChannel],
    *,
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Each channel's data over its stacked samples, and their ratio below; the band is the error of the sum.

    At most nine samples have a colour, the largest; the others are added up. Bins are numbered: workspaces have no
    edges.
    """
    if not channels:
        raise ValueError("there is no channel to draw")
    shown = channels[:MOST_CHANNELS]
    if len(shown) < len(channels):
        remarks = (*remarks, f"The first {len(shown)} of {len(channels)} channels")
    looks = _looks(shown)
    columns = min(len(shown), 2 if len(shown) < 5 else 3 if len(shown) < 13 else 4)
    rows = -(-len(shown) // columns)
    with hep_style():
        legend_rows = -(-(len(looks) + 3) // (columns + 1))
        height = 4.6 * rows + 0.35 * (legend_rows + len(remarks))
        figure = frame(ax, (max(4.8 * columns, 6.4), height))
        grid = figure.add_gridspec(2 * rows, columns, height_ratios=[3, 1.2] * rows)
        for i, channel in enumerate(shown):
            row, column = divmod(i, columns)
            top = figure.add_subplot(grid[2 * row, column])
            bottom = figure.add_subplot(grid[2 * row + 1, column], sharex=top)
            _draw(top, bottom, channel, looks)
            if column == 0:
                top.set_ylabel("Events", fontsize=14)
                bottom.set_ylabel("Data / fit", fontsize=14, loc="center")
            bottom.set_xlabel("Bin", fontsize=14)
        _legend(figure, list(looks), remarks, columns + 1)
        draw_context(figure.axes[0], context, right=figure.axes[2 * (columns - 1)])
        for channel in shown:
            samples = {f"sample_{name}": yields for name, yields in channel.samples.items()}  # `bin` can be one
            numbers = {"observed": channel.observed, **samples, "error": channel.errors}
            keep_numbers(figure, channel=channel.name, bin=np.arange(len(channel.observed)) + 1, **numbers)
        return figure_of(figure.axes[0])


def _looks(channels: Sequence[StackedChannel]) -> dict[str, dict[str, Any]]:
    """How to fill samples; those beyond the palette have no look of their own, the smallest of them all."""
    names = ordered(name for channel in channels for name in channel.samples)
    sums = {name: sum(float(c.samples[name].sum()) for c in channels if name in c.samples) for name in names}
    largest = sorted(names, key=lambda name: -sums[name])
    kept = largest if len(largest) <= len(AREAS) else largest[: len(AREAS) - 1]
    return {name: AREAS[i] for i, name in enumerate(kept)}


def _draw(top: Axes, bottom: Axes, channel: StackedChannel, looks: Mapping[str, dict[str, Any]]) -> None:
    edges: FloatArray = np.arange(len(channel.observed) + 1, dtype=np.float64) + 0.5
    others = [yields for name, yields in channel.samples.items() if name not in looks]
    # The smallest at the bottom, so that none hides; every channel in the same order.
    stack = [(_OTHERS, _OTHERS_LOOK, np.sum(others, axis=0))] if others else []
    stack += [(n, looks[n], channel.samples[n]) for n in reversed(list(looks)) if n in channel.samples]
    below = np.zeros(len(channel.observed))
    for name, look, yields in stack:
        top.stairs(below + yields, edges, baseline=below, fill=True, label=_plain(name), **look)
        below = below + yields
    _band(top, edges, below, channel.errors)
    centres: FloatArray = (edges[:-1] + edges[1:]) / 2
    errors = np.stack(poisson_interval(channel.observed))
    points: dict[str, Any] = {"fmt": "o", "color": "black", "markersize": 4, "linewidth": 1.2}
    top.errorbar(centres, channel.observed, yerr=errors, label="Data", **points)
    _scale(top, below, float(np.maximum(below + channel.errors, channel.observed + errors[1]).max()))
    top.text(
        0.96, 0.95, _plain(channel.name), transform=top.transAxes, ha="right", va="top", fontsize=13, weight="bold"
    )
    known = below > 0
    scale = below[known]
    relative = np.divide(channel.errors, below, out=np.zeros_like(below), where=known)
    _band(bottom, edges, np.ones_like(below), relative)
    bottom.axhline(1.0, color="black", linewidth=0.8)
    ratio = channel.observed[known] / scale
    bottom.errorbar(centres[known], ratio, yerr=errors[:, known] / scale, **points)
    _ratio_scale(bottom, centres[known], ratio, errors[:, known] / scale, relative)
    top.set_xlim(edges[0], edges[-1])
    top.tick_params(axis="x", labelbottom=False)
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    for axes in (top, bottom):
        axes.tick_params(labelsize=12)
        axes.tick_params(axis="x", which="minor", bottom=False, top=False)


def _band(axes: Axes, edges: FloatArray, centre: FloatArray, errors: FloatArray) -> None:
    axes.stairs(
        centre + errors,
        edges,
        baseline=centre - errors,
        fill=True,
        facecolor="none",
        edgecolor="#30343b",
        hatch="//////",
        linewidth=0,
        label=_BAND,
    )


def _scale(axes: Axes, total: FloatArray, highest: float) -> None:
    """Logarithmic where the bins span more than a factor of thirty; room above `highest` for the channel's name."""
    filled = total[total > 0]
    if len(filled) and filled.max() > 30 * filled.min():
        floor = min(0.5, float(filled.min()) / 2) if filled.min() < 1 else float(filled.min()) / 5
        floor = max(floor, 1e-4 * highest)
        axes.set_yscale("log")
        axes.set_ylim(floor, highest * (highest / floor) ** 0.25)
    else:
        axes.set_ylim(0.0, 1.25 * highest)


def _ratio_scale(axes: Axes, centres: FloatArray, ratio: FloatArray, errors: FloatArray, relative: FloatArray) -> None:
    """At most zero to two and a half; points beyond are marked at the edge."""
    spread = [0.2, *(1.2 * relative), *(1.05 * (np.abs(ratio - 1) + errors.max(axis=0)))]
    reach = min(float(max(spread)), 1.0)
    high = 1.5 if reach == 1.0 and len(ratio) and ratio.max() > 2 else reach
    axes.set_ylim(1 - reach, 1 + high)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 5, 10], prune="upper"))
    beyond = centres[ratio > 1 + high]
    axes.plot(beyond, np.full(len(beyond), 1 + 0.9 * high), "^", color="black", markersize=6)


def _plain(name: str) -> str:
    """A short name: `$` is no mathematics here, and a leading underscore does not hide a legend's entry."""
    short = name if len(name) <= _LETTERS else f"{name[: _LETTERS // 2 - 1]}...{name[-_LETTERS // 2 + 2 :]}"
    return short.replace("$", r"\$").lstrip("_") or "sample"


def _legend(figure: Figure | SubFigure, samples: Sequence[str], remarks: tuple[str, ...], columns: int) -> None:
    """One legend above all panels: data, samples from the largest on, the band."""
    entries = {
        name: handle
        for axes in figure.axes[::2]
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    order = [name for name in ("Data", *map(_plain, samples), _OTHERS, _BAND) if name in entries]
    legend = figure.legend(
        [entries[name] for name in order],
        order,
        loc="outside upper left",
        ncols=columns,
        title="\n".join(remarks) or None,
        alignment="left",
        frameon=False,
        fontsize=13,
    )
    legend.get_title().set_fontsize(13)
