"""Limits of several channels side by side, and of their combination."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from hepad.output.figure_numbers import keep_numbers
from hepad.plot.context import FigureContext, draw_context
from hepad.plot.panels import log_numbers, sigmas
from hepad.plot.style import GREY, ONE_SIGMA, RED, TWO_SIGMA, canvas, figure_of

__all__ = ["ChannelLimit", "plot_channels"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ChannelLimit:
    """The limits of one channel in pb: expected (5,) for -2 to 2 standard deviations, observed if there are data.

    `expected` is None where there is no limit; `remark` then says why.
    """

    name: str
    expected: FloatArray | None
    observed: float | None = None
    remark: str = "no limit"


def plot_channels(
    channels: Sequence[ChannelLimit],
    *,
    combined: ChannelLimit | None = None,
    theory_pb: float | None = None,
    theory_label: str = "Theory",
    x_title: str = r"95% CL limit on $\sigma$ [pb]",
    remarks: tuple[str, ...] = (),
    context: FigureContext | None = None,
    ax: Axes | None = None,
) -> Figure:
    """One row a channel, the combination below a line; `theory_pb` is the cross section of the signal in pb.

    Drawn on `ax`, if given, with the legend above it.
    """
    rows = [*channels, *([combined] if combined is not None else [])]
    if not rows:
        raise ValueError("there is no channel to draw")
    with canvas(ax, (8, 2.6 + 0.48 * len(rows))) as axes:
        axes.set_xscale("log")
        low, high = _range(rows, theory_pb)
        axes.set_xlim(low, high)
        log_numbers(axes.xaxis, low, high)
        for position, row in enumerate(rows):
            _draw(axes, row, position)
        if combined is not None and channels:
            axes.axhline(len(channels) - 0.5, color="black", linewidth=1.0)
        if theory_pb is not None:
            axes.axvline(theory_pb, color=RED, linewidth=1.8, label=f"{theory_label}: {theory_pb:.3g} pb")
        _proxies(axes, any(row.observed is not None for row in rows))
        axes.set_yticks(range(len(rows)), [row.name for row in rows])
        axes.tick_params(axis="y", which="both", length=0)
        axes.minorticks_on()
        axes.yaxis.set_tick_params(which="minor", left=False, right=False)
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(x_title)
        title = "\n".join(remarks)
        look: dict[str, Any] = {
            "ncols": 2,
            "title": title or None,
            "alignment": "left",
            "frameon": False,
            "fontsize": 13,
        }
        if ax is None:
            figure_of(axes).legend(loc="outside upper left", **look)
        else:  # rows leave no room within
            ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0 if context is None else 1.08), **look)
        draw_context(axes, context)
        for row in rows:
            bands = np.full((1, 5), np.nan) if row.expected is None else row.expected[np.newaxis]
            keep_numbers(axes, channel=row.name, observed=row.observed, **sigmas("expected", bands), theory=theory_pb)
        return figure_of(axes)


def _draw(axes: Axes, row: ChannelLimit, position: int) -> None:
    if row.expected is None:
        axes.text(
            0.98,
            position,
            row.remark,
            transform=axes.get_yaxis_transform(),
            va="center",
            ha="right",
            color=GREY,
            fontsize=12,
            fontstyle="italic",
        )
        return
    for inner, colour in (((0, 4), TWO_SIGMA), ((1, 3), ONE_SIGMA)):
        start, end = (float(row.expected[i]) for i in inner)
        axes.barh(position, end - start, left=start, height=0.7, color=colour, linewidth=0)
    median = float(row.expected[2])
    axes.vlines(median, position - 0.35, position + 0.35, color="black", linestyle="--", linewidth=1.5)
    if row.observed is not None:
        axes.plot(row.observed, position, "o", color="black", markersize=6)


def _proxies(axes: Axes, has_data: bool) -> None:
    """Legend entries, one for all rows."""
    if has_data:
        axes.plot([], [], "o", color="black", markersize=6, label="Observed limit")
    axes.plot([], [], color="black", linestyle="--", linewidth=1.5, label="Expected limit")
    axes.fill_between([], [], color=ONE_SIGMA, label=r"Expected $\pm 1\sigma$")
    axes.fill_between([], [], color=TWO_SIGMA, label=r"Expected $\pm 2\sigma$")


def _range(rows: Sequence[ChannelLimit], theory_pb: float | None) -> tuple[float, float]:
    values = [float(v) for row in rows if row.expected is not None for v in row.expected]
    values += [row.observed for row in rows if row.observed is not None]
    values += [theory_pb] if theory_pb is not None and theory_pb > 0 else []
    if not values:
        return 1e-3, 1.0
    margin = max((max(values) / min(values)) ** 0.06, 1.3)
    return min(values) / margin, max(values) * margin
