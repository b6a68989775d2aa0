"""What a model uses of each limit of a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from hepad.plot.style import COLOURS, RED, hep_style

__all__ = ["draw_budget"]

_BLUE = COLOURS[0]


def draw_budget(axes: Axes, shares: Sequence[tuple[str, float]], budget: str) -> None:
    """A bar for each quantity, (name, share of its limit), from the top; those beyond the limit at 1 are red."""
    with hep_style():
        places = np.arange(len(shares))[::-1]
        values = np.array([share for _, share in shares])
        axes.barh(places, values, height=0.62, color=[RED if share > 1 else _BLUE for share in values])
        axes.axvline(1.0, color="black", linewidth=1.4)
        for place, value in zip(places, values, strict=True):
            axes.annotate(f"{value:.0%}", (value, place), xytext=(4, 0), textcoords="offset points", va="center")
        axes.set_yticks(places, [name for name, _ in shares])
        axes.tick_params(axis="y", which="both", length=0)
        axes.set(xlim=(0, 1.25 * max(1.0, float(values.max()))), ylim=(-0.6, len(shares) - 0.4))
        axes.set_xlabel(f"Share of the limit of {budget}")
