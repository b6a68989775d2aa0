"""Images of events, what a network makes of them, and where they lie in a latent plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from hepad.output.figure_numbers import keep_matrix, keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above, pick
from hepad.plot.style import COLOURS, GREY, figure_of, frame, hep_style

__all__ = ["ShownImage", "gallery_figure", "plane_figure"]

Floats = npt.NDArray[Any]

_DARKEST = 1e-3
"""Where the logarithmic colour scale of images from 0 to 1 ends."""


_TICKS = 5
"""Of an axis at most, for their numbers may be long."""

_LABEL = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 3}


@dataclass(frozen=True)
class ShownImage:
    """An image and its reconstruction, each of shape (eta, phi) and from 0 to 1, of an event of `sample`."""

    sample: str
    seen: Floats
    made: Floats


def gallery_figure(
    images: Sequence[ShownImage], *, title: str = "", context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """A row an event: input, reconstruction and their difference, on logarithmic scales of colour.

    Eta and phi are in bins. `title` stands above on the right. `ValueError` without an image.
    """
    if not images:
        raise ValueError("there are no images to draw")
    with hep_style():
        figure = frame(ax, (13, 0.9 + 3.0 * len(images)), ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.08))
        grid = figure.subplots(len(images), 3, sharex=True, sharey=True, squeeze=False)
        for line, (row, image) in enumerate(zip(grid, images, strict=True)):
            pictures = (image.seen, image.made, image.made - image.seen)
            for place, (axes, values) in enumerate(zip(row, pictures, strict=True)):
                drawn = _draw(axes, values, difference=place == 2)
                if line == 0:
                    names = ("Input", "Reconstruction", "Difference")
                    axes.text(0.03, 0.94, names[place], transform=axes.transAxes, va="top", bbox=_LABEL)
                if line == len(images) - 1:
                    axes.set_xlabel(r"$\phi$ [bins]")
                if place:
                    figure.colorbar(drawn, ax=axes, pad=0.02)
            row[0].set_ylabel(r"$\eta$ [bins]", loc="center")
            row[0].text(
                -0.24,
                0.5,
                image.sample,
                transform=row[0].transAxes,
                rotation=90,
                ha="right",
                va="center",
                weight="bold",
            )
        draw_context(grid[0][0], context, right=grid[0][2], caption=title)
        for number, image in enumerate(images):
            eta, phi = (np.arange(size) for size in image.seen.shape)
            kept = {"input": image.seen, "reconstruction": image.made}
            keep_matrix(figure, kept, {"eta_bin": eta}, {"phi_bin": phi}, event=number, sample=image.sample)
    return figure_of(grid[0][0])


def plane_figure(
    background: Floats,
    signals: Mapping[str, Floats],
    *,
    axes_titles: tuple[str, str],
    title: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Events in a plane of two latent numbers, arrays of shape (n, 2): background grey, a colour a signal.

    `title` stands above on the right. `ValueError` for arrays of another shape.
    """
    for points in (background, *signals.values()):
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"points of a plane have shape (n, 2), got {points.shape}")
    with hep_style():
        figure = frame(ax, (8.0, 6.0), ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06))
        axes = figure.subplots()
        axes.scatter(
            background[:, 0], background[:, 1], s=9, color=GREY, alpha=0.5, label="Background", edgecolors="none"
        )
        for place, (name, points) in enumerate(signals.items()):
            marker = pick("osD^v<>P", place)
            axes.scatter(
                points[:, 0], points[:, 1], s=11, color=pick(COLOURS, place), marker=marker, alpha=0.6, label=name, lw=0
            )
        axes.set_xlabel(axes_titles[0])
        axes.set_ylabel(axes_titles[1])
        axes.margins(0.04)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(_TICKS))
        legend_above(figure, axes.get_legend_handles_labels()[0], markers=2.0)
        draw_context(axes, context, caption=title)
        for name, points in (("Background", background), *signals.items()):
            keep_numbers(axes, sample=name, first=points[:, 0], second=points[:, 1])
    return figure_of(axes)


def _draw(axes: Axes, values: Floats, *, difference: bool) -> Any:
    if difference:
        scale: Any = SymLogNorm(linthresh=_DARKEST, vmin=-1, vmax=1)
        return axes.imshow(values, origin="lower", aspect="auto", cmap="RdBu_r", norm=scale)
    lit = np.maximum(values, _DARKEST)
    return axes.imshow(lit, origin="lower", aspect="auto", cmap="inferno", norm=LogNorm(_DARKEST, 1))
