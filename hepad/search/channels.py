"""The channels of a search with what is published for them, read once when the search is prepared."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import load_fit
from hepad.cards.search import SearchCard, located
from hepad.errors import HepadError
from hepad.objects.kinematics import parse_mass
from hepad.spectra.backgrounds import fit_functions
from hepad.spectra.files import Spectrum, read_spectrum
from hepad.spectra.models import BinnedData
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.limits.exclusion import PublishedLimits, read_published_limits

__all__ = ["Channel", "prepare_channels"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """A spectrum: its name, and the objects whose invariant mass it is of, as (collection, position from 0).

    `edges` (n+1,) in GeV are the card's, else those of the `observed` spectrum; `background` is the published one,
    `published` the table of published limits, `functions` those of the background, the nominal one first.
    """

    name: str
    objects: tuple[tuple[str, int], ...]
    edges: FloatArray = field(compare=False)
    functions: tuple[BackgroundFunction, ...] = ()
    observed: Spectrum | None = field(default=None, compare=False)
    background: Spectrum | None = field(default=None, compare=False)
    published: PublishedLimits | None = field(default=None, compare=False)

    @cached_property
    def fitted(self) -> FloatArray | None:
        """Events (n,) of the nominal function fitted to the observed spectrum; None without one of them or a fit."""
        if self.observed is None or not self.functions:
            return None
        data = BinnedData.of(self.observed)
        try:
            return fit_functions(data, self.functions[:1])[0].expected * data.weights
        except HepadError:  # the limit says so in words
            return None


def prepare_channels(card: SearchCard, folder: Path) -> dict[str, Channel]:
    """All channels of a card whose own paths are below `folder`; `InputDataError` for a file that cannot be read."""
    names = dict.fromkeys(fit for channel in card.channels for fit in card.channel_fits(channel))
    functions = {name: BackgroundFunction.from_card(load_fit(located(folder, "fits", name))) for name in names}
    found = {}
    for name, own in card.channels.items():
        observed = None if own.observed is None else read_spectrum(str(folder / own.observed))
        edges = card.channel_edges(name)
        assert edges is not None or observed is not None  # noqa: S101  the card has edges or an observed spectrum
        found[name] = Channel(
            name=name,
            objects=parse_mass(own.mass),
            edges=observed.edges if edges is None and observed is not None else np.asarray(edges, dtype=np.float64),
            functions=tuple(functions[fit] for fit in card.channel_fits(name)),
            observed=observed,
            background=None if own.background is None else read_spectrum(str(folder / own.background)),
            published=None if own.published is None else read_published_limits(folder / own.published),
        )
    return found
