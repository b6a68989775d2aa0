"""Histograms of the events of a search in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.search.events import CategoryEvents
from hepad.search.search import Category

if TYPE_CHECKING:
    import hist

__all__ = ["fill_spectrum"]

FloatArray = npt.NDArray[np.float64]


def fill_spectrum(
    events: CategoryEvents, category: Category, channel: str, region: str, edges: FloatArray
) -> hist.Hist[Any]:
    """The histogram of a channel's mass (GeV) for the events in a region, weighted."""
    import hist

    inside = events.inside(category, region) & np.isfinite(events.masses[channel])
    axis = hist.axis.Variable(edges.tolist(), name="mass", label=f"{channel} mass [GeV]")
    filled = hist.Hist(axis, storage=hist.storage.Weight())
    filled.fill(events.masses[channel][inside], weight=events.weight[inside])
    return filled
