"""What the readers of ROOT trees share: iterate in chunks over the branches that a format asks for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, NotStoredError
from hepad.io.detector.baskets import find_damage, words
from hepad.io.detector.columns import Columns
from hepad.io.events import Fields, SampleInfo, record
from hepad.io.text import first_line
from hepad.paths import InputPath

__all__ = ["TreeFile", "positive"]


class TreeFile(ABC):
    """An open tree of events; a format says what it has, which branches that takes, and how to build it.

    See `hepad.io.events.EventFile` for what callers may do.
    """

    format: str
    title: str
    """The format's name in messages."""
    hint = "run 'hepad inspect' to see which selections this file can feed"
    """What to do if a branch is missing."""
    tells: ClassVar[tuple[str, ...]] = ()
    """Branches of which one tells the format from others with a tree of that name; a format without has the rest."""

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        """Take the tree `name` of an open file or directory."""
        self.path = path
        self.directory = directory
        self.tree = tree = directory[name]
        self.entries = int(tree.num_entries)
        # Below a split object the branch is Jet/Jet.PT; in a slim it is Jet.PT at the top.
        self.keys: dict[str, str] = {key.rpartition("/")[2]: key for key in tree.keys(recursive=True)}

    @property
    def whole(self) -> str:
        """Why uproot built all branches of a tree of the file and not those asked for alone; empty if it did not."""
        return next(iter(getattr(self.directory, "whole", {}).values()), "")

    @abstractmethod
    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""

    @abstractmethod
    def sample(self) -> SampleInfo:
        """What the file says of its sample."""

    @abstractmethod
    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches needed to build a collection, all of them there; `InputDataError` if it cannot be built."""

    @abstractmethod
    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events from its branches."""

    @abstractmethod
    def weight_branches(self) -> set[str]:
        """The branches that the events' weights are read from; none if all weigh 1."""

    def weights(self, columns: Columns) -> npt.NDArray[np.float64]:
        """The weight of each event, of shape (n,): the first value of the branch of weights, if there is one."""
        branches = self.weight_branches()
        return columns.first(*branches) if branches else np.ones(len(columns))

    def buildable(self, known: Fields) -> dict[str, set[str]]:
        """Those of the `known` collections and properties whose branches are all there."""
        found = {name: {f for f in features if self._can_build(name, f)} for name, features in known.items()}
        return {name: features for name, features in found.items() if features}

    def _can_build(self, name: str, feature: str) -> bool:
        try:
            self.branches(name, {feature})
        except InputDataError:
            return False
        return True

    def interpretation(self, branch: str) -> Any:  # noqa: ARG002  most branches need none
        """How to read a branch that uproot does not understand by itself."""
        return None

    def decode(self, branch: str, array: ak.Array, start: int) -> ak.Array:  # noqa: ARG002
        """What a branch read with such an interpretation means."""
        return array

    def cuts(self, fields: Fields) -> list[int]:
        """The entries at which baskets of all branches end: cut there, none is decompressed twice."""
        branches = self._all_branches(fields)
        self._check_entries(branches)
        return sorted(set.intersection(*({int(e) for e in self.branch(b).entry_offsets} for b in branches)))

    def iterate(self, fields: Fields, *, step_size: int, stop: int, start: int = 0) -> Iterator[ak.Array]:
        """Events [start, stop) in pieces of at most `step_size`, with the fields asked for.

        `InputDataError` names a missing branch, a value that is not finite, or a damaged basket.
        """
        branches = self._all_branches(fields)
        self._check_entries(branches)
        for arrays in self._read(branches, step_size, start, stop):
            decoded = {branch: self.decode(branch, array, start) for branch, array in arrays.items()}
            columns = Columns(self.path, start, decoded)
            events = {name: self.build(name, features, columns) for name, features in fields.items()}
            events["weight"] = self.weights(columns)
            events["index"] = np.arange(start, start + len(columns), dtype=np.int64)
            yield record(events)
            start += len(columns)
        if start < min(stop, self.entries):
            raise InputDataError(f"{self.path}: {start} of {stop} entries could be read; copy the file again")

    def close(self) -> None:
        """Close the file."""
        self.tree.file.close()

    def remedy(self, name: str) -> str:  # noqa: ARG002  of this collection
        """What to do if a branch is missing."""
        return self.hint

    def branch(self, name: str) -> Any:
        """A branch that is there; `InputDataError` if what the tree says of it is damaged."""
        try:
            return self.tree[self.keys[name]]
        except Exception as error:
            raise InputDataError(
                f"{self.path}: tree {self.tree.name!r} cannot be read, the file is damaged or truncated; copy it again"
            ) from error

    def has(self, *branches: str) -> bool:
        """Are all these branches in the tree?"""
        return all(branch in self.keys for branch in branches)

    def require(self, branches: Iterable[str], name: str) -> None:
        """Raise `InputDataError` that names the branches that are not there."""
        missing = [branch for branch in branches if branch not in self.keys]
        if missing:
            kind, part = words(self.tree)
            names = ", ".join(map(repr, missing))
            raise NotStoredError(
                f"{self.path}: {kind} {self.tree.name!r} has no {part} {names}, needed for {name}; {self.remedy(name)}"
            )

    def refuse_unknown(self, name: str, features: AbstractSet[str], known: Mapping[str, AbstractSet[str]]) -> None:
        """Raise `InputDataError` for a collection or property that the format never has."""
        if name not in known:
            raise NotStoredError(f"{self.path}: {self.title} files have no {name}")
        unknown = set(features) - known[name]
        if unknown:
            raise NotStoredError(f"{self.path}: {self.title} stores no {', '.join(sorted(unknown))} for {name}")

    def _all_branches(self, fields: Fields) -> list[str]:
        branches = self.weight_branches()
        for name, features in fields.items():
            branches |= self.branches(name, features)
        if not branches:
            raise InputDataError(f"{self.path}: nothing to read was asked for")
        return sorted(branches)

    def _read(self, branches: list[str], step_size: int, start: int, stop: int) -> Iterator[dict[str, Any]]:
        keys = {self.keys[branch]: self.interpretation(branch) for branch in branches}
        where = {"entry_start": start, "entry_stop": stop}
        done = start
        try:
            for arrays in self.tree.iterate(keys, step_size=step_size, how=dict, library="ak", **where):
                yield {branch: arrays[self.keys[branch]] for branch in branches}
                done += len(arrays[self.keys[branches[0]]])
        except (InputDataError, KeyboardInterrupt):
            raise
        except Exception as error:
            raise self.damage(error, keys, done, stop) from error

    def damage(self, error: Exception, keys: Mapping[str, Any], start: int, stop: int) -> InputDataError:
        """What to raise when entries [start, stop) cannot be read: says which basket of which branch is damaged.

        `keys` maps paths of branches to their interpretation, None for uproot's own.
        """
        place = find_damage(self.tree, keys, start, stop) or f"somewhere in its entries {start} to {stop - 1}"
        return InputDataError(
            f"{self.path}: cannot read {words(self.tree)[0]} {self.tree.name!r}, damaged or truncated: {place} "
            f"({first_line(error)}); copy it again"
        )

    def _check_entries(self, branches: Iterable[str]) -> None:
        """Raise `InputDataError` if a branch has more or fewer entries than the tree."""
        for branch in sorted(branches):
            entries = int(self.branch(branch).num_entries)
            if entries != self.entries:
                raise InputDataError(
                    f"{self.path}: branch {branch!r} has {entries} entries, tree {self.tree.name!r} has "
                    f"{self.entries}; the file is damaged, copy it again"
                )


def positive(value: float) -> float | None:
    """The value, or None if the file states it as zero, negative or not a number."""
    return float(value) if np.isfinite(value) and value > 0 else None
