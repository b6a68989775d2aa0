"""What a search sees of a signal: cut flow, scores against background, and the spectra of its channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, NullFormatter

from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import log_numbers
from hepad.plot.style import GREY, hep_style

__all__ = ["SpectrumPanel", "cutflow_figure", "draw_flow", "score_figure", "spectra_figure"]

FloatArray = npt.NDArray[np.float64]

_BLUE, _ORANGE, _RED = "#3f90da", "#e76300", "#bd1f01"


@dataclass(frozen=True)
class SpectrumPanel:
    """One channel: events in bins of `edges` (n+1,) GeV of the signal `before` and `after` the region (n,).

    `background` is the smooth expectation in the first bins, those that are used; `simulated` (n,) the events it is
    made of with their `errors` (n,), `observed` (n,) counts; each None where there is none.
    """

    title: str
    edges: FloatArray
    before: FloatArray | None
    after: FloatArray
    background: FloatArray | None = None
    simulated: FloatArray | None = None
    errors: FloatArray | None = None
    observed: FloatArray | None = None


def spectra_figure(
    panels: Sequence[SpectrumPanel],
    *,
    region: str,
    signal: str = "Signal",
    context: FigureContext | None = None,
    per_bin: str = "Events / bin",
) -> Figure:
    """The spectra of all channels, three in a row, with one legend below.

    `region` is empty where there is but one, of all selected events.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    with hep_style():
        layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08)
        figure = Figure(figsize=(4.9 * columns + 0.4, 3.9 * rows + 1.0), layout=layout)
        grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for spare in grid[len(panels) :]:
            spare.remove()
        for i, (axes, panel) in enumerate(zip(grid, panels, strict=False)):
            _draw_panel(axes, panel, region, signal)
            if i % columns == 0:
                axes.set_ylabel(per_bin)
        entries = {
            name: handle
            for axes in grid[: len(panels)]
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        figure.legend(entries.values(), entries.keys(), loc="outside lower center", ncols=min(len(entries), 3))
        draw_context(grid[0], context, right=grid[columns - 1])
    return figure


def _draw_panel(axes: Axes, panel: SpectrumPanel, region: str, signal: str) -> None:
    edges = panel.edges
    centres = (edges[:-1] + edges[1:]) / 2
    if panel.background is not None:
        n = len(panel.background)
        axes.stairs(panel.background, edges[: n + 1], fill=True, color=GREY, alpha=0.3, lw=0)
        axes.stairs(panel.background, edges[: n + 1], color=GREY, lw=1.4, label=f"Expected background{_within(region)}")
    if panel.simulated is not None and panel.errors is not None:
        filled = panel.simulated > 0
        axes.errorbar(
            centres[filled],
            panel.simulated[filled],
            yerr=panel.errors[filled],
            fmt=".",
            color="#4a4e57",
            ms=4,
            lw=0.9,
            label=f"Simulated background{_within(region)}",
        )
    if panel.observed is not None:
        filled = panel.observed > 0
        axes.errorbar(
            centres[filled],
            panel.observed[filled],
            yerr=np.sqrt(panel.observed[filled]),
            fmt="o",
            color="black",
            ms=3,
            lw=1,
            label="Data",
        )
    if panel.before is not None:
        axes.stairs(panel.before, edges, color=_ORANGE, lw=1.6, ls=(0, (4, 2)), label=f"{signal}, selected")
    axes.stairs(panel.after, edges, color=_RED, lw=1.8, label=f"{signal}{_within(region)}")
    _scale(axes, panel)
    axes.text(0.95, 0.94, panel.title, transform=axes.transAxes, ha="right", va="top", fontsize="large")


def _within(region: str) -> str:
    return f" in {region}" if region else ""


def _scale(axes: Axes, panel: SpectrumPanel) -> None:
    """Log axes around what is there: from the lowest filled bin of the signal to above everything."""
    every = [v for v in (panel.before, panel.after, panel.background, panel.observed, panel.simulated) if v is not None]
    top = max([float(v.max(initial=0.0)) for v in every])
    axes.set(xscale="log", xlim=(panel.edges[0], panel.edges[-1]), xlabel="Mass [GeV]")
    log_numbers(axes.xaxis, panel.edges[0], panel.edges[-1])
    if top <= 0:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "no events", transform=axes.transAxes, ha="center", va="center", color=GREY)
        return
    signal = np.concatenate([values[values > 0] for values in (panel.before, panel.after) if values is not None])
    low = float(signal.min()) if len(signal) else top / 1e5
    axes.set_yscale("log")
    axes.set_ylim(max(min(low, top / 1e3), top / 1e9) / 2, top * 30)
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_formatter(NullFormatter())


def cutflow_figure(
    flows: Mapping[str, Sequence[tuple[str, float, float]]], *, context: FigureContext | None = None
) -> Figure:
    """Bars of the fraction of all events after each step, (name, fraction, error), one panel a category."""
    steps = sum(len(flow) for flow in flows.values())
    with hep_style():
        figure = Figure(figsize=(8.6, 1.4 + 0.62 * steps + 0.8 * len(flows)), layout="constrained")
        heights = [len(flow) for flow in flows.values()]
        grid = figure.subplots(len(flows), 1, squeeze=False, height_ratios=heights, sharex=True).ravel()
        for axes, (category, flow) in zip(grid, flows.items(), strict=True):
            draw_flow(axes, flow)
            if len(flows) > 1:
                axes.set_title(category, loc="right", fontsize="medium", pad=6 if axes is not grid[0] else 26)
        grid[-1].set_xlabel("Fraction of all generated events")
        draw_context(grid[0], context)
    return figure


def draw_flow(axes: Axes, flow: Sequence[tuple[str, float, float]]) -> None:
    """A bar for each fraction of all generated events, (name, fraction, error), from the top."""
    places = np.arange(len(flow))[::-1]
    values = np.array([value for _, value, _ in flow])
    errors = np.array([error for _, _, error in flow])
    axes.barh(places, np.clip(values, 0, None), color=_BLUE, height=0.62)
    axes.errorbar(values, places, xerr=errors, fmt="none", color="black", lw=1.2)
    for place, value, error in zip(places, values, errors, strict=True):
        axes.text(1.03, place, _fraction(value, error), va="center", transform=axes.get_yaxis_transform())
    axes.set_yticks(places, [name for name, _, _ in flow])
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.set(xlim=(0, 1.05), ylim=(-0.6, len(flow) - 0.4))


def _fraction(value: float, error: float) -> str:
    return f"{value:.2%} ± {error:.2%}" if value >= 1e-3 or value == 0 else f"{value:.1e} ± {error:.0e}"


def score_figure(
    score: str,
    signal: tuple[FloatArray, FloatArray],
    background: tuple[FloatArray, FloatArray] | None,
    *,
    thresholds: Mapping[str, float],
    context: FigureContext | None = None,
) -> Figure:
    """The fraction of selected events with at least a score, for signal and held-out background.

    `signal` are scores and weights (n,), `background` thresholds and the fraction above them (k,), None if a model was
    imported without any; the regions' thresholds are marked.
    """
    values, weights = signal
    order = np.argsort(-values, kind="stable")
    ranked, above = values[order], np.cumsum(weights[order])
    marks = np.array(list(thresholds.values()) or [0.0])
    cuts, kept = background or (np.concatenate([ranked, marks - 1, marks + 1]), np.full(1, 1 / max(len(ranked), 1)))
    with hep_style():
        figure = Figure(figsize=(8.6, 6), layout="constrained")
        axes = figure.subplots()
        if background is not None:
            axes.plot(cuts, kept, color=GREY, lw=2, ls=(0, (5, 1.5)), label="Background, held out")
        if len(ranked) and above[-1] > 0:
            axes.plot(ranked, above / above[-1], color=_RED, lw=2, label="Signal")
        ends = np.concatenate([cuts[[0, -1]], np.array(list(thresholds.values()))])
        positive = bool(cuts.min() > 0 and (len(ranked) == 0 or ranked.min() > 0))
        tops = [float(ends.max()), float(cuts.max()), *([float(np.quantile(ranked, 0.999))] if len(ranked) else [])]
        bottoms = [float(np.quantile(cuts, 0.001)), float(ends.min())]
        axes.set_yscale("log")
        low, high = min(bottoms), max(tops)
        if positive and high / max(low, 1e-30) > 30:
            axes.set(xscale="log", xlim=(low, high * (high / low) ** 0.1))
        else:
            axes.set_xlim(low, high + 0.1 * (high - low))
        axes.set_ylim(max(float(kept.min()) / 3, 1e-6), 8)
        for i, (name, cut) in enumerate(thresholds.items()):
            axes.axvline(cut, color="black", lw=1.1, ls=":")
            axes.text(cut, 4.5 if i % 2 == 0 else 2.2, f" {name}", fontsize="small", ha="left", va="center")
        axes.set(xlabel=f"Score {score}", ylabel="Fraction of selected events above")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower left")
        draw_context(axes, context)
    return figure
