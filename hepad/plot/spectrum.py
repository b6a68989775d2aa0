"""A spectrum with its background, the window of a bump hunt, and the significance in each bin."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import gammaincinv

from hepad.plot.style import hep_style

__all__ = ["plot_spectrum", "poisson_interval"]

FloatArray = npt.NDArray[np.float64]

_TAIL = 0.158655
"""Probability beyond one standard deviation, on either side."""
_RED = "#bd1f01"
_BLUE = "#3f90da"


def plot_spectrum(
    edges: FloatArray,
    counts: FloatArray,
    expected: FloatArray,
    *,
    pulls: FloatArray,
    window: tuple[float, float] | None = None,
    background_label: str = "Background",
    remarks: tuple[str, ...] = (),
    x_title: str = "Mass [GeV]",
    simulation: bool = False,
) -> Figure:
    """Counts and expected events (n,) in bins of edges (n+1,) in GeV, over their pulls (n,) in standard deviations.

    `window` is marked in both panels, `remarks` are written beside the legend.
    """
    with hep_style():
        figure = Figure(figsize=(8, 7), layout="constrained")
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _draw_counts(top, edges, counts, expected, background_label)
        bottom.stairs(pulls, edges, fill=True, color=_BLUE)
        bottom.axhline(0.0, color="black", linewidth=1.0)
        reach = max(3.0, float(np.max(np.abs(pulls))) * 1.15)
        bottom.set_ylim(-reach, reach)
        bottom.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, symmetric=True))
        bottom.set_xlabel(x_title)
        bottom.set_ylabel("Significance", loc="center")
        bottom.set_xlim(edges[0], edges[-1])
        if window is not None:
            for axes in (top, bottom):
                for edge in window:
                    axes.axvline(edge, color=_RED, linestyle="--", linewidth=1.4)
            # A proxy: one legend entry for the four lines.
            top.plot([], [], color=_RED, linestyle="--", linewidth=1.4, label="Largest excess")
        _annotate(top, remarks)
        if simulation:
            top.text(0, 1.01, "Simulation (Delphes)", transform=top.transAxes, va="bottom", fontstyle="italic")
        figure.align_ylabels()
        return figure


def poisson_interval(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Distances (n,) down and up to the central 68.3 % interval of a Poisson mean (Garwood) for counts (n,)."""
    down = np.where(counts > 0, gammaincinv(np.maximum(counts, 1e-9), _TAIL), 0.0)
    up = gammaincinv(counts + 1, 1 - _TAIL)
    return counts - down, up - counts


def _draw_counts(axes: Axes, edges: FloatArray, counts: FloatArray, expected: FloatArray, label: str) -> None:
    filled = counts > 0
    centres = (edges[:-1] + edges[1:]) / 2
    errors = np.stack(poisson_interval(counts))
    axes.errorbar(
        centres[filled],
        counts[filled],
        yerr=errors[:, filled],
        fmt="o",
        color="black",
        markersize=4,
        linewidth=1.2,
        label="Data",
    )
    axes.stairs(expected, edges, color=_BLUE, linewidth=1.8, baseline=None, label=label)
    axes.set_yscale("log")
    floor = min(0.3, float(counts[filled].min()) / 3)
    axes.set_ylim(floor, float(max(counts.max(), expected.max())) * 5)
    axes.set_ylabel("Events / bin")


def _annotate(axes: Axes, remarks: tuple[str, ...]) -> None:
    """Legend and remarks share the upper right, where a falling spectrum leaves room."""
    title = "\n".join(remarks)
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: labels[i] != "Data")
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
