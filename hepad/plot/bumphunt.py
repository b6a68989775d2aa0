"""Figures of a bump hunt beside the spectrum: the statistic's distribution, all windows, the expected sensitivity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter

from hepad.plot.spectrum import bin_unit
from hepad.plot.style import COLOURS, GREY, hep_style

__all__ = ["add_statistics", "plot_sensitivity", "plot_tomography"]

FloatArray = npt.NDArray[np.float64]

_INSET, _LEGEND = 0.47, 0.55
"""Where the inset ends and the legend begins, as shares of the height of the panel."""
_INSET_RIGHT = 0.49
"""Where the inset ends, as a share of the width."""
_BLUE, _ORANGE, _RED = COLOURS[0], COLOURS[1], COLOURS[2]


def add_statistics(
    figure: Figure, drawn: FloatArray, observed: float, *, edges: FloatArray, counts: FloatArray
) -> None:
    """Put into the lower left of the spectrum's panel how the statistic is distributed (n,), and the observed one.

    The panel is extended where the counts (n,) of the spectrum in bins of edges (n+1,) leave no room for it.
    """
    with hep_style():
        axes = figure.axes[0]
        width, _ = bin_unit(edges, figure.axes[-1].get_xlabel())
        _make_room(axes, edges, counts / width)
        backing = Rectangle(
            (0.05, 0.015), _INSET_RIGHT - 0.05, 0.45, transform=axes.transAxes, facecolor="white", zorder=4
        )
        axes.add_patch(backing)
        inset = axes.inset_axes((0.13, 0.12, 0.34, 0.28), zorder=5)
        top = min(max(float(drawn.max()), observed) * 1.05, max(4 * float(drawn.max()), 1.0))
        inset.hist(drawn, bins=40, range=(0.0, top), histtype="stepfilled", color=GREY, alpha=0.6, density=True)
        beyond = observed > top
        inset.axvline(min(observed, top), color=_RED, linewidth=1.6, linestyle=":" if beyond else "-")
        inset.set_yscale("log")
        inset.yaxis.set_minor_formatter(NullFormatter())
        inset.set_xlim(0.0, top)
        inset.set_xlabel(r"$t = -\ln\,p_{\mathrm{min}}$", fontsize=11, loc="right", labelpad=1)
        inset.set_ylabel("Density", fontsize=11, loc="center", labelpad=1)
        inset.tick_params(labelsize=9)
        title = f"{len(drawn)} toys, data {observed:.2f}" + (" (off scale)" if beyond else "")
        inset.set_title(title, fontsize=10, loc="left", pad=3)


def _make_room(axes: Axes, edges: FloatArray, counts: FloatArray) -> None:
    """Extend the logarithmic panel: counts on the left lie above the inset, those on the right below the legend."""
    pixels = axes.transData.transform(np.stack([edges[:-1], np.full(len(counts), axes.get_ylim()[1])], axis=1))
    beside = axes.transAxes.inverted().transform(pixels)[:, 0] < _INSET_RIGHT
    left, right = counts[beside], counts[~beside]
    low, high = np.log10(axes.get_ylim())
    for _ in range(8):
        if np.any(left > 0):
            low = min(low, (np.log10(left[left > 0].min()) - _INSET * high) / (1 - _INSET))
        if np.any(right > 0):
            high = max(high, low + (np.log10(right.max()) - low) / _LEGEND)
    axes.set_ylim(10.0**low, 10.0**high)


def plot_tomography(
    edges: FloatArray,
    first: npt.NDArray[np.intp],
    last: npt.NDArray[np.intp],
    log_p: FloatArray,
    *,
    sign: npt.NDArray[np.int8],
    best: tuple[float, float],
    x_title: str = "Mass [GeV]",
) -> Figure:
    """Each window, bins first to last exclusive (windows,) in edges (n+1,), as a line at -log10 of its p-value.

    Windows without excess or deficit, and vetoed ones, have p = 1 and are left out; `sign` tells excess from deficit.
    """
    with hep_style():
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.subplots()
        height = -log_p / np.log(10.0)
        for direction, colour, name in ((1, _BLUE, "Excess"), (-1, _ORANGE, "Deficit")):
            mine = np.flatnonzero((sign == direction) & (height > 0))
            if len(mine) == 0:
                continue
            lines = [[(edges[first[i]], height[i]), (edges[last[i]], height[i])] for i in mine]
            alpha = float(np.clip(300 / len(mine), 0.2, 0.9))
            axes.add_collection(LineCollection(lines, colors=colour, linewidths=1.1, alpha=alpha))
            axes.plot([], [], color=colour, label=f"{name} ({len(mine)} windows)")
        top = float(height.max()) if len(height) else 0.0
        for edge in best:
            axes.axvline(edge, color=_RED, linestyle="--", linewidth=1.4)
        axes.plot(best, [top, top], color=_RED, linewidth=2.2, label="Smallest p-value")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0.0, max(1.0, top) * 1.6)
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"$-\log_{10}$ local $p$")
        axes.legend(loc="upper right", frameon=True, framealpha=1.0, edgecolor="none")
        return figure


def plot_sensitivity(yields: FloatArray, z: FloatArray, *, ceiling: float, label: str = "") -> Figure:
    """Global significance (k, 5) at -2, -1, 0, 1, 2 sigma of experiments against injected yields (k,).

    `ceiling` is the largest that the pseudo-experiments of background can tell.
    """
    with hep_style():
        figure = Figure(figsize=(8, 6), layout="constrained")
        axes = figure.subplots()
        shown = np.maximum(z, 0.0)
        axes.fill_between(yields, shown[:, 0], shown[:, 4], color="#ffd966", label=r"$\pm 2\sigma$ of experiments")
        axes.fill_between(yields, shown[:, 1], shown[:, 3], color="#8fbc6f", label=r"$\pm 1\sigma$ of experiments")
        axes.plot(yields, shown[:, 2], color="black", marker="o", markersize=4, label="Median")
        axes.axhline(ceiling, color=GREY, linestyle=":", linewidth=1.4, label="Limit of the pseudo-experiments")
        for level in (3.0, 5.0):
            if level < max(ceiling, float(shown.max())) * 1.1:
                axes.axhline(level, color=_RED, linestyle="--", linewidth=1.0)
        axes.set_xlim(yields[0], yields[-1])
        axes.set_ylim(0.0, max(ceiling, float(shown.max())) * 1.45)
        axes.set_xlabel("Injected events")
        axes.set_ylabel("Global significance")
        axes.legend(loc="upper left", title=label or None, alignment="left")
        return figure
