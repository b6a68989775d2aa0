"""What fits make of injected signals, and of none."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import COLOURS, DASHES, GREY, canvas, figure_of, frame, hep_style

__all__ = ["draw_linearity", "draw_spurious", "plot_linearity", "plot_pulls", "plot_spurious"]

FloatArray = npt.NDArray[np.float64]

_PULL_EDGES = np.linspace(-5.0, 5.0, 41)


def plot_pulls(
    pulls: Mapping[str, FloatArray], *, caption: str = "", context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """Histograms of pulls (m,) by parameter, with the standard normal distribution; `caption` above them."""
    with hep_style():
        figure = frame(ax, (1.0 + 4.6 * len(pulls), 4.6))
        panels = figure.subplots(1, len(pulls), squeeze=False)[0]
        grid = np.linspace(-5, 5, 201)
        for axes, (name, values) in zip(panels, pulls.items(), strict=True):
            scale = max(len(values), 1) * (_PULL_EDGES[1] - _PULL_EDGES[0])
            axes.hist(np.clip(values, -4.999, 4.999), _PULL_EDGES, color="#3f90da", alpha=0.5, label="Experiments")
            axes.plot(grid, scale * np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color="black", label="Normal")
            axes.set_xlabel(f"Pull of the {name}")
            axes.set_xlim(-5, 5)
            axes.set_ylim(0, axes.get_ylim()[1] * 1.3)
            if len(values) > 1:
                text = f"mean {values.mean():.2f}\nwidth {values.std(ddof=1):.2f}"
                axes.text(0.04, 0.95, text, transform=axes.transAxes, va="top", fontsize=13)
        panels[0].set_ylabel("Experiments")
        panels[-1].legend(loc="upper right", frameon=False, fontsize=12)
        draw_context(panels[0], context, right=panels[-1], caption=caption)
        for name, values in pulls.items():
            keep_numbers(figure, parameter=name, experiment=np.arange(len(values)), pull=values)
        return figure_of(panels[0])


def plot_linearity(
    injected: FloatArray,
    mean: FloatArray,
    spread: FloatArray,
    *,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Mean fitted yield (y,) with the spread of experiments against the injected yield (y,)."""
    with canvas(ax, (6.4, 5.6)) as axes:
        draw_linearity(axes, injected, mean, spread)
        draw_context(axes, context)
        return figure_of(axes)


def draw_linearity(axes: Axes, injected: FloatArray, mean: FloatArray, spread: FloatArray) -> None:
    """The same on axes."""
    top = float(injected.max()) * 1.1 or 1.0
    axes.plot([0, top], [0, top], color=GREY, linestyle="--", label="Fitted = injected")
    axes.errorbar(injected, mean, spread, fmt="o", color="black", capsize=3, label="Mean and spread")
    axes.set_xlabel("Injected events")
    axes.set_ylabel("Fitted events")
    axes.legend(loc="upper left", frameon=False)
    keep_numbers(axes, injected=injected, mean=mean, spread=spread)


def plot_spurious(
    masses: FloatArray,
    ratios: Mapping[str, FloatArray],
    *,
    limit: float,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Spurious signal over its statistical error against mass (m,) in GeV, one line a function; `limit` as a band."""
    with canvas(ax, (8, 5.6)) as axes:
        draw_spurious(axes, masses, ratios, limit=limit)
        draw_context(axes, context)
        return figure_of(axes)


def draw_spurious(axes: Axes, masses: FloatArray, ratios: Mapping[str, FloatArray], *, limit: float) -> None:
    """The same on axes."""
    axes.axhspan(-limit, limit, color=GREY, alpha=0.25, linewidth=0, label=f"Within {limit:g}")
    axes.axhline(0.0, color="black", linewidth=1)
    marker = "o" if len(masses) == 1 else None
    for i, (name, values) in enumerate(ratios.items()):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i % len(DASHES)]
        axes.plot(masses, values, color=colour, linestyle=dash, linewidth=1.8, marker=marker, label=name)
    reach = 1.5 * max(limit, *(float(np.max(np.abs(values))) for values in ratios.values()))
    axes.set_ylim(-reach, reach)
    axes.tick_params(axis="x", pad=8)  # its first number would touch the lowest of y
    axes.set_xlabel("Signal mass [GeV]")
    axes.set_ylabel("Spurious signal / its error")
    axes.legend(loc="upper right", frameon=False, ncols=2)
    for name, values in ratios.items():
        keep_numbers(axes, function=name, mass_gev=masses, spurious_over_error=values)
