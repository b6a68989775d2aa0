"""A spectrum with its background, the window of a bump hunt, and the significance in each bin."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaincinv

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import RED, figure_of, hep_style
from hepad.stats.counts.poisson import signed_root

__all__ = ["bin_unit", "plot_spectrum", "poisson_interval", "unit_of", "visible_scale"]

FloatArray = npt.NDArray[np.float64]

_TAIL = 0.158655
"""Probability beyond one standard deviation, on either side."""
_BLUE = "#3f90da"
_ORANGE = "#e76300"
_ASIMOV = "Asimov data"
_DEFINITION = r"$\pm\,[\,2\,(n\,\ln(n/b) - n + b)\,]^{1/2}$"
"""What is drawn below: the root of twice the logarithm of a bin's likelihood ratio, with the sign of n - b."""
_SEEN = (2.0, 8.0)
"""Standard deviations of the largest bin of a signal that is drawn as it is; any other is scaled to lie between."""


def plot_spectrum(
    edges: FloatArray,
    counts: FloatArray,
    expected: FloatArray,
    *,
    pulls: FloatArray,
    window: tuple[float, float] | None = None,
    window_label: str = "Largest excess",
    background_label: str = "Background",
    background_errors: FloatArray | None = None,
    count_errors: FloatArray | None = None,
    signal: FloatArray | None = None,
    signal_label: str = "Signal",
    data_label: str = "Data",
    remarks: tuple[str, ...] = (),
    x_title: str = "Mass [GeV]",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Counts and expected events (n,) in bins of edges (n+1,) in GeV, over their pulls (n,) in standard deviations.

    `window` is marked in both panels, `remarks` are written beside the legend. `background_errors` (n,) are drawn as a
    band of one standard deviation of the logarithm. `signal` (n,) events are drawn alone and, over the pulls, as what
    they would add to the background, both times by a factor that makes them visible, which the legend says.
    `count_errors` (n,) are standard deviations of weighted counts, in place of those of Poisson counts. `data_label`
    names what the counts are: "Asimov data" for an expectation, which has no error bars. Where bins are not equal the
    panel is of events per unit of the axis. With `ax` the counts alone are drawn on it, without the panel of pulls.
    """
    width, y_title = bin_unit(edges, x_title)
    with hep_style():
        top, bottom = (ax, None) if ax is not None else _panels()
        errors = np.stack(poisson_interval(counts)) if count_errors is None else np.tile(count_errors, (2, 1))
        _draw_counts(top, edges, counts / width, None if data_label == _ASIMOV else errors / width, data_label)
        _draw_expected(top, edges, counts / width, expected / width, background_label)
        top.set_ylabel(y_title)
        if background_errors is not None:
            _draw_band(top, edges, expected / width, background_errors / width)
        if bottom is not None:
            _draw_pulls(bottom, edges, pulls)
        if signal is not None:
            _draw_signal(top, bottom, edges, expected=expected, signal=signal, width=width, label=signal_label)
        lowest = bottom or top
        lowest.set_xlabel(x_title)
        lowest.set_xlim(edges[0], edges[-1])
        if window is not None:
            _draw_window(top, bottom, edges, expected=expected / width, window=window, label=window_label)
        if bottom is not None:
            _define(bottom, edges, window)
        _annotate(top, remarks, data_label)
        draw_context(top, context)
        figure = figure_of(top)
        if bottom is not None:
            figure.align_ylabels()
        keep_numbers(
            top,
            low=edges[:-1],
            high=edges[1:],
            events=counts,
            error_down=errors[0],
            error_up=errors[1],
            background=expected,
            background_error=background_errors,
            signal=signal,
            significance=pulls,
        )
        return figure


def _panels() -> tuple[Axes, Axes]:
    top, bottom = Figure(figsize=(8, 7), layout="constrained").subplots(2, 1, sharex=True, height_ratios=(3, 1))
    return top, bottom


def _draw_pulls(axes: Axes, edges: FloatArray, pulls: FloatArray) -> None:
    axes.stairs(pulls, edges, fill=True, color=_BLUE)
    axes.axhline(0.0, color="black", linewidth=1.0)
    largest = float(np.max(np.abs(pulls)))
    _reach(axes, largest, largest)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.set_ylabel(r"Significance [$\sigma$]", loc="center", fontsize=15)


def _define(axes: Axes, edges: FloatArray, window: tuple[float, float] | None) -> None:
    """Say what the significance is, in the upper corner away from the window, where no ticks point into it."""
    right = window is None or sum(window) < edges[0] + edges[-1]
    axes.tick_params(axis="x", which="both", top=False)
    side: Any = "right" if right else "left"
    axes.text(0.985 if right else 0.015, 0.95, _DEFINITION, transform=axes.transAxes, ha=side, va="top", fontsize=11)


def _reach(axes: Axes, down: float, up: float) -> None:
    """Three standard deviations or more, and above that room for the definition."""
    axes.set_ylim(-max(3.0, 1.15 * down), 1.35 * max(3.0, 1.15 * up))


def _draw_signal(
    top: Axes,
    bottom: Axes | None,
    edges: FloatArray,
    *,
    expected: FloatArray,
    signal: FloatArray,
    width: FloatArray | float,
    label: str,
) -> None:
    """The signal alone, and over the pulls what it adds to the background: on six decades their sum shows nothing."""
    scale = visible_scale(expected, signal)
    look: dict[str, Any] = {"color": _ORANGE, "linestyle": (0, (5, 2)), "linewidth": 1.8, "baseline": None}
    scaled = "" if scale == 1 else rf" $\times$ {scale:g}"
    top.stairs(scale * signal / width, edges, label=label + scaled, **look)
    if bottom is not None:
        added = _added(expected, scale * signal)
        bottom.stairs(added, edges, **look)
        down, up = (abs(end) for end in bottom.get_ylim())
        _reach(bottom, down / 1.15, max(float(np.max(added)), up / (1.35 * 1.15)))


def _added(expected: FloatArray, signal: FloatArray) -> FloatArray:
    floor = np.maximum(expected, 1e-9)
    return signed_root(floor + np.maximum(signal, 0.0), floor)


def visible_scale(expected: FloatArray, signal: FloatArray) -> float:
    """By what to multiply a signal (n,), in 1, 2, 5 and so on, so that its largest bin can be seen over the background.

    That is 1 if it adds 2 to 8 standard deviations to the expected events (n,), and also where there is no signal.
    """
    if not np.any(signal > 0) or _SEEN[0] <= float(np.max(_added(expected, signal))) <= _SEEN[1]:
        return 1.0
    factors = [digit * 10.0**power for power in range(-9, 10) for digit in (1, 2, 5)]
    return min(factors, key=lambda f: abs(np.log(max(float(np.max(_added(expected, f * signal))), 1e-9) / 4)))


def _draw_window(
    top: Axes,
    bottom: Axes | None,
    edges: FloatArray,
    *,
    expected: FloatArray,
    window: tuple[float, float],
    label: str,
) -> None:
    """Lines from the spectrum upwards, whatever the panel is made to reach to: what is below it stays free."""
    look: dict[str, Any] = {"color": RED, "linestyle": "--", "linewidth": 1.4}
    for edge in window:
        inside = int(np.clip(np.searchsorted(edges, edge), 1, len(expected))) - 1
        beside = expected[inside : inside + 2]
        top.plot([edge, edge], [float(beside.max()), 1e9 * top.get_ylim()[1]], **look)
        if bottom is not None:
            bottom.axvline(edge, **look)
    top.plot([], [], label=label, **look)  # a proxy: one legend entry for the four lines


def unit_of(title: str) -> str:
    """The unit of an axis, which stands at the end of its title in brackets; empty if none does."""
    return title[title.rfind("[") + 1 : -1] if title.endswith("]") and "[" in title else ""


def bin_unit(edges: FloatArray, x_title: str) -> tuple[FloatArray | float, str]:
    """What to divide events by, and the title of the axis: widths where bins differ; `x_title` ends in a unit."""
    unit, widths = unit_of(x_title), np.diff(edges)
    if not unit:
        return 1.0, "Events / bin"
    if np.allclose(widths, widths[0], rtol=1e-3):
        return 1.0, f"Events / {widths[0]:.4g} {unit}"
    return widths, f"Events / {unit}"


def poisson_interval(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distances (n,) down and up to the central 68.3 % interval of a Poisson mean (Garwood) for counts (n,)."""
    down = np.where(counts > 0, gammaincinv(np.maximum(counts, 1e-9), _TAIL), 0.0)
    up = gammaincinv(counts + 1, 1 - _TAIL)
    return counts - down, up - counts


def _draw_band(axes: Axes, edges: FloatArray, expected: FloatArray, errors: FloatArray) -> None:
    # The logarithm of a background function is linear in its parameters: its error is Gaussian, the function's is not.
    factor = np.exp(np.divide(errors, expected, out=np.zeros_like(errors), where=expected > 0))
    axes.stairs(expected * factor, edges, baseline=expected / factor, fill=True, color=_BLUE, alpha=0.35, linewidth=0)


def _draw_counts(axes: Axes, edges: FloatArray, counts: FloatArray, errors: FloatArray | None, label: str) -> None:
    """Points with errors (2, n) downwards and upwards; empty bins have none."""
    filled = counts > 0
    axes.errorbar(
        ((edges[:-1] + edges[1:]) / 2)[filled],
        counts[filled],
        yerr=None if errors is None else errors[:, filled],
        fmt="o",
        color="black",
        markersize=4,
        linewidth=1.2,
        label=label,
    )


def _draw_expected(axes: Axes, edges: FloatArray, counts: FloatArray, expected: FloatArray, label: str) -> None:
    filled = counts > 0
    axes.stairs(expected, edges, color=_BLUE, linewidth=1.8, baseline=None, label=label)
    axes.set_yscale("log")
    axes.set_ylim(min(float(counts[filled].min()), 1.0) / 3, float(max(counts.max(), expected.max())) * 5)


def _annotate(axes: Axes, remarks: tuple[str, ...], data_label: str) -> None:
    """Legend and remarks share the upper right, where a falling spectrum leaves room."""
    title = "\n".join(remarks)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] != data_label)
    # Opaque, as the lines of a window at high mass pass behind it.
    legend = axes.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        loc="upper right",
        title=title or None,
        alignment="left",
        frameon=True,
        framealpha=1.0,
        edgecolor="none",
    )
    legend.get_title().set_fontsize(14)
    legend.get_title().set_multialignment("left")
