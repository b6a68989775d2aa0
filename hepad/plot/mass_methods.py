"""Many methods against the mass of a resonance: local p-values, limits with their bands, limits on signals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from scipy.special import log_ndtr

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import label_outer, legend_above, log_numbers, panel_grid, pick, sigmas
from hepad.plot.style import COLOURS, DASHES, GREY, ONE_SIGMA, TWO_SIGMA, figure_of, frame, hep_style

__all__ = ["MassLine", "SignalBar", "expected_limits", "local_p_of_methods", "method_limits", "signal_limits"]

FloatArray = npt.NDArray[np.float64]

_LN10 = float(np.log(10.0))
_BANDS = ((0, 4, TWO_SIGMA, r"Expected $\pm 2\sigma$"), (1, 3, ONE_SIGMA, r"Expected $\pm 1\sigma$"))


@dataclass(frozen=True)
class MassLine:
    """A method at rising masses (m,) in GeV: `z` (m,), limits `observed` (m,) and `expected` (m, 5), NaN for none."""

    name: str
    masses: FloatArray
    z: FloatArray
    observed: FloatArray
    expected: FloatArray


@dataclass(frozen=True)
class SignalBar:
    """Limits on a signal with a method: `observed`, and `expected` (5,) for -2 to 2 standard deviations."""

    name: str
    observed: float | None
    expected: tuple[float, ...]


def local_p_of_methods(
    lines: Sequence[MassLine],
    *,
    x_title: str = "Mass [GeV]",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The local p-value of each method against the mass, with lines at whole standard deviations."""
    with hep_style():
        figure = frame(ax, (8.6, 6.0))
        axes = figure.subplots()
        decades = [log_ndtr(-line.z) / _LN10 for line in lines]
        lowest = min(-2.5, *(float(values.min()) for values in decades)) * 1.08
        for index, (line, values) in enumerate(zip(lines, decades, strict=True)):
            axes.plot(line.masses, values, **_look(index), linewidth=1.8, label=line.name)
        reached = [z for z in range(1, 40) if log_ndtr(-z) / _LN10 > lowest]
        for z in reached[:: -(-len(reached) // 8)]:
            level = log_ndtr(-float(z)) / _LN10
            axes.axhline(level, color=GREY, linewidth=0.9, linestyle=":", zorder=0)
            axes.text(1.008, level, rf"{z}$\sigma$", color=GREY, va="center", transform=axes.get_yaxis_transform())
        axes.set_ylim(lowest, 0.0)
        step = max(1, int(-lowest) // 10 + 1)
        ticks = range(0, int(lowest) - 1, -step)
        axes.set_yticks(list(ticks), [rf"$10^{{{d}}}$" if d else "1" for d in ticks])
        axes.set_ylim(lowest, 0.0)
        axes.minorticks_off()
        _span(axes, lines)
        axes.set_xlabel(x_title)
        axes.set_ylabel("Local $p$")
        legend_above(figure, axes.get_legend_handles_labels()[0], title="\n".join(remarks) or None)
        draw_context(axes, context)
        for line, values in zip(lines, decades, strict=True):
            keep_numbers(axes, method=line.name, mass_gev=line.masses, log10_p=values, significance=line.z)
        return figure_of(axes)


def method_limits(
    lines: Sequence[MassLine],
    *,
    x_title: str = "Mass [GeV]",
    y_title: str,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A panel of limits against the mass for each method: observed, expected, and the bands of that."""
    with hep_style():
        columns = min(3, len(lines))
        figure, panels = panel_grid(len(lines), columns, ax=ax)
        for axes, line in zip(panels, lines, strict=True):
            known = np.isfinite(line.expected).all(axis=1)
            masses, bands = line.masses[known], line.expected[known]
            for low, high, colour, label in _BANDS:
                axes.fill_between(masses, bands[:, low], bands[:, high], color=colour, linewidth=0, label=label)
            axes.plot(masses, bands[:, 2], color="black", linestyle="--", linewidth=1.6, label="Expected")
            axes.plot(line.masses, line.observed, color="black", linewidth=1.6, label="Observed")
            axes.set_yscale("log")
            axes.text(0.95, 0.94, line.name, transform=axes.transAxes, ha="right", va="top", fontweight="bold")
        _span(panels[0], lines)
        panels[0].xaxis.set_major_locator(MaxNLocator(nbins=4))
        values = np.concatenate([np.append(line.expected.ravel(), line.observed) for line in lines])
        values = values[np.isfinite(values) & (values > 0)]
        if len(values):
            panels[0].set_ylim(values.min() / 1.5, values.max() * 4)
        label_outer(panels, columns, x=x_title, y=y_title)
        draw_context(panels[0], context, right=panels[columns - 1])
        legend_above(figure, panels[0].get_legend_handles_labels()[0])
        for line in lines:
            bounds = sigmas("expected", line.expected)
            keep_numbers(figure, method=line.name, mass_gev=line.masses, observed=line.observed, **bounds)
        return figure_of(panels[0])


def expected_limits(
    lines: Sequence[MassLine],
    *,
    x_title: str = "Mass [GeV]",
    y_title: str,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The expected limits of all methods in one panel."""
    with hep_style():
        figure = frame(ax, (8.6, 6.0))
        axes = figure.subplots()
        for index, line in enumerate(lines):
            axes.plot(line.masses, line.expected[:, 2], **_look(index), linewidth=1.8, label=line.name)
        axes.set_yscale("log")
        _span(axes, lines)
        axes.set_xlabel(x_title)
        axes.set_ylabel(y_title)
        legend_above(figure, axes.get_legend_handles_labels()[0], title="Expected")
        draw_context(axes, context)
        for line in lines:
            keep_numbers(axes, method=line.name, mass_gev=line.masses, expected=line.expected[:, 2])
        return figure_of(axes)


def signal_limits(
    signals: Mapping[str, Sequence[SignalBar]],
    *,
    x_title: str,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A panel for each signal with a row for each method: the expected limit in its bands, and the observed one."""
    with hep_style():
        sizes = [len(bars) for bars in signals.values()]
        figure = frame(ax, (8.6, 1.4 + sum(0.5 * size + 0.9 for size in sizes)))
        grid = figure.subplots(len(signals), 1, squeeze=False, sharex=True, height_ratios=[n + 0.6 for n in sizes])
        for axes, (signal, bars) in zip(grid[:, 0], signals.items(), strict=True):
            _bars(axes, bars)
            axes.set_title(
                signal, loc="left", fontsize="medium", fontweight="bold", pad=6 if axes is not grid[0, 0] else 26
            )
        ends = np.array([bar.expected[place] for bars in signals.values() for bar in bars for place in (0, 4)])
        seen = np.array([bar.observed for bars in signals.values() for bar in bars if bar.observed is not None])
        values = np.concatenate([ends, seen])
        last = grid[-1, 0]
        last.set_xlim(values.min() / 1.2, values.max() * 1.2)
        log_numbers(last.xaxis, values.min(), values.max())
        last.set_xlabel(x_title)
        legend_above(figure, grid[0, 0].get_legend_handles_labels()[0])
        draw_context(grid[0, 0], context)
        for signal, bars in signals.items():
            for bar in bars:
                bounds = sigmas("expected", np.array([bar.expected]))
                keep_numbers(figure, signal=signal, method=bar.name, observed=bar.observed, **bounds)
        return figure_of(last)


def _bars(axes: Axes, bars: Sequence[SignalBar]) -> None:
    places = np.arange(len(bars))
    expected = np.array([bar.expected for bar in bars])
    for low, high, colour, label in _BANDS:
        left = expected[:, low]
        axes.barh(places, expected[:, high] - left, left=left, height=0.7, color=colour, label=label)
    ends = places - 0.35, places + 0.35
    axes.vlines(expected[:, 2], *ends, color="black", linestyle=(0, (2, 1)), linewidth=1.6, label="Expected")
    seen = [(bar.observed, place) for place, bar in enumerate(bars) if bar.observed is not None]
    if seen:
        axes.plot(*zip(*seen, strict=True), "o", color="black", label="Observed")
    axes.set_xscale("log")
    axes.use_sticky_edges = False  # of bars, which would end at the frame
    axes.margins(x=0.06)
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylim(len(bars) - 0.5, -0.5)


def _look(index: int) -> dict[str, Any]:
    """Colour and dashes that no two of many lines share."""
    return {"color": pick(COLOURS, index), "linestyle": pick(DASHES, index)}


def _span(axes: Axes, lines: Sequence[MassLine]) -> None:
    low, high = min(line.masses.min() for line in lines), max(line.masses.max() for line in lines)
    room = 0.0 if low < high else 0.02
    axes.set_xlim(low * (1 - room), high * (1 + room))
