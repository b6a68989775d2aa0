"""The correlation matrix of fitted parameters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from hepad.output.figure_numbers import keep_matrix
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import canvas, figure_of

__all__ = ["plot_correlation"]

_DEGENERATE = 0.9
"""Where all correlations are beyond this, no parameter is known by itself."""


def plot_correlation(
    matrix: npt.NDArray[np.float64],
    names: Sequence[str],
    *,
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """A correlation matrix (k, k) as colours and numbers; `names` (k,) of its rows.

    Parameters that are all but the same direction are no matter of colours: that is written above.
    """
    others = np.abs(matrix[~np.eye(len(names), dtype=bool)])
    least = float(others.min(initial=1.0))
    side = 3.2 + 0.75 * len(names)
    with canvas(ax, (side + 0.8, side)) as axes:
        image = axes.imshow(matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        places = range(len(names))
        axes.set_xticks(places, names)
        axes.set_yticks(places, names)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_minor_locator(NullLocator())
        axes.tick_params(length=0)
        for row in places:
            for column in places:
                value = float(matrix[row, column])
                colour = "white" if abs(value) > 0.6 else "black"
                axes.text(column, row, f"{value:.3f}", ha="center", va="center", color=colour, fontsize=13)
        if len(others) and least > _DEGENERATE:
            words = f"All beyond {np.floor(100 * least) / 100:g}: use decorrelated\nparameters to tell them apart"
            axes.set_title(words, fontsize=13, loc="left", pad=26)
        bar = figure_of(axes).colorbar(image, ax=axes, shrink=0.85)
        bar.set_label("Correlation")
        draw_context(axes, context, narrow=True)
        keep_matrix(axes, {"correlation": matrix}, {"row": names}, {"column": names})
        return figure_of(axes)
