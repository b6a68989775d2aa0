"""Significance in the bins of a plane, with the rectangle that a hunt found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_above
from hepad.plot.style import figure_of, frame, hep_style

__all__ = ["plot_plane"]

_NOTHING = "#d5d8dc"

FloatArray = npt.NDArray[np.float64]


def plot_plane(
    edges: tuple[FloatArray, FloatArray],
    significance: FloatArray,
    *,
    window: tuple[tuple[float, float], tuple[float, float]],
    titles: tuple[str, str],
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Significance (nx, ny) of each bin in standard deviations over edges (nx+1,) and (ny+1,); `window` is framed.

    Bins that are NaN, in which there is nothing and nothing is expected, are grey; `remarks` are written above.
    """
    with hep_style():
        figure = frame(ax, (8, 6.4))
        axes = figure.subplots()
        reach = max(3.0, float(np.nanmax(np.abs(significance), initial=0.0)))
        axes.set_facecolor(_NOTHING)
        known = np.ma.masked_invalid(significance.T)
        mesh = axes.pcolormesh(*edges, known, cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True)
        (x0, x1), (y0, y1) = window
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="black", linewidth=2.2))
        figure.colorbar(mesh, ax=axes, label=r"Significance of a bin [$\sigma$]")
        handles = [Patch(fill=False, edgecolor="black", linewidth=2.2, label=remarks[0] if remarks else "Window")]
        if np.any(np.isnan(significance)):
            handles.append(Patch(facecolor=_NOTHING, label="No events, none expected"))
        title = "\n".join(remarks[1:]) or None
        legend_above(figure, handles, title=title, size=13)
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        draw_context(axes, context)
        x, y = ({f"{name}_low": ends[:-1], f"{name}_high": ends[1:]} for name, ends in zip("xy", edges, strict=True))
        keep_matrix(axes, {"significance": significance}, x, y)
        return figure_of(axes)
