"""Whether the ABCD method closes: A over B C / D against the efficiency of the background."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.style import COLOURS, canvas, figure_of

__all__ = ["plot_closure"]

FloatArray = npt.NDArray[np.float64]


def plot_closure(
    lines: Mapping[str, tuple[FloatArray, FloatArray, FloatArray]],
    *,
    caption: str = "",
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """`lines` are by name efficiencies, ratios and their errors, (k,) each; points are moved a little apart."""
    with canvas(ax, (8, 5.6)) as axes:
        axes.axhline(1.0, color="black", linewidth=1)
        for i, (name, (efficiency, ratio, error)) in enumerate(lines.items()):
            place = 100 * efficiency * (1 + 0.03 * (i - (len(lines) - 1) / 2))
            axes.errorbar(place, ratio, error, fmt="osD^v"[i % 5], color=COLOURS[i % len(COLOURS)], label=name)
        reach = 1.25 * max(0.02, *(float(np.max(np.abs(r - 1) + e)) for _, r, e in lines.values()))
        axes.set_ylim(max(1 - reach, 0), 1 + reach)  # no ratio is negative
        axes.set_xlim(0, 110 * max(float(efficiency.max()) for efficiency, _, _ in lines.values()))
        axes.set_xlabel("Background efficiency [%]")
        axes.set_ylabel(r"$N_A\,/\,(N_B N_C / N_D)$")
        axes.legend(loc="upper right", frameon=False)
        draw_context(axes, context, caption=caption)
        for name, (efficiency, ratio, error) in lines.items():
            keep_numbers(axes, scores=name, background_efficiency=efficiency, ratio=ratio, error=error)
    return figure_of(axes)
