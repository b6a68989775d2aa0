"""Windows of a mass: the spectra that methods select for each, and how significant what is in them is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, pick
from hepad.plot.spectrum import poisson_interval
from hepad.plot.style import COLOURS, GREY, MARKERS, figure_of, frame, hep_style

__all__ = ["WindowSpectrum", "window_significances", "window_spectra"]

FloatArray = npt.NDArray[np.float64]

_COLUMNS = 3


@dataclass(frozen=True)
class WindowSpectrum:
    """Counts and expected events (n,) in bins of edges (n+1,) in GeV, their pulls (n,), and the window's excess `z`.

    A window of another mass than that of the spectrum is not `shaded` in it.
    """

    name: str
    low: float
    high: float
    z: float
    edges: FloatArray
    counts: FloatArray
    expected: FloatArray
    pulls: FloatArray
    shaded: bool = True


def window_spectra(
    spectra: Sequence[WindowSpectrum],
    *,
    title: str,
    x_title: str = "Mass [GeV]",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A panel of the spectrum over one of its pulls for each window, which is shaded: one bin, that is not fitted."""
    columns = min(_COLUMNS, len(spectra))
    rows = -(-len(spectra) // columns)
    with hep_style():
        figure = frame(ax, (max(8.0, 1.2 + 5.2 * columns), 0.8 + 5.2 * rows))
        ratios = [part for _ in range(rows) for part in (3, 1)]
        grid = figure.subplots(2 * rows, columns, squeeze=False, sharex=True, height_ratios=ratios)
        for place, spectrum in enumerate(spectra):
            row, column = divmod(place, columns)
            _draw(grid[2 * row, column], grid[2 * row + 1, column], spectrum)
        for place in range(len(spectra), rows * columns):
            row, column = divmod(place, columns)
            grid[2 * row, column].remove()
            grid[2 * row + 1, column].remove()
        for column in range(columns):
            last = (len(spectra) - 1 - column) // columns
            grid[2 * last + 1, column].set_xlabel(x_title)
            grid[2 * last + 1, column].tick_params(labelbottom=True)
            grid[2 * last + 1, column].xaxis.set_major_locator(MaxNLocator(5))
        for row in range(rows):
            grid[2 * row, 0].set_ylabel("Events / GeV")
            grid[2 * row + 1, 0].set_ylabel("Signif.", loc="center")
        figure.align_ylabels()
        legend_above(figure, grid[0, 0].get_legend_handles_labels()[0])
        draw_context(grid[0, 0], context, right=grid[0, columns - 1], caption=title)
        for one in spectra:
            where = {"set": one.name, "window_low": one.low, "window_high": one.high}
            bins = {"low": one.edges[:-1], "high": one.edges[1:]}
            keep_numbers(figure, **where, **bins, events=one.counts, background=one.expected, significance=one.pulls)
        return figure_of(grid[0, 0])


def _draw(top: Axes, bottom: Axes, spectrum: WindowSpectrum) -> None:
    widths = np.diff(spectrum.edges)
    middles = (spectrum.edges[1:] + spectrum.edges[:-1]) / 2
    filled = spectrum.counts > 0
    errors = np.stack(poisson_interval(spectrum.counts)) / widths
    for axes in (top, bottom) if spectrum.shaded else ():
        axes.axvspan(spectrum.low, spectrum.high, color=GREY, alpha=0.2, linewidth=0, label="Window")
    top.errorbar(
        middles[filled],
        (spectrum.counts / widths)[filled],
        yerr=errors[:, filled],
        fmt="o",
        color="black",
        markersize=4,
        linewidth=1.2,
        label="Selected",
    )
    top.stairs(spectrum.expected / widths, spectrum.edges, color=COLOURS[0], linewidth=1.8, baseline=None, label="Fit")
    top.set_yscale("log")
    lowest = float(np.min(1 / widths)) / 3
    top.set_ylim(lowest, float(np.max(np.maximum(spectrum.counts, spectrum.expected) / widths)) * 20)
    top.set_xlim(spectrum.edges[0], spectrum.edges[-1])
    text = f"{spectrum.name}: {spectrum.low:.0f} to {spectrum.high:.0f} GeV\n$Z$ = {spectrum.z:.2f}"
    top.text(0.95, 0.95, text, transform=top.transAxes, ha="right", va="top", multialignment="right")
    bottom.stairs(spectrum.pulls, spectrum.edges, fill=True, color=COLOURS[0])
    bottom.axhline(0, color="black", linewidth=1.0)
    reach = max(3.0, float(np.max(np.abs(spectrum.pulls))) * 1.15)
    bottom.set_ylim(-reach, reach)
    bottom.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, symmetric=True))
    bottom.xaxis.set_major_locator(MaxNLocator(nbins=5))  # four digits each, and a panel is narrow


def window_significances(
    methods: Mapping[str, Sequence[WindowSpectrum]],
    *,
    x_title: str = "Mass [GeV]",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The local significance of each window, as wide as it is, by method; lines at whole standard deviations."""
    with hep_style():
        figure = frame(ax, (8.0, 5.8))
        axes = figure.subplots()
        for index, (method, windows) in enumerate(methods.items()):
            low, high, z = (np.array([getattr(w, key) for w in windows]) for key in ("low", "high", "z"))
            axes.errorbar(
                (low + high) / 2,
                z,
                xerr=(high - low) / 2,
                fmt=pick(MARKERS, index),
                color=pick(COLOURS, index),
                markersize=7,
                linewidth=1.5,
                label=method,
            )
        ends = [end for windows in methods.values() for w in windows for end in (w.low, w.high)]
        room = 0.03 * (max(ends) - min(ends))
        axes.set_xlim(min(ends) - room, max(ends) + room)
        values = [w.z for windows in methods.values() for w in windows]
        top, lowest = max(3.4, max(values) + 0.6), min(-1.4, min(values) - 0.6)
        axes.set_ylim(lowest, top)
        axes.axhline(0, color="black", linewidth=1.0, zorder=0)
        for sigma in range(int(lowest), int(top) + 1):
            axes.axhline(sigma, color=GREY, linewidth=0.8, linestyle=":", zorder=0)
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"Local significance [$\sigma$]")
        legend_above(figure, axes.get_legend_handles_labels()[0], title="\n".join(remarks) or None)
        draw_context(axes, context)
        for method, windows in methods.items():
            for one in windows:
                keep_numbers(axes, method=method, set=one.name, low=one.low, high=one.high, significance=one.z)
        return figure_of(axes)
