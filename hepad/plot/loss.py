"""Loss curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullLocator

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, log_numbers
from hepad.plot.style import COLOURS, DASHES, canvas, figure_of, frame, hep_style

__all__ = ["LossCurves", "loss_figure", "plot_loss"]


def plot_loss(
    train: Sequence[float],
    validation: Sequence[float],
    *,
    best_epoch: int,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Training and validation loss against epoch; a dot marks the epoch whose weights were kept.

    Drawn on `ax`, if given.
    """
    epochs = range(1, len(train) + 1)
    with canvas(ax, (8, 6)) as axes:
        marker = "D" if len(train) < 2 else "None"  # one epoch makes no line
        axes.plot(epochs, train, label="training", marker=marker)
        axes.plot(epochs, validation, ls=DASHES[1], label="validation", marker=marker)
        kept = (best_epoch, validation[best_epoch - 1])
        axes.plot(*kept, "o", color="black", label=f"kept: epoch {best_epoch}", clip_on=False, zorder=5)
        if min(*train, *validation) > 0:
            axes.set_yscale("log")
            log_numbers(axes.yaxis, *axes.get_ylim())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(1, max(len(train), 2))
        axes.set_xlabel("Epoch")
        axes.set_ylabel("Loss per event")
        axes.legend()
        draw_context(axes, context)
        keep_numbers(axes, epoch=list(epochs), training=train, validation=validation)
    return figure_of(axes)


_MOST_BESIDE = 3
"""Panels of losses in a row."""


@dataclass(frozen=True)
class LossCurves:
    """Losses of one model over seeds against the updates of its weights.

    `updates` has shape (k,); `train` and `validation` have shape (seeds, k), NaN where a training had stopped.
    Curves of the same `panel` share their axes.
    """

    model: str
    panel: str
    updates: npt.NDArray[np.int64]
    train: npt.NDArray[np.float64]
    validation: npt.NDArray[np.float64]


def loss_figure(
    curves: Sequence[LossCurves], *, points: int = 400, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """Mean over seeds of the training (solid) and validation (dashed) loss, with the band of all seeds' training loss.

    At most about `points` epochs are drawn, evenly spaced in the logarithm of the updates. A colour is a model;
    `ValueError` without a curve.
    """
    if not curves:
        raise ValueError("there is no loss to draw")
    panels = list(dict.fromkeys(curve.panel for curve in curves))
    models = list(dict.fromkeys(curve.model for curve in curves))
    with hep_style():
        columns = min(len(panels), _MOST_BESIDE)
        rows = -(-len(panels) // columns)
        figure = frame(ax, (max(8.0, 0.8 + 4.8 * columns), 0.2 + 5.0 * rows))
        grid = list(figure.subplots(rows, columns, squeeze=False).ravel())
        for spare in grid[len(panels) :]:
            spare.remove()
        for axes, panel in zip(grid, panels, strict=False):
            for curve in (c for c in curves if c.panel == panel):
                _draw_curve(axes, curve, COLOURS[models.index(curve.model) % len(COLOURS)], points)
            axes.set(xscale="log", xlabel="Updates of the weights", ylabel="Loss per event")
            _horizontal(axes, *_span([c for c in curves if c.panel == panel]))
            if axes.get_yscale() == "log":
                log_numbers(axes.yaxis, *axes.get_ylim())
            axes.text(0.95, 0.94, panel, transform=axes.transAxes, ha="right", va="top", fontweight="bold")
        draw_context(grid[0], context, right=grid[columns - 1])
        handles = [Line2D([], [], color=COLOURS[i % len(COLOURS)], lw=2.5, label=m) for i, m in enumerate(models)]
        for what, dash in (("training", "-"), ("validation", "--")):
            handles.append(Line2D([], [], color="black", ls=dash, label=what))
        legend_above(figure, handles)
    return figure_of(grid[0])


def _draw_curve(axes: Axes, curve: LossCurves, colour: str, points: int) -> None:
    last = len(curve.updates) - 1
    at = np.unique(np.geomspace(1, last + 1, points).astype(int)) - 1
    x, train, validation = curve.updates[at], curve.train[:, at], curve.validation[:, at]
    there = np.isfinite(train).any(axis=0)
    x, train, validation = x[there], train[:, there], validation[:, there]
    mean, low, high = (of(train, axis=0) for of in (np.nanmean, np.nanmin, np.nanmax))
    validated = np.nanmean(validation, axis=0)
    axes.plot(x, mean, color=colour, lw=1.8)
    axes.plot(x, validated, color=colour, lw=1.2, ls="--")
    axes.fill_between(x, low, high, color=colour, alpha=0.22, lw=0)
    losses = {"training": mean, "training_low": low, "training_high": high, "validation": validated}
    keep_numbers(axes, panel=curve.panel, model=curve.model, updates=x, **losses)
    if np.nanmin(train) > 0:
        axes.set_yscale("log")


def _span(curves: Sequence[LossCurves]) -> tuple[float, float]:
    low = min(float(curve.updates[0]) for curve in curves)
    high = max(float(curve.updates[np.isfinite(curve.train).any(axis=0)][-1]) for curve in curves)
    return low, high if high > low else 2 * low


def _horizontal(axes: Axes, low: float, high: float) -> None:
    """Numbers that do not run into one another: powers of ten, and below two decades also 2 and 5 times them."""
    axes.set_xlim(low, high)
    log_numbers(axes.xaxis, low, high)
