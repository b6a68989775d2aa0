"""A spectrum with its background, the window of a bump hunt, and the significance in each bin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaincinv

from hepad.plot.style import figure_of, hep_style

__all__ = ["plot_spectrum", "poisson_interval"]

FloatArray = npt.NDArray[np.float64]

_TAIL = 0.158655
"""Probability beyond one standard deviation, on either side."""
_RED = "#bd1f01"
_BLUE = "#3f90da"
_ORANGE = "#e76300"
_ASIMOV = "Asimov data"


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
    simulation: bool = False,
    ax: Axes | None = None,
) -> Figure:
    """Counts and expected events (n,) in bins of edges (n+1,) in GeV, over their pulls (n,) in standard deviations.

    `window` is marked in both panels, `remarks` are written beside the legend. `background_errors` (n,) are drawn as a
    band of one standard deviation of the logarithm, `signal` (n,) events on top of the background. `count_errors` (n,)
    are standard deviations of weighted counts, in place of those of Poisson counts. `data_label` names what the counts
    are: "Asimov data" for an expectation, which has no error bars. With `ax` the counts alone are drawn on it, without
    the panel of pulls.
    """
    with hep_style():
        top, bottom = (ax, None) if ax is not None else _panels()
        errors = np.stack(poisson_interval(counts)) if count_errors is None else np.tile(count_errors, (2, 1))
        _draw_counts(top, edges, counts, None if data_label == _ASIMOV else errors, data_label)
        _draw_expected(top, edges, counts, expected, background_label)
        if background_errors is not None:
            _draw_band(top, edges, expected, background_errors)
        if signal is not None:
            top.stairs(
                expected + signal,
                edges,
                color=_ORANGE,
                linestyle="--",
                linewidth=1.8,
                baseline=None,
                label=signal_label,
            )
        if bottom is not None:
            _draw_pulls(bottom, edges, pulls)
        lowest = bottom or top
        lowest.set_xlabel(x_title)
        lowest.set_xlim(edges[0], edges[-1])
        if window is not None:
            for axes in filter(None, (top, bottom)):
                for edge in window:
                    axes.axvline(edge, color=_RED, linestyle="--", linewidth=1.4)
            # A proxy: one legend entry for the four lines.
            top.plot([], [], color=_RED, linestyle="--", linewidth=1.4, label=window_label)
        _annotate(top, remarks, data_label)
        if simulation:
            top.text(0, 1.01, "Simulation (Delphes)", transform=top.transAxes, va="bottom", fontstyle="italic")
        figure = figure_of(top)
        if bottom is not None:
            figure.align_ylabels()
        return figure


def _panels() -> tuple[Axes, Axes]:
    top, bottom = Figure(figsize=(8, 7), layout="constrained").subplots(2, 1, sharex=True, height_ratios=(3, 1))
    return top, bottom


def _draw_pulls(axes: Axes, edges: FloatArray, pulls: FloatArray) -> None:
    axes.stairs(pulls, edges, fill=True, color=_BLUE)
    axes.axhline(0.0, color="black", linewidth=1.0)
    reach = max(3.0, float(np.max(np.abs(pulls))) * 1.15)
    axes.set_ylim(-reach, reach)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, symmetric=True))
    axes.set_ylabel("Significance", loc="center")


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
    floor = min(0.3, float(counts[filled].min()) / 3)
    axes.set_ylim(floor, float(max(counts.max(), expected.max())) * 5)
    axes.set_ylabel("Events / bin")


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
