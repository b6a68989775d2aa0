"""Nuisance parameters after a fit: pulls, factors of single bins, and free parameters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import GREY, ONE_SIGMA, TWO_SIGMA, figure_of, frame, hep_style

__all__ = ["MOST_ROWS", "Row", "plot_pulls"]

MOST_ROWS = 60
"""Rows of one panel; of more parameters those furthest from their `reference` are drawn."""

_ROW = 0.26
"""The height of a row in inches."""


@dataclass(frozen=True)
class Row:
    """A value with its error; `reference` is where it lay before the fit with the error `width`, None if free.

    `at_bound` values are drawn open: their errors mean little.
    """

    name: str
    value: float
    error: float
    reference: float | None = None
    width: float | None = None
    at_bound: bool = False

    @property
    def distance(self) -> float:
        """From the reference in units of the width; infinite for a free parameter, which is never left out first."""
        if self.reference is None or not self.width:
            return float("inf")
        return abs(self.value - self.reference) / self.width


def plot_pulls(
    pulls: Sequence[Row],
    factors: Sequence[Row],
    free: Sequence[Row],
    *,
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Pulls with their errors over those before the fit, `factors` of single bins and `free` parameters as values.

    Each kind has a panel of its own, where it has rows. `remarks` are written above.
    """
    panels = [
        (title, _most(rows), len(rows))
        for title, rows in (
            (r"Pull $(\hat{\theta} - \theta_0)\,/\,\Delta\theta$", pulls),
            ("Factor of a bin", factors),
            ("Free parameter", free),
        )
        if rows
    ]
    if not panels:
        raise ValueError("there is no parameter to draw")
    with hep_style():
        heights = [len(rows) * _ROW + 0.2 for _, rows, _ in panels]
        figure = frame(ax, (8, sum(heights) + 0.95 * len(panels) + 0.9))
        grid = figure.subplots(len(panels), 1, height_ratios=heights, squeeze=False).ravel()
        for axes, (title, rows, count) in zip(grid, panels, strict=True):
            _bands(axes, rows)
            _points(axes, rows)
            left_out = f"; {count - len(rows)} smaller ones not shown" if count > len(rows) else ""
            axes.set_xlabel(f"{title}{left_out}", fontsize=14)
        _legend(figure, [row for _, rows, _ in panels for row in rows], remarks)
        draw_context(grid[0], context)
        for kind, given in (("pull", pulls), ("factor of a bin", factors), ("free parameter", free)):
            for row in given:
                numbers = {"value": row.value, "error": row.error, "before": row.reference, "error_before": row.width}
                keep_numbers(figure, kind=kind, parameter=row.name, **numbers)
        return figure_of(grid[0])


def _most(rows: Sequence[Row]) -> list[Row]:
    """At most `MOST_ROWS` rows in their order: those furthest from where they lay."""
    kept = set(sorted(range(len(rows)), key=lambda i: (-rows[i].distance, i))[:MOST_ROWS])
    return [row for i, row in enumerate(rows) if i in kept]


def _bands(axes: Axes, rows: Sequence[Row]) -> None:
    """One and two widths around the references, row by row: the widths of factors differ."""
    low, high = np.inf, -np.inf
    for position, row in enumerate(rows):
        reach = row.error
        if row.reference is not None and row.width is not None:
            for count, colour in ((2, TWO_SIGMA), (1, ONE_SIGMA)):
                axes.barh(
                    position,
                    2 * count * row.width,
                    left=row.reference - count * row.width,
                    height=1.0,
                    color=colour,
                    linewidth=0,
                )
            low = min(low, row.reference - 2.3 * row.width)
            high = max(high, row.reference + 2.3 * row.width)
        low, high = min(low, row.value - 1.2 * reach), max(high, row.value + 1.2 * reach)
    references = {row.reference for row in rows if row.reference is not None}
    for reference in references:
        axes.axvline(reference, color="black", linewidth=0.8, linestyle=(0, (4, 3)))
    margin = 0.02 * (high - low) or 0.5
    axes.set_xlim(low - margin, high + margin)


def _points(axes: Axes, rows: Sequence[Row]) -> None:
    for position, row in enumerate(rows):
        axes.errorbar(
            row.value,
            position,
            xerr=row.error,
            fmt="o",
            color="black",
            markerfacecolor="white" if row.at_bound else "black",
            markersize=4.5,
            linewidth=1.3,
        )
    axes.minorticks_on()
    axes.tick_params(axis="x", labelsize=13)
    axes.tick_params(axis="y", which="both", length=0)
    axes.yaxis.set_tick_params(which="minor", left=False, right=False)
    axes.set_yticks(range(len(rows)), [_short(row.name) for row in rows], fontsize=11)
    axes.set_ylim(len(rows) - 0.4, -0.6)


def _short(name: str, most: int = 44) -> str:
    """A name in at most so many characters, its middle left out; `$` is no mathematics here."""
    half = (most - 3) // 2
    return (name if len(name) <= most else f"{name[:half]}...{name[-half:]}").replace("$", r"\$")


def _legend(figure: Figure | SubFigure, rows: Sequence[Row], remarks: tuple[str, ...]) -> None:
    """One legend above all panels."""
    axes = figure.axes[0]
    axes.errorbar([], [], xerr=[], fmt="o", color="black", markersize=4.5, label="After the fit")
    if any(row.reference is not None for row in rows):
        axes.fill_between([], [], color=ONE_SIGMA, label=r"Before, $\pm 1\sigma$")
        axes.fill_between([], [], color=TWO_SIGMA, label=r"Before, $\pm 2\sigma$")
    if any(row.at_bound for row in rows):
        axes.plot([], [], "o", color=GREY, markeredgecolor="black", markerfacecolor="white", label="At a bound")
    handles, labels = axes.get_legend_handles_labels()
    first = sorted(range(len(labels)), key=lambda i: labels[i].startswith("Before"))
    legend = figure.legend(
        [handles[i] for i in first],
        [labels[i] for i in first],
        loc="outside upper left",
        ncols=4,
        title="\n".join(remarks) or None,
        alignment="left",
        frameon=False,
        fontsize=13,
        columnspacing=1.2,
    )
    legend.get_title().set_fontsize(13)
