"""What a search sees of a signal: cut flow, scores against background, and the spectra of its channels."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import label_outer, legend_above, legend_beside_curves, log_numbers
from hepad.plot.spectrum import bin_unit, unit_of
from hepad.plot.style import GREY, RED, figure_of, frame, hep_style

__all__ = ["SpectrumPanel", "cutflow_figure", "draw_flow", "score_figure", "spectra_figure"]

FloatArray = npt.NDArray[np.float64]

_BLUE, _ORANGE = "#3f90da", "#e76300"
_LIKE_BACKGROUND = "If the score saw background"

_LONG = 30
"""Letters of a step's name on one line."""

_TOLD = 1000
"""Events of a curve in the table of its numbers at most."""


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
    x_title: str = "Mass [GeV]",
    ax: Axes | None = None,
) -> Figure:
    """The spectra of all channels, three in a row, with one legend below.

    `region` is empty where there is but one, of all selected events. A channel without background and data says nothing
    beside others that have some: it is named in the legend and not drawn. The mass reaches as far as there is anything,
    the same in all panels, and the signal is multiplied by a power of ten that makes it visible, which the legend says.
    """
    over = [any(np.any(values > 0) for values in _known(panel)) for panel in panels]
    shown = [panel for panel, known in zip(panels, over, strict=True) if known or not any(over)]
    left_out = [panel.title for panel, known in zip(panels, over, strict=True) if any(over) and not known]
    columns = min(3, len(shown))
    rows = -(-len(shown) // columns)
    scale = _visible(shown)
    single = len(shown) == 1
    widths, y_title = _widths(shown, x_title)
    with hep_style():
        layout = ConstrainedLayoutEngine(w_pad=0.06, h_pad=0.06)
        size = (8.0, 6.4) if single else (4.4 * columns + 0.6, 3.5 * rows + 1.0)
        figure = frame(ax, size, layout)
        grid = list(figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel())
        for spare in grid[len(shown) :]:
            spare.remove()
        for axes, panel, width in zip(grid, shown, widths, strict=False):
            _draw_panel(axes, panel, region, signal, scale=scale, widths=width)
            if not single:  # else the axis says it
                axes.text(0.95, 0.94, panel.title, transform=axes.transAxes, ha="right", va="top", fontsize="large")
        _scale(grid[0], shown, scale, widths)
        if single:
            grid[0].set(xlabel=f"{shown[0].title} [{unit_of(x_title)}]" if unit_of(x_title) else shown[0].title)
            grid[0].set_ylabel(y_title)
        else:
            label_outer(grid[: len(shown)], columns, x="")
            figure.supxlabel(x_title, x=0.98, ha="right", fontsize=18)
            figure.supylabel(y_title, fontsize=18)
        entries = {
            name: handle
            for axes in grid[: len(shown)]
            for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        handles = list(entries.values())
        if left_out:
            handles.append(Line2D([], [], ls="", label=f"No background: {', '.join(left_out)}"))
        if single:  # of falling spectra, the upper right is free
            curves = [
                ((p.edges[:-1] + p.edges[1:]) / 2, _as_long(v, len(w)) / w)
                for p, w in zip(shown, widths, strict=True)
                for v in _known(p)
            ]
            legend_beside_curves(grid[0], curves, handles=handles)
        else:
            legend_above(figure, handles)
        draw_context(grid[0], context, right=grid[columns - 1])
        for panel in panels:
            keep_numbers(
                figure,
                channel=panel.title,
                low=panel.edges[:-1],
                high=panel.edges[1:],
                signal_selected=panel.before,
                signal_in_region=panel.after,
                background=panel.background,
                simulated_background=panel.simulated,
                simulated_error=panel.errors,
                data=panel.observed,
            )
    return figure_of(grid[0])


def _widths(panels: Sequence[SpectrumPanel], x_title: str) -> tuple[list[FloatArray], str]:
    """What to divide the bins of each panel by, and the title of the axis that all share."""
    units = [bin_unit(panel.edges, x_title) for panel in panels]
    if len({title for _, title in units}) > 1:  # equal bins, but of another width in each
        return [np.diff(panel.edges) for panel in panels], f"Events / {unit_of(x_title)}"
    return [np.broadcast_to(by, len(p.edges) - 1) for p, (by, _) in zip(panels, units, strict=True)], units[0][1]


def _known(panel: SpectrumPanel) -> list[FloatArray]:
    """What a signal could be seen over, each in the first bins: expected, observed, simulated."""
    return [values for values in (panel.background, panel.observed, panel.simulated) if values is not None]


def _signals(panel: SpectrumPanel) -> list[FloatArray]:
    return [values for values in (panel.before, panel.after) if values is not None]


def _as_long(values: FloatArray, length: int) -> FloatArray:
    return np.pad(values, (0, length - len(values)))


def _visible(panels: Sequence[SpectrumPanel]) -> float:
    """The power of ten from 1 on that brings the signal to a hundredth of the background where it lies, or above."""
    over, under = 0.0, 0.0
    for panel in panels:
        for known in _known(panel)[:1]:
            signal = panel.after if np.any(panel.after > 0) or panel.before is None else panel.before
            over += float(signal[: len(known)] @ signal[: len(known)])
            under += float(signal[: len(known)] @ np.maximum(known, 0.0))
    if over <= 0 or under <= 0:
        return 1.0
    return float(10.0 ** max(0, np.ceil(np.log10(1e-2 * under / over))))


def _draw_panel(
    axes: Axes, panel: SpectrumPanel, region: str, signal: str, *, scale: float, widths: FloatArray
) -> None:
    edges = panel.edges
    centres = (edges[:-1] + edges[1:]) / 2
    if panel.background is not None:
        n = len(panel.background)
        drawn = panel.background / widths[:n]
        axes.stairs(drawn, edges[: n + 1], fill=True, color=GREY, alpha=0.3, lw=0)
        axes.stairs(drawn, edges[: n + 1], color=GREY, lw=1.4, label=f"Expected background{_within(region)}")
    points: tuple[tuple[FloatArray | None, FloatArray | None, str, dict[str, Any]], ...] = (
        (
            panel.simulated,
            panel.errors,
            f"Simulated background{_within(region)}",
            {"fmt": "s", "color": "#4a4e57", "mfc": "white", "ms": 3, "lw": 0.9},
        ),
        (
            panel.observed,
            None if panel.observed is None else np.sqrt(panel.observed),
            "Data",
            {"fmt": "o", "color": "black", "ms": 4, "lw": 1.1},
        ),
    )
    for values, errors, name, look in points:
        if values is not None and errors is not None:
            filled = values > 0
            drawn, bars = (values / widths)[filled], (errors / widths)[filled]
            # The lower end of a bar that reaches zero lies at the same factor as the upper.
            down = np.where(bars < drawn, bars, drawn - drawn**2 / (drawn + bars))
            axes.errorbar(centres[filled], drawn, yerr=[down, bars], label=name, **look)
    times = "" if scale == 1 else rf" $\times$ {scale:g}"
    if panel.before is not None:
        axes.stairs(
            scale * panel.before / widths,
            edges,
            color=_ORANGE,
            lw=1.6,
            ls=(0, (4, 2)),
            label=f"{signal}, selected{times}",
        )
    axes.stairs(scale * panel.after / widths, edges, color=RED, lw=1.8, label=f"{signal}{_within(region)}{times}")
    if not any(np.any(values > 0) for values in (*_known(panel), *_signals(panel))):
        axes.text(0.5, 0.5, "no events", transform=axes.transAxes, ha="center", va="center", color=GREY)


def _within(region: str) -> str:
    return f" in {region}" if region else ""


def _scale(axes: Axes, panels: Sequence[SpectrumPanel], scale: float, every: Sequence[FloatArray]) -> None:
    """Log axes around what is there, the same for all panels; `every` has what to divide the bins of each by."""
    heights: list[tuple[FloatArray, FloatArray]] = []
    lines: list[tuple[FloatArray, FloatArray]] = []
    data = [np.inf]
    for panel, widths in zip(panels, every, strict=True):
        heights += [(panel.edges, _as_long(v, len(widths)) / widths) for v in _known(panel)]
        lines += [(panel.edges, scale * v / widths) for v in _signals(panel)]
        data += [] if panel.observed is None else [float(v) for v in (panel.observed / widths)[panel.observed > 0]]
    top = max((float(v.max(initial=0.0)) for _, v in (*heights, *lines)), default=0.0)
    if top <= 0:
        axes.set(xlim=tuple(panels[0].edges[[0, -1]]), yticks=[])
        return
    # Down to what a single simulated event of the signal is, or a thousandth of its peak, and where data end.
    peak = max((float(v.max(initial=0.0)) for _, v in lines), default=0.0)
    least = min((float(v[v > 0].min()) for _, v in lines if np.any(v > 0)), default=top / 1e3)
    bottom = max(min(max(least / 2, peak / 1e3), min(data) / 2, top / 1e3), top / 1e9)
    axes.set(yscale="log", ylim=(bottom, top * 8))
    axes.yaxis.set_major_locator(LogLocator(numticks=6))
    axes.yaxis.set_minor_formatter(NullFormatter())
    seen = [(edges[:-1][v > bottom], edges[1:][v > bottom]) for edges, v in (*heights, *lines)]
    low, high = np.concatenate([s for s, _ in seen]).min(), np.concatenate([e for _, e in seen]).max()
    axes.set_xlim(low, high)
    if low > 0 and high > 2 * low:
        axes.set_xscale("log")
        log_numbers(axes.xaxis, low, high)


def cutflow_figure(
    flows: Mapping[str, Sequence[tuple[str, float, float]]],
    *,
    background: Mapping[str, Mapping[str, float]] | None = None,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Bars of the fraction of all events after each step, (name, fraction, error), one panel a category.

    The axis is logarithmic unless a tenth or more of the events is left everywhere.

    `background` has, by category and step, the fraction that would be left if the signal were like background to what
    selects there, which is marked.
    """
    steps = sum(len(flow) for flow in flows.values())
    with hep_style():
        figure = frame(ax, (8.6, 1.4 + 0.62 * steps + 0.8 * len(flows)))
        heights = [len(flow) for flow in flows.values()]
        grid = list(figure.subplots(len(flows), 1, squeeze=False, height_ratios=heights, sharex=True).ravel())
        for axes, (category, flow) in zip(grid, flows.items(), strict=True):
            draw_flow(axes, flow, background=(background or {}).get(category, {}))
            if len(flows) > 1:
                axes.set_title(category, loc="right", fontsize="medium", pad=6 if axes is not grid[0] else 26)
        marks = [value for marked in (background or {}).values() for value in marked.values()]
        _flow_range(grid[0], [*(value for flow in flows.values() for _, value, _ in flow), *marks])
        grid[-1].set_xlabel("Fraction of all generated events")
        marked = [handle for axes in grid for handle in axes.get_legend_handles_labels()[0]]
        if marked:
            legend_above(figure, marked[:1])
        draw_context(grid[0], context)
        for category, flow in flows.items():
            names, fractions, errors = zip(*flow, strict=True)
            left = (background or {}).get(category, {})
            marks_of = [left.get(name) for name in names] if left else None
            keep_numbers(
                figure, category=category, step=names, fraction=fractions, error=errors, background_like=marks_of
            )
    return figure_of(grid[0])


def draw_flow(
    axes: Axes, flow: Sequence[tuple[str, float, float]], *, background: Mapping[str, float] | None = None
) -> None:
    """A bar for each fraction of all generated events, (name, fraction, error), from the top; beside it the number.

    `background` is marked in the rows of these names.
    """
    places = np.arange(len(flow))[::-1]
    values = np.array([value for _, value, _ in flow])
    errors = np.array([error for _, _, error in flow])
    marks = dict(background or {})
    some = values > 0
    axes.barh(places[some], values[some], color=_BLUE, height=0.62)
    down = values - values**2 / np.where(some, values + errors, 1.0)  # by the same factor as upwards: never to zero
    axes.errorbar(values[some], places[some], xerr=[down[some], errors[some]], fmt="none", color="black", lw=1.2)
    marked = [(marks[name], place) for place, (name, _, _) in zip(places, flow, strict=True) if marks.get(name, 0) > 0]
    if marked:
        axes.plot(*zip(*marked, strict=True), "D", color="black", mfc="white", ms=7, label=_LIKE_BACKGROUND)
    for place, value, error in zip(places, values, errors, strict=True):
        text = _fraction(value, error)
        axes.text(0.98, place, text, va="center", ha="right", transform=axes.get_yaxis_transform(), fontsize=14)
    axes.set_yticks(places, [_folded(name) for name, _, _ in flow], linespacing=0.95)
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_ylim(-0.6, len(flow) - 0.4)
    _flow_range(axes, [*values, *(value for value, _ in marked)])


def _flow_range(axes: Axes, fractions: Iterable[float]) -> None:
    """From below the least fraction to 1, and beyond it room for the numbers; linear where it is a tenth or more."""
    least = min((value for value in fractions if value > 0), default=1.0)
    if least >= 0.1:
        axes.set(xscale="linear", xlim=(0.0, 1.45), xticks=np.linspace(0, 1, 6))
        axes.xaxis.set_minor_locator(NullLocator())
        return
    low = least / 3
    axes.set(xscale="log", xlim=(low, low**-0.5))
    ticks = 10.0 ** np.arange(np.ceil(np.log10(low)), 1)
    axes.set_xticks(ticks[:: -(-len(ticks) // 8)])
    axes.xaxis.set_minor_locator(NullLocator())


def _folded(name: str) -> str:
    """A name on two lines if it is long, as it would leave no room for the bars."""
    return "\n".join(textwrap.wrap(name, max(_LONG, len(name) * 3 // 5), break_long_words=False)) or name


def _fraction(value: float, error: float) -> str:
    if value == 1 and error == 0:
        return "100%"
    if value == 0:
        return f"0% + {error:.2%}"
    if value >= 1e-3:
        return f"{value:.2%} ± {error:.2%}"
    power = int(np.floor(np.log10(value)))
    return rf"({value / 10.0**power:.1f} ± {error / 10.0**power:.1f}) $\times\,10^{{{power}}}$"


def score_figure(
    score: str,
    signal: tuple[FloatArray, FloatArray],
    background: tuple[FloatArray, FloatArray] | None,
    *,
    thresholds: Mapping[str, float],
    context: FigureContext | None = None,
    ax: Axes | None = None,
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
        figure = frame(ax, (8.6, 6))
        axes = figure.subplots()
        if background is not None:
            axes.plot(cuts, kept, color=GREY, lw=2, ls=(0, (5, 1.5)), label="Background, held out")
        if len(ranked) and above[-1] > 0:
            axes.plot(ranked, above / above[-1], color=RED, lw=2, label="Signal")
        floor = max(float(kept.min()) / 3, 1e-6)
        if background is not None and thresholds:  # more than a decade below the tightest region says nothing more
            floor = max(floor, 0.03 * float(np.interp(-marks.max(), -cuts, kept)))
        reached = cuts[kept >= floor] if background is not None and thresholds else cuts
        ends = np.concatenate([reached[[0, -1]], np.array(list(thresholds.values()))])
        positive = bool(reached.min() > 0 and (len(ranked) == 0 or ranked.min() > 0))
        tops = [float(ends.max()), float(reached.max()), *([float(np.quantile(ranked, 0.999))] if len(ranked) else [])]
        bottoms = [float(np.quantile(reached, 0.001)), float(ends.min())]
        axes.set_yscale("log")
        low, high = min(bottoms), max(tops)
        if positive and high / max(low, 1e-30) > 30:
            axes.set(xscale="log", xlim=(low, high * (high / low) ** 0.1))
        else:
            axes.set_xlim(low, high + 0.1 * (high - low))
        axes.set_ylim(floor, 8)
        for i, (name, cut) in enumerate(thresholds.items()):
            axes.axvline(cut, color="black", lw=1.1, ls=":")
            axes.text(cut, 4.5 if i % 2 == 0 else 2.2, f" {name}", fontsize="small", ha="left", va="center")
        axes.set(xlabel=f"Score {score}", ylabel="Fraction of selected events above")
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="lower left")
        draw_context(axes, context)
        if background is not None:
            keep_numbers(axes, sample="background", score=cuts, fraction_above=kept)
        if len(ranked) and above[-1] > 0:
            some = np.unique(np.geomspace(1, len(ranked), _TOLD).astype(int)) - 1  # most where there are few
            keep_numbers(axes, sample="signal", score=ranked[some], fraction_above=above[some] / above[-1])
        for name, cut in thresholds.items():
            keep_numbers(axes, sample=f"threshold of {name}", score=cut)
    return figure_of(axes)
