"""Branches of consecutive events as flat numpy columns, checked as they are taken, with errors that name them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
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

MAX_PAIRS = 20_000_000
"""Pairs of two collections in one event that overlap removal looks at; collisions have thousands."""
_PAIRS_AT_A_TIME = 2_000_000
_KINEMATIC = frozenset({"pt", "eta", "phi", "mass"})


@dataclass(frozen=True)
class Objects:
    """A collection as flat columns, with offsets of shape (n+1,): cuts on these cost a fraction of awkward's."""

    offsets: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, objects: Any) -> Objects:
        """The columns of a jagged record array, or of its layout."""
        return cls(*flat_columns(objects))

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    @cached_property
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
        rows = np.flatnonzero(mask)
        return Objects(_running(mask)[self.offsets], {name: values[rows] for name, values in self.columns.items()})

    def number(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many objects of each event a flat mask has."""
        return np.diff(_running(mask)[self.offsets])

    def sorted(self) -> Objects:
        """By falling pT within each event; objects of equal pT keep their order."""
        pt = self["pt"]
        starts = np.zeros(len(pt) + 1, dtype=bool)
        starts[self.offsets] = True
        rises = np.flatnonzero((pt[1:] > pt[:-1]) & ~starts[1:-1])
        if not len(rises):  # most files are sorted already: looking is cheaper
            return self
        # Most events of other files are sorted too: only the objects of those that are not are moved.
        odd = np.zeros(len(self.offsets) - 1, dtype=bool)
        odd[np.searchsorted(self.offsets, rises, side="right") - 1] = True
        counts = self.counts
        rows = np.flatnonzero(np.repeat(odd, counts))
        event = np.repeat(np.arange(np.count_nonzero(odd)), counts[odd])
        order = rows[np.lexsort((-pt[rows], event))]
        columns = {name: values.copy() for name, values in self.columns.items()}
        for name, values in columns.items():
            values[rows] = self.columns[name][order]
        return Objects(self.offsets, columns)

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
        """Flat mask: is one of the `others` of the same event within `radius` in eta and phi? In bounded memory."""
        event = self.event
        pairs = others.counts[event]
        result = np.zeros(len(pairs), dtype=bool)
        for block in _blocks(pairs, _PAIRS_AT_A_TIME):
            mine = np.repeat(np.arange(block.start, block.stop), pairs[block])
            first = np.repeat(np.cumsum(pairs[block]) - pairs[block], pairs[block])
            theirs = np.arange(len(mine)) - first + others.offsets[event[mine]]
            dphi = np.abs(self["phi"][mine] - others["phi"][theirs]) % (2 * np.pi)
            deta = self["eta"][mine] - others["eta"][theirs]
            close = deta**2 + np.minimum(dphi, 2 * np.pi - dphi) ** 2 < radius**2
            result[mine[close]] = True
        return result

    def to_awkward(self, features: Iterable[str]) -> ak.Array:
        """The collection of the Events schema with these properties, by falling pT."""
        ordered = self.sorted()
        return collection(ordered.offsets, {name: ordered.columns[name] for name in features})

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
        offsets, values = self._lists(branch)
        check_finite(values, path=self.path, branch=branch, start=self.start, offsets=offsets)
        return offsets, values

    def _lists(self, branch: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        array = self.arrays[branch]
        if array.ndim != 2 or not _holds_numbers(array):
            raise InputDataError(
                f"{self.path}: branch {branch!r} must hold a list of numbers an event, not {array.type.content}"
            )
        if not _is_whole(array):
            last = self.start + len(array) - 1
            raise InputDataError(
                f"{self.path}: branch {branch!r} is damaged somewhere in its entries {self.start} to {last}: "
                "its counts do not fit its numbers; copy the file again"
            )
        return jagged(array)

    def objects(
        self,
        branches: Mapping[str, str],
        *,
        units: Mapping[str, float] | None = None,
        whole: AbstractSet[str] = frozenset(),
    ) -> Objects:
        """Properties of one collection; their counts must agree and no pT be negative.

        `units` divides the properties it names; those in `whole` become integers, whatever type holds them in the
        file. Momenta that are stored as integers become floating-point numbers.
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
            if name in whole:
                values = self._whole(branch, values)
            elif name in _KINEMATIC and values.dtype.kind != "f":
                values = values.astype(np.float64)
            unit = (units or {}).get(name)
            columns[name] = values if unit is None else values / values.dtype.type(unit)
        assert offsets is not None  # noqa: S101  no collection is asked for without branches
        return Objects(offsets, columns)

    def first(self, branch: str) -> npt.NDArray[np.float64]:
        """One number an event, or the first of a list, of shape (n,)."""
        array = self.arrays[branch]
        if array.ndim == 1:
            if not _holds_numbers(array):
                raise InputDataError(
                    f"{self.path}: branch {branch!r} must hold a number an event, not {array.type.content}"
                )
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

    def sole(self, branch: str, otherwise: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The one number of each event's list, of shape (n,); `otherwise` where there are none or several."""
        if self.arrays[branch].ndim == 1:
            return self.first(branch)
        offsets, values = self._lists(branch)
        alone = np.diff(offsets) == 1
        result: npt.NDArray[np.float64] = otherwise.copy()
        result[alone] = values[offsets[:-1][alone]]
        check_finite(result, path=self.path, branch=branch, start=self.start)
        return result

    def momentum(self, branches: Mapping[str, str]) -> ak.Array:
        """The `met` of the Events schema from the branches of its properties; a pT must not be negative."""
        values = {name: self.first(branch) for name, branch in branches.items()}
        if "pt" in values:
            check_not_negative(values["pt"], path=self.path, branch=branches["pt"], start=self.start)
        return missing_momentum(values)

    def near(self, objects: Objects, others: Objects, radius: float) -> npt.NDArray[np.bool_]:
        """`Objects.near`; `InputDataError` for an event with more than `MAX_PAIRS` pairs."""
        pairs = objects.counts * others.counts
        if pairs.max(initial=0) > MAX_PAIRS:
            at = int(pairs.argmax())
            raise InputDataError(
                f"{self.path}: entry {self.start + at} has {objects.counts[at]} and {others.counts[at]} objects that "
                "may overlap; no collision has so many, leave that entry out"
            )
        return objects.near(others, radius)

    def _whole(self, branch: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Flags and codes as integers; those who write slims often make them floating-point numbers."""
        if values.dtype.kind in "biu":
            return values
        if (values != np.rint(values)).any():
            odd = values[values != np.rint(values)][0]
            raise InputDataError(f"{self.path}: branch {branch!r} holds {odd}; it must hold whole numbers")
        return values.astype(np.int64)


def _running(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    total = np.zeros(len(mask) + 1, dtype=np.int64)
    np.cumsum(mask, out=total[1:])
    return total


def jagged(array: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
    """Offsets starting at 0 and the flat values of a jagged array of numbers."""
    layout = ak.to_layout(array)
    if not (isinstance(layout, ak.contents.ListOffsetArray) and isinstance(layout.content, ak.contents.NumpyArray)):
        layout = ak.to_packed(array).layout.to_ListOffsetArray64(True)  # fixed length: no offsets
    offsets = np.asarray(layout.offsets.data, dtype=np.int64)
    values = np.asarray(layout.content.data)[offsets[0] : offsets[-1]]
    return (offsets - offsets[0] if offsets[0] else offsets), values


def _holds_numbers(array: Any) -> bool:
    """Whether the innermost items are real numbers or flags: no text, records or missing values."""
    kind = array.type.content
    while isinstance(kind, ak.types.ListType | ak.types.RegularType) and "__array__" not in kind.parameters:
        kind = kind.content
    return isinstance(kind, ak.types.NumpyType) and np.dtype(kind.primitive).kind in "biuf"


def _is_whole(array: Any) -> bool:
    """Whether the offsets of a jagged array rise and stay within its numbers: those of damaged baskets may not."""
    layout = array.layout
    if not isinstance(layout, ak.contents.ListOffsetArray):
        return bool(ak.validity_error(array) == "")
    offsets = np.asarray(layout.offsets.data)
    return bool(offsets[0] >= 0 and (offsets[1:] >= offsets[:-1]).all() and offsets[-1] <= layout.content.length)


def _blocks(sizes: npt.NDArray[np.int64], limit: int) -> Iterator[slice]:
    """Consecutive slices whose sizes add up to at most the limit, or that hold one alone."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        before = int(ends[start] - sizes[start])
        stop = max(int(np.searchsorted(ends, before + limit, side="right")), start + 1)
        yield slice(start, stop)
        start = stop
