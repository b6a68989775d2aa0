"""The jets of an event: which of its numbers belong to which of them.

Names tell: `fatjet1_sdmass` and `j1_tau2/j1_tau1` are of one jet, `fatjet1+fatjet2_deta` and `met_pt` are of the event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import VECTOR, Layout
from hepad.methods.base.contract import Sample

__all__ = ["Jets"]

_TOKEN = re.compile(r"(?<![A-Za-z0-9_])([A-Za-z]*[jJ][A-Za-z]*[1-9][0-9]*)(?=_)")
"""A numbered jet before the name of a feature: `fatjet1`, `j1`, `Jet1`."""


@dataclass(frozen=True)
class Jets:
    """The jets of a vector of numbers: their names, and for each the places of its numbers.

    All have the same features, of which `layout` is made, in the same order; what is left belongs to none.
    """

    names: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]
    layout: Layout

    @classmethod
    def of(cls, layout: Layout, names: Sequence[str] = ()) -> Jets:
        """The jets of these names, `j1` and `j2` say; without names the two that the numbers' names tell of.

        A number is a jet's if its name has that of the jet, before a `_`, and of no other. `CardError` if there are not
        two, or they have different features, or none.
        """
        columns = layout.columns if layout.axes == VECTOR else ()
        chosen = tuple(names) or tuple(sorted({found for name in columns for found in _TOKEN.findall(name)}))
        if len(chosen) < 2 or (not names and len(chosen) != 2):
            found = " and ".join(chosen) or "none"
            raise CardError(
                f"the features must be those of two jets, as j1_msd and j2_msd, but are of {found}: {_HINT}"
            )
        places = [_places_of(columns, jet, chosen) for jet in chosen]
        features = list(places[0])
        for jet, own in zip(chosen, places, strict=True):
            for one, other in ((places[0], own), (own, places[0])):
                if missing := [name for name in one if name not in other]:
                    whose = jet if one is places[0] else chosen[0]
                    raise CardError(f"{whose} has no feature {missing[0]}, but another jet has: {_HINT}")
        if not features:
            raise CardError(f"no feature is one of {' or '.join(chosen)} alone: {_HINT}")
        return cls(chosen, tuple(tuple(own[f] for f in features) for own in places), Layout.vector(features))

    def batch(self, batch: Batch, jet: int) -> Batch:
        """What belongs to a jet, by its number from 0 on, of all events; what stands beside them stays there."""
        places = list(self.places[jet])
        mask = None if batch.mask is None else batch.there[:, places]
        return replace(batch, layout=self.layout, x=np.ascontiguousarray(batch.x[:, places]), mask=mask)

    def sample(self, sample: Sample, jet: int) -> Sample:
        """The same of a sample."""
        return Sample(self.batch(sample.events, jet), sample.folds)

    def apart(self, sample: Sample) -> Sample:
        """The jets as events of their own, all first ones before all second ones."""
        each = [self.batch(sample.events, jet) for jet in range(len(self.names))]
        return Sample(Batch.concatenate(each), np.tile(sample.folds, len(each)))


_HINT = "say which with the key 'jets' of the method, or name others with --feature"


def _places_of(columns: Sequence[str], jet: str, jets: Sequence[str]) -> dict[str, int]:
    """The places of a jet's numbers by the name of their feature, without the jet's."""
    found = {}
    for place, name in enumerate(columns):
        if all(_names(name, other) == (other == jet) for other in jets):
            found[re.sub(rf"(?<![A-Za-z0-9_]){re.escape(jet)}_", "", name)] = place
    return found


def _names(column: str, jet: str) -> bool:
    """Whether a column has a jet in its name: before a `_`, or with others before a `+`."""
    return re.search(rf"(?<![A-Za-z0-9_]){re.escape(jet)}(?=[_+])", column) is not None
