"""Rates of a trigger: against the threshold, against pile-up, beside the efficiency of signals; overlaps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from hepad.output.figure_numbers import keep_matrix, keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import MOST_WITHIN, label_outer, legend_above, legend_beside_curves, ordered, panel_grid, pick
from hepad.plot.style import COLOURS, DASHES, GREY, MARKERS, figure_of, frame, hep_style

__all__ = [
    "EfficiencyLine",
    "PileupLine",
    "RateLine",
    "RateMark",
    "draw_rates",
    "efficiency_figure",
    "overlap_figure",
    "pileup_figure",
    "rate_figure",
]

Floats = npt.NDArray[np.float64]

_FEW = "fewer than 10 events"


@dataclass(frozen=True)
class RateLine:
    """Rates (g,) in kHz against thresholds (g,), with a band; `model` says the panel."""

    model: str
    label: str
    threshold: Floats
    khz: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class RateMark:
    """A working point of a model: hollow where the rate rests on too `few` events."""

    model: str
    threshold: float
    khz: float
    few: bool


@dataclass(frozen=True)
class EfficiencyLine:
    """Efficiencies (g,) of a signal by a model against the rate (g,) in kHz, with a band."""

    signal: str
    model: str
    khz: Floats
    efficiency: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class PileupLine:
    """Rates (b,) in kHz with errors below and above (2, b), at numbers of vertices (b,); `few` (b,) are hollow."""

    label: str
    vertices: Floats
    khz: Floats
    errors: Floats
    few: npt.NDArray[np.bool_]


def rate_figure(
    lines: Sequence[RateLine],
    marks: Sequence[RateMark],
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Rate against threshold, a panel a model. `ValueError` for nothing to draw."""
    models = ordered(line.model for line in lines)
    if not models:
        raise ValueError("there is no rate to draw")
    columns = min(3, len(models))
    rows = -(-len(models) // columns)
    with hep_style():
        size = (0.8 + 4.6 * columns, 0.8 + 4.2 * rows) if columns > 1 else (8.0, 5.8)
        figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08))
        grid = list(figure.subplots(rows, columns, sharey=True, squeeze=False).ravel())
        for spare in grid[len(models) :]:
            spare.remove()
        for axes, model in zip(grid, models, strict=False):
            draw_rates(axes, [x for x in lines if x.model == model], [x for x in marks if x.model == model])
            if len(models) > 1:
                axes.set_title(model, fontsize="medium", loc="center", pad=24 if axes in grid[:columns] else 6)
        for axes in grid[: len(models) : columns]:
            axes.set_ylabel("Rate [kHz]")
        said = caption if len(models) > 1 else ", ".join(filter(None, (models[0], caption)))
        draw_context(grid[0], context, right=grid[columns - 1], caption=said)
        found: dict[str, Artist] = {}
        for axes in grid[: len(models)]:
            found |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        if len(models) == 1 and len(found) <= MOST_WITHIN:
            legend_beside_curves(grid[0], [(line.threshold, line.high) for line in lines])
        else:
            legend_above(figure, list(found.values()))
        for line in lines:
            numbers = {"threshold": line.threshold, "rate_khz": line.khz, "low_khz": line.low, "high_khz": line.high}
            keep_numbers(figure, model=line.model, trigger=line.label, **numbers)
        for mark in marks:
            few = "few events" if mark.few else ""
            keep_numbers(
                figure,
                model=mark.model,
                trigger="working point",
                threshold=mark.threshold,
                rate_khz=mark.khz,
                remark=few,
            )
    return figure_of(grid[0])


def draw_rates(axes: Axes, lines: Sequence[RateLine], marks: Sequence[RateMark]) -> None:
    """The curves of one model."""
    for i, line in enumerate(lines):
        colour = pick(COLOURS, i)
        axes.plot(line.threshold, line.khz, color=colour, ls=pick(DASHES, i), lw=1.8, label=line.label)
        axes.fill_between(line.threshold, line.low, line.high, color=colour, alpha=0.2, lw=0)
    for few, label in ((False, "working points"), (True, _FEW)):
        own = [mark for mark in marks if mark.few == few]
        if own:
            axes.plot(
                [mark.threshold for mark in own], [mark.khz for mark in own], ls="", marker="o", ms=7, mew=1.4,
                color="black", mfc="white" if few else "black", label=label, zorder=5,
            )  # fmt: skip
    smallest = min(float(line.khz[line.khz > 0].min()) for line in lines)
    top = max(float(line.high.max()) for line in lines)
    every = np.concatenate([line.threshold for line in lines])
    axes.set(yscale="log", ylim=(smallest / 4, top * 2), xlabel="Threshold on the score")
    low, high = float(every.min()), float(every.max())
    if low > 0 and high / low > 30:
        axes.set(xscale="log", xlim=(low / 1.1, high * 1.1))
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlim(low - 0.02 * (high - low), high + 0.03 * (high - low) or 1)


def overlap_figure(
    fractions: Floats,
    names: Sequence[str],
    *,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """What part (t, t) of the rate of the trigger of a row the trigger of a column accepts too; NaN is left white."""
    with hep_style():
        count = len(names)
        side = max(4.6, 2.6 + 0.52 * count)
        figure = frame(ax, (side + 2.6, side + 1.2))
        axes = figure.subplots()
        image = axes.imshow(fractions, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(range(count), names, rotation=60, ha="right", rotation_mode="anchor", fontsize=11)
        axes.set_yticks(range(count), names, fontsize=11)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.tick_params(length=0, top=False, right=False)
        for row in range(count):
            for column in range(count):
                value = float(fractions[row, column])
                if math.isfinite(value) and value > 0:
                    colour = "white" if value > 0.6 else "black"
                    axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=10)
        axes.set(xlabel="accepted too by", ylabel="of the rate of")
        figure.colorbar(image, ax=axes, shrink=0.8, label="Fraction")
        draw_context(axes, context, caption=caption, narrow=True)
        keep_matrix(axes, {"fraction": fractions}, {"of_the_rate_of": names}, {"accepted_by": names})
    return figure_of(axes)


def efficiency_figure(
    lines: Sequence[EfficiencyLine], *, menus: Mapping[str, float] | None = None, few_khz: float = 0.0,
    context: FigureContext | None = None, caption: str = "", ax: Axes | None = None,
) -> Figure:  # fmt: skip
    """Efficiency of each signal against the trigger's rate, a panel a signal, a line a model.

    `menus` are efficiencies of a menu alone by signal, dashed; below `few_khz` rates rest on too few events, which is
    shaded. `ValueError` for nothing to draw.
    """
    signals, models = ordered(line.signal for line in lines), ordered(line.model for line in lines)
    if not signals:
        raise ValueError("there is no efficiency to draw")
    with hep_style():
        columns = min(3, len(signals))
        figure, grid = panel_grid(len(signals), columns, ax=ax)
        for axes, signal in zip(grid, signals, strict=True):
            for line in (x for x in lines if x.signal == signal):
                i = models.index(line.model)
                colour = pick(COLOURS, i)
                axes.plot(line.khz, line.efficiency, color=colour, ls=pick(DASHES, i), lw=1.8, label=line.model)
                axes.fill_between(line.khz, line.low, line.high, color=colour, alpha=0.2, lw=0)
            if menus and signal in menus:
                axes.axhline(menus[signal], color="black", ls=(0, (1, 2)), lw=1.4, label="menu alone")
            if few_khz > 0:
                axes.axvspan(1e-6, few_khz, color=GREY, alpha=0.12, lw=0, label=_FEW)
            axes.text(0.04, 0.95, signal, transform=axes.transAxes, va="top")
        rates = np.concatenate([line.khz for line in lines])
        shown = [float(v) for line in lines for v in line.efficiency if v > 0]
        low = max(min(shown, default=1e-3) / 2, 1e-4)
        grid[0].set(xscale="log", yscale="log", ylim=(low, 2.5), xlim=(rates.min() / 1.3, rates.max()))
        label_outer(grid, columns, x="Rate [kHz]", y="Signal efficiency")
        draw_context(grid[0], context, right=grid[columns - 1], caption=caption)
        legend_above(figure, grid[0].get_legend_handles_labels()[0])
        for line in lines:
            numbers = {"rate_khz": line.khz, "efficiency": line.efficiency, "low": line.low, "high": line.high}
            keep_numbers(figure, signal=line.signal, model=line.model, **numbers)
        for signal, efficiency in (menus or {}).items():
            keep_numbers(figure, signal=signal, model="menu alone", efficiency=efficiency)
    return figure_of(grid[0])


def pileup_figure(
    lines: Sequence[PileupLine], *, context: FigureContext | None = None, caption: str = "", ax: Axes | None = None
) -> Figure:
    """Rate against the number of reconstructed vertices. `ValueError` for nothing to draw."""
    if not lines:
        raise ValueError("there is no rate to draw")
    with hep_style():
        figure = frame(ax, (8.0, 5.8), ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        axes = figure.subplots()
        spread = 0.3 * float(np.diff(lines[0].vertices).min(initial=1)) / len(lines)
        for i, line in enumerate(lines):
            colour, marker = pick(COLOURS, i), pick(MARKERS, i)
            beside = line.vertices + spread * (i - (len(lines) - 1) / 2)  # so that bars do not hide one another
            axes.errorbar(beside, line.khz, yerr=line.errors, color=colour, ls="", marker="", lw=1.4, capsize=2)
            axes.plot(beside, line.khz, color=colour, ls=pick(DASHES, i), lw=1, label=line.label)
            for few in (False, True):
                own = line.few == few
                face = "white" if few else colour
                axes.plot(beside[own], line.khz[own], ls="", marker=marker, color=colour, mfc=face, ms=7)
        axes.plot([], [], ls="", marker="o", color="black", mfc="white", label=_FEW)
        axes.set(xlabel="Reconstructed vertices", ylabel="Rate [kHz]")
        axes.ticklabel_format(axis="y", style="plain")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(x=0.05, y=0.1)
        axes.autoscale_view()
        axes.set_ylim(0, None)
        draw_context(axes, context, caption=caption)
        legend_above(figure, axes.get_legend_handles_labels()[0])
        for line in lines:
            down, up = line.errors
            numbers = {"vertices": line.vertices, "rate_khz": line.khz, "error_down": down, "error_up": up}
            keep_numbers(axes, trigger=line.label, **numbers, few_events=line.few)
    return figure_of(axes)
