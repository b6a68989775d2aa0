"""Figures of how well scores separate: ROC curves and score distributions."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import (
    MOST_WITHIN,
    label_outer,
    legend_beside_curves,
    legend_clear,
    ordered,
    panel_grid,
    pick,
)
from hepad.plot.style import COLOURS, DASHES, GREY, figure_of, hep_style

__all__ = ["RocLine", "roc_figure", "score_figure"]

Floats = npt.NDArray[np.float64]
Vertical = Literal["rejection", "efficiency"]


@dataclass(frozen=True)
class RocLine:
    """One curve: background efficiency at rising signal efficiencies, and its band if there is one.

    Arrays of shape (m,), dimensionless, as in `hepad.stats.scores.roc.RocBand`; 0 means that no background event
    survives, and there a curve in rejection ends.
    """

    model: str
    signal: str
    signal_efficiency: Floats
    background_efficiency: Floats
    low: Floats | None = None
    high: Floats | None = None


def roc_figure(
    lines: Sequence[RocLine],
    *,
    vertical: Vertical = "rejection",
    panels: bool = False,
    band: str = "68 % bootstrap",
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """ROC curves with signal efficiency on x and, on a log axis, background rejection or efficiency on y.

    A colour is a model; a dash pattern is a signal, or with `panels` each signal has a panel of its own and models have
    patterns besides their colours. `band` says in the legend what the band is. `context` says above
    the axes what is drawn, `caption` stands there on the right. Drawn on `ax`, if given, in one panel with the
    legend within. `ValueError` without a line.
    """
    if not lines:
        raise ValueError("there is no ROC curve to draw")
    models, signals = ordered(line.model for line in lines), ordered(line.signal for line in lines)
    panels = panels and ax is None
    with hep_style():
        columns = min(math.ceil(math.sqrt(len(signals))), 3) if panels else 1
        shown = [ax] if ax is not None else panel_grid(len(signals) if panels else 1, columns)[1]
        shown_band = band if any(line.low is not None for line in lines) else ""
        handles = _roc_handles(models, [] if panels else signals, shown_band)
        within = len(shown) == 1 and len(handles) <= MOST_WITHIN
        for axes, signal in zip(shown, signals, strict=panels):
            inside = [line for line in lines if not panels or line.signal == signal]
            for line in inside:
                place = models.index(line.model)
                dash = pick(DASHES, place if panels else signals.index(line.signal))
                _draw_roc(axes, line, pick(COLOURS, place), dash, vertical)
            _draw_chance(axes, vertical)
            if panels and not within:
                # In the corner that falling rejections, or rising efficiencies, leave free.
                y, side = (0.93, "top") if vertical == "rejection" else (0.07, "bottom")
                axes.text(0.95, y, signal, transform=axes.transAxes, ha="right", va=side, fontweight="bold")
        _roc_axes(shown, columns, lines, vertical)
        if within:
            curves = [(line.signal_efficiency, _vertical(line.background_efficiency, vertical)) for line in lines]
            title, lower = signals[0] if panels else None, vertical == "efficiency"
            legend_beside_curves(shown[0], curves, handles=handles, title=title, lower=lower)
        else:
            legend_clear(shown[0], handles, within=ax is not None)
        draw_context(shown[0], context, right=shown[columns - 1], caption=caption)
        for line in lines:
            keep_numbers(
                shown[0],
                model=line.model,
                signal=line.signal,
                signal_efficiency=line.signal_efficiency,
                background_efficiency=line.background_efficiency,
                low=line.low,
                high=line.high,
            )
    return figure_of(shown[0])


def score_figure(
    background: npt.ArrayLike,
    signals: Mapping[str, npt.ArrayLike],
    *,
    background_weight: npt.ArrayLike | None = None,
    signal_weights: Mapping[str, npt.ArrayLike] | None = None,
    thresholds: Mapping[str, float] | None = None,
    score: str = "Anomaly score",
    background_name: str = "Background",
    bins: int = 50,
    log_x: bool | None = None,
    context: FigureContext | None = None,
    caption: str = "",
    ax: Axes | None = None,
) -> Figure:
    """Score distributions of shape (n,) on a log axis: background filled, signals as lines, each of unit area.

    `thresholds` maps region names to scores and draws labelled vertical lines. Scores beyond the axis are put into
    its first and last bin. With `log_x` bins are even in log10 of the score and so is the area; None chooses that
    if all scores are positive and the 99.9 % quantile is over 20 times the median. Drawn on `ax`, if given.
    `ValueError` if there is no background, or a sample's weights do not sum to more than 0.
    """
    marks = dict(thresholds or {})
    samples = {name: _weighted(name, s, (signal_weights or {}).get(name)) for name, s in signals.items()}
    filled = _weighted(background_name, background, background_weight)
    everything = [filled[0], *(s for s, _ in samples.values())]
    on_log = _wants_log(everything, marks.values()) if log_x is None else log_x
    edges = _edges([*everything, np.array(list(marks.values()), dtype=np.float64)], bins, on_log)
    with hep_style():
        axes = panel_grid(1, 1)[1][0] if ax is None else ax
        heights = [_density(*filled, edges, on_log)]
        axes.stairs(heights[0], edges, fill=True, color=GREY, alpha=0.35, lw=0, label=background_name)
        axes.stairs(heights[0], edges, color=GREY, lw=1.2)
        for i, (name, (scores, weight)) in enumerate(samples.items()):
            heights.append(_density(scores, weight, edges, on_log))
            axes.stairs(heights[-1], edges, color=pick(COLOURS, i), ls=pick(DASHES, i), lw=2, label=name)
        _score_axes(axes, edges, np.concatenate(heights), on_log, score, headroom=bool(marks))
        _draw_thresholds(axes, marks, on_log)
        legend_clear(axes, axes.get_legend_handles_labels()[0], within=ax is not None)
        draw_context(axes, context, caption=caption)
        for name, height in zip((background_name, *samples), heights, strict=True):
            keep_numbers(axes, sample=name, score_low=edges[:-1], score_high=edges[1:], density=height)
    return figure_of(axes)


def _draw_roc(axes: Axes, line: RocLine, colour: str, dash: Any, vertical: Vertical) -> None:
    x = line.signal_efficiency
    axes.plot(x, _vertical(line.background_efficiency, vertical), color=colour, ls=dash, lw=2)
    if line.low is None or line.high is None:
        return
    # Where the band touches zero background its rejection has no upper end: draw it to far above the axis.
    low, high = np.maximum(line.low, 1e-100), np.maximum(line.high, 1e-100)
    if vertical == "rejection":
        low, high = 1 / high, 1 / low
    drawn = line.background_efficiency > 0
    axes.fill_between(x, low, high, where=drawn.tolist(), color=colour, alpha=0.22, lw=0)


def _draw_chance(axes: Axes, vertical: Vertical) -> None:
    x = np.geomspace(1e-4, 1, 200)
    axes.plot(x, _vertical(x, vertical), color="black", ls=(0, (1, 2)), lw=1.2, zorder=1)


def _vertical(background: Floats, vertical: Vertical) -> Floats:
    """Background efficiency or its inverse; NaN, which is not drawn, where no background survives."""
    kept = np.where(background > 0, background, np.nan)
    return kept if vertical == "efficiency" else 1 / kept


def _roc_axes(shown: Sequence[Axes], columns: int, lines: Sequence[RocLine], vertical: Vertical) -> None:
    kept = np.concatenate([line.background_efficiency for line in lines])
    least = float(np.min(kept[kept > 0], initial=0.1))
    title, limits = "Background efficiency", (least / 2, 1.5)
    if vertical == "rejection":
        title, limits = r"Background rejection $1/\epsilon_\mathrm{b}$", (1 / 1.5, 2 / least)
    for axes in shown:
        axes.set(xlim=(0, 1), yscale="log", ylim=limits)
        axes.set_xticks(np.linspace(0, 1, 6))
    label_outer(shown, columns, x="Signal efficiency", y=title)


def _roc_handles(models: Sequence[str], signals: Sequence[str], band: str) -> list[Any]:
    handles: list[Any] = [
        Line2D([], [], color=pick(COLOURS, i), ls="-" if signals else pick(DASHES, i), lw=2.5, label=m)
        for i, m in enumerate(models)
    ]
    if band:
        handles.append(Patch(color=GREY, alpha=0.3, lw=0, label=band))
    handles.append(Line2D([], [], color="black", ls=(0, (1, 2)), lw=1.2, label="Random choice"))
    if signals:
        handles += [Line2D([], [], color="black", ls=pick(DASHES, i), lw=2, label=s) for i, s in enumerate(signals)]
    return handles


def _weighted(name: str, scores: npt.ArrayLike, weight: npt.ArrayLike | None) -> tuple[Floats, Floats]:
    values = np.asarray(scores, dtype=np.float64)
    weights = np.ones_like(values) if weight is None else np.asarray(weight, dtype=np.float64)
    if values.ndim != 1 or weights.shape != values.shape or not np.all(np.isfinite(values)):
        raise ValueError(f"{name}: scores must be finite and of one shape (n,) with their weights")
    if not weights.sum() > 0:
        raise ValueError(f"{name}: the weights of {len(values)} events sum to {weights.sum():g}, not more than 0")
    return values, weights


def _wants_log(samples: Sequence[Floats], marks: Iterable[float]) -> bool:
    values = np.concatenate(samples)
    if min(values.min(), *marks, np.inf) <= 0:
        return False
    median, high = np.quantile(values, [0.5, 0.999])
    return bool(high > 20 * median)


def _edges(samples: Sequence[Floats], bins: int, on_log: bool) -> Floats:
    """Even bins from the lowest to the highest 99.9 % quantile of the samples; a few outliers do not set the axis."""
    used = [s[s > 0] if on_log else s for s in samples]
    used = [s for s in used if len(s)]
    if not used:
        raise ValueError("a logarithmic score axis needs positive scores")
    low = min(float(np.quantile(s, 0.001)) for s in used)
    high = max(float(np.quantile(s, 0.999)) for s in used)
    if on_log:
        return np.geomspace(low, high if high > low else 10 * low, bins + 1)
    margin = 0.02 * (high - low) or 0.5
    floor = 0.0 if min(float(s.min()) for s in used) >= 0 else -math.inf  # an error is never negative
    return np.linspace(max(low - margin, floor), high + margin, bins + 1)


def _density(scores: Floats, weight: Floats, edges: Floats, on_log: bool) -> Floats:
    inside = np.clip(scores, edges[0], edges[-1])
    counts, _ = np.histogram(inside, edges, weights=weight)
    width = np.diff(np.log10(edges)) if on_log else np.diff(edges)
    return np.asarray(counts / weight.sum() / width, dtype=np.float64)


def _score_axes(axes: Axes, edges: Floats, heights: Floats, on_log: bool, score: str, *, headroom: bool) -> None:
    positive = heights[heights > 0]
    low, high = float(positive.min()), float(positive.max())
    decades = np.log10(high / low) + 0.6
    top = high * 10 ** (decades * (0.38 if headroom else 0.12))  # room above for the region names
    axes.set(xlim=(edges[0], edges[-1]), ylim=(low / 2, top), yscale="log", xlabel=score)
    axes.set_ylabel(r"Events per $\log_{10}$(score), unit area" if on_log else "Events (normalised to unit area)")
    if on_log:
        axes.set_xscale("log")


def _draw_thresholds(axes: Axes, marks: Mapping[str, float], on_log: bool) -> None:
    low, high = axes.get_xlim()
    for value in marks.values():
        axes.axvline(value, color="black", ls=(0, (4, 2)), lw=1.2)
    names = sorted(marks, key=lambda name: marks[name])
    values = np.array([marks[name] for name in names])
    places = np.log(values / low) / np.log(high / low) if on_log else (values - low) / (high - low)
    for i, (name, at) in enumerate(zip(names, places, strict=True)):
        # Names stand upright at the right of their lines; at the left where the next line or the edge is close.
        after = places[i + 1] if i + 1 < len(places) else 1.0
        side, gap = ("right", -0.006) if after - at < 0.05 else ("left", 0.006)
        axes.text(at + gap, 0.97, name, transform=axes.transAxes, rotation=90, ha=side, va="top", fontsize="small")
