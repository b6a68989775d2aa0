"""Branches of consecutive events as flat numpy columns, checked as they are taken, with errors that name them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.events import check_finite, check_not_negative, collection, flat_columns, missing_momentum
from hepad.paths import InputPath

__all__ = ["MASSES", "Columns", "Objects", "jagged"]

MASSES = {"electrons": 0.00051099895, "muons": 0.1056583755, "photons": 0.0}
"""For formats that store none, in GeV (Particle Data Group 2024)."""


@dataclass(frozen=True)
class Objects:
    """A collection as flat columns, with offsets of shape (n+1,): cuts on these cost a fraction of awkward's."""

    offsets: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, objects: ak.Array) -> Objects:
        """The columns of a jagged record array."""
        return cls(*flat_columns(objects))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    @property
    def counts(self) -> npt.NDArray[np.int64]:
        """Objects of each event, of shape (n,)."""
        return np.diff(self.offsets)

    @property
    def event(self) -> npt.NDArray[np.int64]:
        """The event of each object, counted from 0."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def take(self, mask: npt.NDArray[np.bool_]) -> Objects:
        """The objects of a flat mask."""
        if mask.all():
            return self
        return Objects(_running(mask)[self.offsets], {name: values[mask] for name, values in self.columns.items()})

    def number(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many objects of each event a flat mask has."""
        return np.diff(_running(mask)[self.offsets])

    def sorted(self) -> Objects:
        """By falling pT within each event; objects of equal pT keep their order."""
        pt = self["pt"]
        rises = pt[1:] > pt[:-1]
        starts = self.offsets[(self.offsets > 0) & (self.offsets < len(pt))]
        rises[starts - 1] = False
        if not rises.any():  # most files are sorted already: looking is cheaper
            return self
        order = np.lexsort((-pt, self.event))
        return Objects(self.offsets, {name: values[order] for name, values in self.columns.items()})

    def first(self, count: int) -> Objects:
        """At most `count` objects of each event."""
        if self.counts.max(initial=0) <= count:
            return self
        place = np.arange(self.offsets[-1]) - np.repeat(self.offsets[:-1], self.counts)
        return self.take(place < count)

    def sum_by_event(self, values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        """Sums of a flat column over the objects of each event, of shape (n,)."""
        return np.bincount(self.event, weights=values, minlength=len(self.offsets) - 1).astype(np.float64)

    def near(self, others: Objects, radius: float) -> npt.NDArray[np.bool_]:
        """Flat mask: is one of the `others` of the same event within `radius` in eta and phi?"""
        pairs = others.counts[self.event]
        mine = np.repeat(np.arange(len(pairs)), pairs)
        first = np.cumsum(pairs) - pairs
        theirs = np.arange(len(mine)) - first[mine] + others.offsets[self.event[mine]]
        dphi = np.abs(self["phi"][mine] - others["phi"][theirs]) % (2 * np.pi)
        deta = self["eta"][mine] - others["eta"][theirs]
        close = deta**2 + np.minimum(dphi, 2 * np.pi - dphi) ** 2 < radius**2
        return np.bincount(mine[close], minlength=len(pairs)) > 0

    def to_awkward(self, features: Iterable[str]) -> ak.Array:
        """The collection of the Events schema with these properties."""
        return collection(self.offsets, {name: self.columns[name] for name in features})

    @staticmethod
    def merged(*parts: Objects) -> Objects:
        """Several collections of the same events as one, sorted by falling pT."""
        event = np.concatenate([part.event for part in parts])
        order = np.lexsort((-np.concatenate([part["pt"] for part in parts]), event))
        names = parts[0].columns
        offsets = np.asarray(np.sum([part.offsets for part in parts], axis=0), dtype=np.int64)
        return Objects(offsets, {name: np.concatenate([part[name] for part in parts])[order] for name in names})


@dataclass(frozen=True)
class Columns:
    """Branches of consecutive events, checked as they are taken. `start` is the entry of the first event."""

    path: InputPath
    start: int
    arrays: Mapping[str, Any]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def jagged(self, branch: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """Offsets and finite flat values of a branch that holds a list of numbers an event."""
        array = self.arrays[branch]
        if array.ndim != 2:
            raise InputDataError(f"{self.path}: branch {branch!r} must hold a list of numbers an event, not one number")
        offsets, values = jagged(array)
        check_finite(values, path=self.path, branch=branch, start=self.start, offsets=offsets)
        return offsets, values

    def objects(self, branches: Mapping[str, str], *, units: Mapping[str, float] | None = None) -> Objects:
        """Properties of one collection; their counts must agree and no pT be negative.

        `units` divides the properties it names.
        """
        columns: dict[str, npt.NDArray[Any]] = {}
        offsets: npt.NDArray[np.int64] | None = None
        for name, branch in branches.items():
            own, values = self.jagged(branch)
            if offsets is None:
                offsets = own
            elif not np.array_equal(offsets, own):
                raise InputDataError(
                    f"{self.path}: branch {branch!r} has other counts than its collection; the file is damaged"
                )
            if name == "pt":
                check_not_negative(values, path=self.path, branch=branch, start=self.start, offsets=offsets)
            unit = (units or {}).get(name)
            columns[name] = values if unit is None else values / values.dtype.type(unit)
        assert offsets is not None  # noqa: S101  no collection is asked for without branches
        return Objects(offsets, columns)

    def first(self, branch: str) -> npt.NDArray[np.float64]:
        """One number an event, or the first of a list, of shape (n,)."""
        array = self.arrays[branch]
        if array.ndim == 1:
            values = ak.to_numpy(array)
            check_finite(values, path=self.path, branch=branch, start=self.start)
            return np.asarray(values, dtype=np.float64)
        offsets, values = self.jagged(branch)
        if (np.diff(offsets) < 1).any():
            entry = self.start + int(np.flatnonzero(np.diff(offsets) < 1)[0])
            raise InputDataError(
                f"{self.path}: branch {branch!r} is empty at entry {entry}; one value an event is needed"
            )
        return values[offsets[:-1]].astype(np.float64)

    def momentum(self, branches: Mapping[str, str]) -> ak.Array:
        """The `met` of the Events schema from the branches of its properties; a pT must not be negative."""
        values = {name: self.first(branch) for name, branch in branches.items()}
        if "pt" in values:
            check_not_negative(values["pt"], path=self.path, branch=branches["pt"], start=self.start)
        return missing_momentum(values)


def _running(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])


def jagged(array: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Offsets starting at 0 and the flat values of a jagged array of numbers."""
    layout = ak.to_layout(array)
    if not (isinstance(layout, ak.contents.ListOffsetArray) and isinstance(layout.content, ak.contents.NumpyArray)):
        layout = ak.to_layout(ak.to_packed(array))
    offsets = np.asarray(layout.offsets.data, dtype=np.int64)
    values = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
    return (offsets - offsets[0] if offsets[0] else offsets), values
