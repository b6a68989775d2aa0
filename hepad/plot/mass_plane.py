"""A quantity in the plane of two masses: columns are masses of the whole, rows overlapping windows of a part's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogFormatter, NullLocator

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import figure_of, frame, hep_style

__all__ = ["MassPlane", "limit_planes", "p_plane"]

FloatArray = npt.NDArray[np.float64]

_DEEPEST = 7.0
"""Standard deviations at the end of the colours."""


@dataclass(frozen=True)
class MassPlane:
    """Values (windows, masses), NaN where there is none, at masses (m,) in GeV and in windows (low, high) in GeV.

    `marks` are points by name: a mass and the row of a window.
    """

    masses: FloatArray
    windows: Sequence[tuple[float, float]]
    values: FloatArray
    marks: Mapping[str, tuple[float, int]]


def p_plane(
    plane: MassPlane,
    *,
    titles: tuple[str, str],
    remark: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Local p-values as the significance of an excess; `remark` stands above, and the largest is framed."""
    with hep_style():
        figure = frame(ax, (9.6, 6.6))
        axes = figure.subplots()
        most = float(np.nanmax(plane.values, initial=0.0))
        mesh = _mesh(axes, plane, Normalize(0, min(max(3.0, most), _DEEPEST)), "YlOrRd")
        row, column = np.unravel_index(int(np.nanargmax(plane.values)), plane.values.shape)
        x = _edges(plane.masses)
        axes.plot(
            [x[column], x[column + 1], x[column + 1], x[column], x[column]],
            [row - 0.5, row - 0.5, row + 0.5, row + 0.5, row - 0.5],
            color="black",
            linewidth=2.2,
        )
        bar = figure.colorbar(mesh, ax=axes, extend="max" if most > _DEEPEST else "neither")
        bar.set_label(r"Local significance [$\sigma$]")
        _finish(axes, plane, titles)
        axes.set_ylabel(titles[1])
        draw_context(axes, context, caption=remark)
        _keep(axes, plane, "significance")
        return figure_of(axes)


def limit_planes(
    planes: Mapping[str, MassPlane],
    *,
    titles: tuple[str, str],
    unit: str,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Upper limits in logarithmic colours, a panel for each of `planes` by its title, side by side."""
    with hep_style():
        figure = frame(ax, (2.0 + 6.6 * len(planes), 6.6))
        grid = figure.subplots(1, len(planes), sharey=True, squeeze=False)[0]
        known = np.concatenate([plane.values[np.isfinite(plane.values)] for plane in planes.values()])
        norm = LogNorm(float(known.min()), float(max(known.max(), known.min() * 1.1)))
        for axes, (title, plane) in zip(grid, planes.items(), strict=True):
            mesh = _mesh(axes, plane, norm, "viridis_r")
            _finish(axes, plane, titles)
            axes.set_title(title, fontsize=15, loc="left", pad=26)
        grid[0].set_ylabel(titles[1])
        bar = figure.colorbar(mesh, ax=list(grid))
        bar.set_label(unit)
        bar.ax.yaxis.set_major_formatter(LogFormatter())  # 0.2, not 2 x 10^-1
        bar.ax.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(1.5, 0.5)))
        draw_context(grid[0], context, right=grid[-1])
        for title, plane in planes.items():
            _keep(grid[0], plane, "limit", quantity=title)
        return figure_of(grid[0])


def _mesh(axes: Axes, plane: MassPlane, norm: Normalize, colours: str) -> QuadMesh:
    rows = np.arange(len(plane.windows) + 1) - 0.5
    axes.set_facecolor("#e8e8e8")
    values = np.ma.masked_invalid(plane.values)
    return axes.pcolormesh(_edges(plane.masses), rows, values, norm=norm, cmap=colours, rasterized=True)


def _keep(axes: Axes, plane: MassPlane, value: str, **same: str) -> None:
    low, high = zip(*plane.windows, strict=True)
    keep_matrix(
        axes, {value: plane.values}, {"window_low": low, "window_high": high}, {"mass_gev": plane.masses}, **same
    )


def _edges(masses: FloatArray) -> FloatArray:
    """Edges (m+1,) around masses (m,), halfway between neighbours in their logarithm."""
    if len(masses) == 1:
        return np.array([masses[0] * 0.97, masses[0] * 1.03])
    middles = np.sqrt(masses[1:] * masses[:-1])
    return np.concatenate([[masses[0] ** 2 / middles[0]], middles, [masses[-1] ** 2 / middles[-1]]])


def _finish(axes: Axes, plane: MassPlane, titles: tuple[str, str]) -> None:
    axes.set_yticks(range(len(plane.windows)), [f"{low:.0f} to {high:.0f}" for low, high in plane.windows], fontsize=13)
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(titles[0])
    for name, (mass, row) in plane.marks.items():
        axes.plot([mass], [row], marker="*", markersize=15, markerfacecolor="white", markeredgecolor="black")
        text = axes.annotate(name, (mass, row), xytext=(8, 6), textcoords="offset points", fontsize=13)
        text.set_path_effects([withStroke(linewidth=3, foreground="white")])  # colours may be as dark as it is
