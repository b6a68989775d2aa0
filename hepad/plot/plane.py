"""Significance in the bins of a plane, with the rectangle that a hunt found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hepad.plot.style import hep_style

__all__ = ["plot_plane"]

FloatArray = npt.NDArray[np.float64]


def plot_plane(
    edges: tuple[FloatArray, FloatArray],
    significance: FloatArray,
    *,
    window: tuple[tuple[float, float], tuple[float, float]],
    titles: tuple[str, str],
) -> Figure:
    """Significance (nx, ny) of each bin in standard deviations over edges (nx+1,) and (ny+1,); `window` is framed."""
    with hep_style():
        figure = Figure(figsize=(8, 6.4), layout="constrained")
        axes = figure.subplots()
        reach = max(3.0, float(np.abs(significance).max()))
        mesh = axes.pcolormesh(*edges, significance.T, cmap="RdBu_r", vmin=-reach, vmax=reach, rasterized=True)
        (x0, x1), (y0, y1) = window
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="black", linewidth=2.2))
        figure.colorbar(mesh, ax=axes, label="Significance of a bin")
        axes.set_xlabel(titles[0])
        axes.set_ylabel(titles[1])
        return figure
