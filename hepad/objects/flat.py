"""Collections of objects as flat numpy columns: cuts and loops over these cost a fraction of awkward's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.io.events import flat_columns

__all__ = ["FlatObjects"]

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FlatObjects:
    """A collection as flat numpy columns with offsets of shape (n+1,): cuts on these cost a fraction of awkward's."""

    offsets: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, objects: ak.Array) -> FlatObjects:
        """The columns of a jagged record array."""
        return cls(*flat_columns(objects))

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """How many objects each event has."""
        return np.diff(self.offsets)

    def number(self, mask: _Mask) -> npt.NDArray[np.int64]:
        """How many objects of each event the mask has."""
        return np.diff(_running(mask)[self.offsets])

    def take(self, mask: _Mask) -> FlatObjects:
        """The objects of a mask over all of them."""
        return FlatObjects(_running(mask)[self.offsets], {name: values[mask] for name, values in self.columns.items()})

    def sorted(self) -> FlatObjects:
        """By falling pT within each event; objects of equal pT keep their order."""
        pt = self.columns["pt"]
        rises = pt[1:] > pt[:-1]
        starts = self.offsets[(self.offsets > 0) & (self.offsets < len(pt))]
        rises[starts - 1] = False
        if not rises.any():  # most files are sorted already: looking is cheaper
            return self
        event = np.repeat(np.arange(len(self.counts)), self.counts)
        order = np.lexsort((-pt, event))
        return FlatObjects(self.offsets, {name: values[order] for name, values in self.columns.items()})

    def first(self, count: int) -> FlatObjects:
        """At most `count` objects of each event."""
        if self.counts.max(initial=0) <= count:
            return self
        place = np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.counts)
        return self.take(place < count)


def _running(mask: _Mask) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
