"""Spectra of a search: bins of its channels, and histograms of events in a region."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hepad.search.events import CategoryEvents
from hepad.search.search import Category, Search
from hepad.spectra.files import Spectrum, read_spectrum

if TYPE_CHECKING:
    import hist

__all__ = ["channel_edges", "fill_spectrum", "observed_spectrum"]

FloatArray = npt.NDArray[np.float64]


def channel_edges(search: Search, channel: str) -> FloatArray:
    """The edges (n+1,) of a channel in GeV: the card's, else those of its observed spectrum."""
    edges = search.card.channel_edges(channel)
    if edges is not None:
        return np.asarray(edges, dtype=np.float64)
    observed = observed_spectrum(search, channel)
    assert observed is not None  # noqa: S101  the card has edges or an observed spectrum
    return observed.edges


def observed_spectrum(search: Search, channel: str) -> Spectrum | None:
    """The published spectrum of a channel, None if the card has none."""
    file = search.card.channels[channel].observed
    return None if file is None else read_spectrum(str(search.folder / file))


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
