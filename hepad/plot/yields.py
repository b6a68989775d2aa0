"""Yields of counting bins: stacked processes, signal and data, and below how far the data or the signal are out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import pick
from hepad.plot.spectrum import poisson_interval
from hepad.plot.style import AREAS, figure_of, frame, hep_style

__all__ = ["plot_yields"]

FloatArray = npt.NDArray[np.float64]

_SIGNAL = "#bd1f01"
_LEAST = 0.05


def plot_yields(
    bins: Sequence[str],
    processes: Mapping[str, FloatArray],
    errors: FloatArray,
    *,
    signal: FloatArray | None = None,
    signal_label: str = "Signal",
    observed: FloatArray | None = None,
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Events (n,) of each process in each bin, with the error (n,) of their sum.

    The pulls are (data - background) / sqrt(background + error^2), or those of the signal where there are no data.
    """
    if not bins:
        raise ValueError("there is no bin to draw")
    total = np.sum(list(processes.values()), axis=0)
    edges = np.arange(len(bins) + 1, dtype=np.float64)
    centres = edges[:-1] + 0.5
    spread = np.sqrt(total + errors**2)
    with hep_style():
        figure = frame(ax, (max(8.0, 0.62 * len(bins) + 3.0), 8.2))
        top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 1]})
        below = np.full(len(bins), 0.0)
        order = sorted(processes, key=lambda name: float(processes[name].sum()))
        for name in order:
            look = pick(AREAS, list(processes).index(name))
            values = processes[name]
            top.stairs(below + values, edges, baseline=below, fill=True, label=name, **look)
            below = below + values
        band = {"fill": True, "facecolor": "none", "edgecolor": "#30343b", "hatch": "//////", "linewidth": 0}
        top.stairs(total + errors, edges, baseline=np.maximum(total - errors, 1e-9), label="Uncertainty", **band)
        highest = float((total + errors).max())
        if signal is not None:
            top.stairs(signal, edges, baseline=None, color=_SIGNAL, linewidth=2, label=signal_label)
            highest = max(highest, float(signal.max()))
        if observed is not None:
            bars = np.stack(poisson_interval(observed))
            top.errorbar(centres, observed, yerr=bars, fmt="o", color="black", markersize=4, label="Data")
            highest = max(highest, float((observed + bars[1]).max()))
        top.set_yscale("log")
        top.set_ylim(_LEAST, highest * (highest / _LEAST) ** 0.35)
        top.set_ylabel("Events", fontsize=16)
        legend = top.legend(loc="upper left", ncols=3, fontsize=13, title="\n".join(remarks) or None, alignment="left")
        legend.get_title().set_fontsize(13)
        shown = np.zeros(len(bins)) if signal is None else signal
        pulls = shown / spread if observed is None else (observed - total) / spread
        bottom.bar(centres, pulls, width=0.8, color=_SIGNAL if observed is None else "#30343b")
        bottom.axhline(0.0, color="black", linewidth=0.8)
        reach = 1.15 * max(2.5, float(np.abs(pulls).max()))
        bottom.set_ylim(0.0 if observed is None else -reach, reach)
        bottom.set_ylabel(r"Signal / $\sigma$" if observed is None else "Pull", fontsize=16, loc="center")
        bottom.set_xticks(centres, [name.replace("$", r"\$") for name in bins], rotation=60, ha="right", fontsize=11)
        bottom.set_xlim(edges[0], edges[-1])
        for axes in (top, bottom):
            axes.tick_params(axis="x", which="minor", bottom=False, top=False)
        draw_context(top, context)
        named = {f"process_{name}": values for name, values in processes.items()}  # `data` can be one
        numbers = {**named, "error": errors, "signal": signal, "data": observed, "pull": pulls}
        keep_numbers(figure, bin=bins, **numbers)
    return figure_of(top)
