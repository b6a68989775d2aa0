"""Figures of which pixels carry a score: what a network sees, and what each pixel adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import figure_of, frame, hep_style

__all__ = ["MapRow", "draw_parts", "map_figure"]

Floats = npt.NDArray[np.float64]

_QUANTILE = 0.999
"""Of the sizes of the parts, where the scale of colour ends: one pixel must not hide all others."""

_LOGARITHMIC = 30.0
"""From this ratio of the largest input to the smallest on, its colours are logarithmic."""


@dataclass(frozen=True)
class MapRow:
    """An event or a mean by its name: its score, and input and parts of shape (channel, eta, phi)."""

    name: str
    score: float
    seen: Floats
    parts: Floats


def map_figure(
    rows: Sequence[MapRow],
    *,
    channels: Sequence[str],
    eta: Floats,
    phi: Floats,
    score: str,
    in_bins: bool = False,
    title: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A row an event: the input in each channel, and what the pixels add to the score in those that it has parts in.

    `eta` and `phi` are the edges of the pixels; phi is in radians, both are bins if `in_bins`. Colours of parts diverge
    from 0, red where a pixel makes the event more anomalous. `ValueError` without a row.
    """
    if not rows:
        raise ValueError("there are no maps to draw")
    carrying = [c for c in range(len(channels)) if any(np.any(row.parts[c]) for row in rows)] or [0]
    columns = [*((c, False) for c in range(len(channels))), *((c, True) for c in carrying)]
    with hep_style():
        size = (1.2 + 4.6 * len(columns), 1.0 + 3.3 * len(rows))
        figure = frame(ax, size, ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
        grid = figure.subplots(len(rows), len(columns), sharex=True, sharey=True, squeeze=False)
        for line, row in enumerate(rows):
            for axes, (channel, of_score) in zip(grid[line], columns, strict=True):
                values = (row.parts if of_score else row.seen)[channel]
                drawn = axes.pcolormesh(phi, eta, values, rasterized=True, **_colours(values, of_score))
                bar = figure.colorbar(drawn, ax=axes, pad=0.02, extend="both" if of_score else "neither")
                bar.ax.tick_params(labelsize=11)
                if of_score:
                    bar.set_label(f"Part of {score}", fontsize=12)
                _finish(axes, (channels[channel], of_score), line == 0, line == len(rows) - 1, in_bins)
            unit = " [bins]" if in_bins else ""
            grid[line][0].set_ylabel(
                f"{row.name}\n{score} {row.score:.4g}\n\N{GREEK SMALL LETTER ETA}{unit}", fontsize=13
            )
        draw_context(grid[0][0], context, right=grid[0][-1], caption=title)
        pixels = {"eta_low": eta[:-1], "eta_high": eta[1:]}, {"phi_low": phi[:-1], "phi_high": phi[1:]}
        for row in rows:
            for channel, name in enumerate(channels):
                values = {"input": row.seen[channel], "part": row.parts[channel]}
                keep_matrix(figure, values, *pixels, event=row.name, score=row.score, channel=name)
    return figure_of(grid[0][0])


def draw_parts(axes: Axes, parts: Floats, *, eta: Floats, phi: Floats, in_bins: bool = False) -> None:
    """What the pixels (eta, phi) add to a score, between their edges; colours as in `map_figure`."""
    axes.pcolormesh(phi, eta, parts, rasterized=True, **_colours(parts, True))
    axes.set_xlabel(r"$\phi$ [bins]" if in_bins else r"$\phi$ [rad]")
    axes.set_ylabel(r"$\eta$ [bins]" if in_bins else r"$\eta$")


def _colours(values: Floats, of_score: bool) -> dict[str, Any]:
    if of_score:
        sizes = np.abs(values[values != 0])
        end = float(np.quantile(sizes, _QUANTILE)) if len(sizes) else 1.0
        return {"cmap": "RdBu_r", "norm": Normalize(-end, end)}
    lit = values[values > 0]
    low, high = (float(lit.min()), float(lit.max())) if len(lit) else (0.1, 1.0)
    if high / low < _LOGARITHMIC:  # a mask, lit or not, or its mean
        return {"cmap": "Greys", "norm": Normalize(0, high)}
    return {"cmap": "viridis", "norm": LogNorm(low, high)}


def _finish(axes: Axes, named: tuple[str, bool], first: bool, last: bool, in_bins: bool) -> None:
    channel, of_score = named
    if first:
        axes.set_title(f"{channel}: {'parts of the score' if of_score else 'input'}", fontsize=14, pad=28)
    if last:
        axes.set_xlabel(r"$\phi$ [bins]" if in_bins else r"$\phi$ [rad]", fontsize=13)
    axes.tick_params(labelsize=11)
