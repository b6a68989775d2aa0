"""The AUC of each of several trainings that differ by their seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above
from hepad.plot.style import COLOURS, MARKERS, figure_of, frame, hep_style

__all__ = ["SeedPoints", "seeds_figure"]


@dataclass(frozen=True)
class SeedPoints:
    """The AUC (trainings,) of a model on a signal; `published` is the reference's with its error, or without any."""

    model: str
    signal: str
    auc: npt.NDArray[np.float64]
    published: tuple[float, float] | None = None


def seeds_figure(
    points: Sequence[SeedPoints], *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """A point for each training, beside it mean and standard deviation; models side by side for each signal.

    A bar of grey is what was published. `ValueError` without points.
    """
    if not points:
        raise ValueError("there is no training to draw")
    models, signals = (
        list(dict.fromkeys(values)) for values in zip(*((p.model, p.signal) for p in points), strict=True)
    )
    width = 0.8 / len(models)
    with hep_style():
        figure = frame(ax, (max(6.4, 1.4 + 0.55 * len(models) * len(signals)), 4.9))
        axes = figure.subplots()
        for point in points:
            model = models.index(point.model)
            middle = signals.index(point.signal) + (model - (len(models) - 1) / 2) * width
            colour, marker = COLOURS[model % len(COLOURS)], MARKERS[model % len(MARKERS)]
            if point.published:
                value, error = point.published
                axes.bar(middle, 2 * error or 0.004, 0.9 * width, value - (error or 0.002), color="0.85", zorder=0)
            axes.plot(np.full(len(point.auc), middle - width / 6), point.auc, marker, color=colour, ms=5, mfc="none")
            spread = point.auc.std(ddof=1) if len(point.auc) > 1 else 0.0
            axes.errorbar(middle + width / 6, point.auc.mean(), spread, color=colour, marker=marker, ms=6, capsize=3)
        for model, name in enumerate(models):
            axes.plot([], [], MARKERS[model % len(MARKERS)], color=COLOURS[model % len(COLOURS)], label=name)
        if any(point.published for point in points):
            axes.bar([np.nan], [np.nan], color="0.85", label="published")
        axes.axhline(0.5, color="black", ls=(0, (1, 2)), lw=1.2, zorder=0)
        axes.set(xlim=(-0.5, len(signals) - 0.5), ylabel="AUC")
        axes.set_xticks(range(len(signals)), signals)
        axes.tick_params(axis="x", which="both", length=0)
        legend_above(figure, axes.get_legend_handles_labels()[0])
        draw_context(axes, context, narrow=True)
        for point in points:
            known = dict(zip(("published", "published_error"), point.published or (), strict=False))
            keep_numbers(axes, model=point.model, signal=point.signal, auc=point.auc, **known)
    return figure_of(axes)
