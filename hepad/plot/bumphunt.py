"""Figures of a bump hunt beside the spectrum: the statistic's distribution, all windows, the expected sensitivity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullFormatter
from scipy.special import ndtri_exp

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_beside_curves, log_numbers, sigmas, span
from hepad.plot.spectrum import bin_unit, unit_of
from hepad.plot.style import GREY, ONE_SIGMA, RED, TWO_SIGMA, canvas, figure_of, hep_style

__all__ = ["add_statistics", "plot_sensitivity", "plot_tomography"]

FloatArray = npt.NDArray[np.float64]

_INSET, _LEGEND = 0.47, 0.55
"""Where the inset ends and the legend begins, as shares of the height of the panel."""
_INSET_RIGHT = 0.49
"""Where the inset ends, as a share of the width."""


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
        density, ends, _ = inset.hist(
            drawn, bins=40, range=(0.0, top), histtype="stepfilled", color=GREY, alpha=0.6, density=True
        )
        beyond = observed > top
        inset.axvline(min(observed, top), color=RED, linewidth=1.6, linestyle=":" if beyond else "-")
        inset.set_yscale("log")
        inset.yaxis.set_minor_formatter(NullFormatter())
        inset.set_xlim(0.0, top)
        inset.set_xlabel(r"$t = -\ln\,p_{\mathrm{min}}$", fontsize=11, loc="right", labelpad=1)
        inset.set_ylabel("Density", fontsize=11, loc="center", labelpad=1)
        inset.tick_params(labelsize=9)
        title = f"{len(drawn)} toys, data {observed:.2f}" + (" (off scale)" if beyond else "")
        inset.set_title(title, fontsize=10, loc="left", pad=3)
        keep_numbers(axes, statistic_low=ends[:-1], statistic_high=ends[1:], toys_density=density)
        keep_numbers(axes, statistic_of_data=observed)


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
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The local significance of each window, bins first to last exclusive (windows,) in edges (n+1,), at its middle.

    `log_p` are natural logarithms of p-values; the colour is the window's width. Windows without excess or deficit, and
    vetoed ones, have p = 1 and are left out. `sign` tells excesses from deficits, whose significance points downwards;
    `best` are the ends of the window with the smallest p-value.
    """
    with canvas(ax, (8, 5)) as axes:
        shown = log_p < 0
        low, high = edges[first[shown]], edges[last[shown]]
        z = sign[shown] * -ndtri_exp(log_p[shown])
        order = np.argsort(low - high, kind="stable")  # narrow ones on top
        points = axes.scatter(
            ((low + high) / 2)[order],
            z[order],
            c=(high - low)[order],
            norm=LogNorm() if len(z) and np.ptp(high - low) > 0 else None,
            cmap="viridis_r",
            s=16,
            linewidths=0,
            rasterized=True,
        )
        top = float(np.abs(z).max(initial=0.0))
        most = float(z[np.argmax(np.abs(z))]) if len(z) else 0.0
        unit = unit_of(x_title)
        ends = f"{best[0]:g} to {best[1]:g} {unit}".strip()
        axes.plot(best, [most, most], color=RED, linewidth=2.2, label=f"Smallest p-value: {ends}")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(min(0.0, 1.15 * float(z.min(initial=0.0))), max(1.0, top) * 1.3)
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"Local significance [$\sigma$]")
        axes.legend(loc="upper right", frameon=False)
        bar = figure_of(axes).colorbar(points, ax=axes, pad=0.02)
        bar.set_label("Width of the window" + (f" [{unit}]" if unit else ""))
        log_numbers(bar.ax.yaxis, *bar.ax.get_ylim())
        draw_context(axes, context)
        keep_numbers(axes, low=low, high=high, significance=z, log_p=log_p[shown])
        return figure_of(axes)


def plot_sensitivity(
    yields: FloatArray,
    z: FloatArray,
    *,
    ceiling: float,
    label: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Global significance (k, 5) at -2, -1, 0, 1, 2 sigma of experiments against injected yields (k,).

    `ceiling` is the largest that the pseudo-experiments of background can tell.
    """
    with canvas(ax, (8, 6)) as axes:
        shown = np.maximum(z, 0.0)
        axes.fill_between(yields, shown[:, 0], shown[:, 4], color=TWO_SIGMA, label=r"$\pm 2\sigma$ of experiments")
        axes.fill_between(yields, shown[:, 1], shown[:, 3], color=ONE_SIGMA, label=r"$\pm 1\sigma$ of experiments")
        axes.plot(yields, shown[:, 2], color="black", marker="o", markersize=4, label="Median")
        axes.axhline(ceiling, color=GREY, linestyle=":", linewidth=1.4, label="Limit of the pseudo-experiments")
        for level in (3.0, 5.0):
            if level < max(ceiling, float(shown.max())) * 1.1:
                axes.axhline(level, color=RED, linestyle="--", linewidth=1.0)
        axes.set_xlim(*span(yields))
        axes.set_ylim(0.0, max(ceiling, float(shown.max())) * 1.05)
        axes.set_xlabel("Injected events")
        axes.set_ylabel(r"Global significance [$\sigma$]")
        highest = np.maximum(shown[:, 4], ceiling)
        legend_beside_curves(axes, [(yields, highest)], title=label or None)
        draw_context(axes, context)
        keep_numbers(axes, injected_events=yields, **sigmas("global_significance", z), ceiling=ceiling)
        return figure_of(axes)
