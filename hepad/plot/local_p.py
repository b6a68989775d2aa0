"""The local p-value of background alone against the mass, with lines at whole standard deviations."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import log_ndtr

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import legend_beside_curves, span
from hepad.plot.style import GREY, RED, canvas, figure_of

__all__ = ["plot_local_p"]

FloatArray = npt.NDArray[np.float64]


def plot_local_p(
    masses: FloatArray,
    log_p: FloatArray,
    *,
    x_title: str = "Mass [GeV]",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Natural logarithms of p-values (m,) at masses (m,) in GeV; p-values that underflow are drawn all the same."""
    decades = np.minimum(log_p / np.log(10.0), 0.0)
    with canvas(ax, (8, 5.4)) as axes:
        marker = "o" if len(masses) < 60 else None
        axes.plot(masses, decades, color="black", marker=marker, markersize=4, label="Observed")
        axes.axhline(np.log10(0.5), color=GREY, linewidth=1.0, linestyle=":")
        lowest = min(float(decades.min()), -1.7)
        axes.set_ylim(lowest * 1.1 - 0.1, 0.0)  # a probability ends at 1
        if len(masses) > 1:
            axes.set_xlim(*span(masses))
        axes.set_xlabel(x_title)
        axes.set_ylabel(r"Local $p_0$")
        legend = legend_beside_curves(axes, [(masses, decades)], title="\n".join(remarks) or None, lower=True)
        legend.set_frame_on(True)  # lines of standard deviations run below it
        legend.get_frame().set(facecolor="white", edgecolor="none", alpha=1.0)
        ticks = _whole_decades(axes.get_ylim()[0])
        axes.set_yticks(ticks, [rf"$10^{{{d}}}$" if d else "1" for d in ticks])
        axes.minorticks_off()
        _draw_sigmas(axes)
        draw_context(axes, context)
        keep_numbers(axes, mass_gev=masses, log10_p=decades)
        return figure_of(axes)


def _draw_sigmas(axes: Axes) -> None:
    """Lines at whole standard deviations that the axis has, at most eight."""
    levels = {z: float(log_ndtr(-float(z)) / np.log(10.0)) for z in range(1, 40)}
    seen = [z for z, level in levels.items() if level > axes.get_ylim()[0]]
    for z in seen[:: -(-len(seen) // 8) or 1]:
        axes.axhline(levels[z], color=RED, linewidth=1.2, linestyle=(0, (5, 2)), zorder=0)
        axes.text(1.005, levels[z], rf"{z}$\sigma$", color=RED, va="center", transform=axes.get_yaxis_transform())


def _whole_decades(lowest: float) -> list[int]:
    depth = int(-lowest)
    step = max(1, -(-depth // 10))
    return list(range(0, -depth - 1, -step))
