"""Where the branches of a tree are in its record, by byte counts: nothing is built of what is stepped over.

The record of a `TTree` (ROOT's `TBufferFile`) is a row of objects, each behind the number of its bytes. Classes are
written by name where they come first, and by the place of that name from then on; objects that were written before, as
leaves that count others, by their place. So whoever builds one branch alone must know all of these places: they are
collected here in one pass over names and byte counts.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

__all__ = ["Branch", "Index", "OddRecordError", "read_index"]

_U4, _HEADER = struct.Struct(">I"), struct.Struct(">IH")
_BYTE_COUNT, _NEW_CLASS, _CLASS = 0x40000000, 0xFFFFFFFF, 0x80000000
_REFERENCED = 1 << 4
"""A bit of `TObject`: two more bytes follow."""
_MAP_OFFSET = 2
"""Added to places that are referred to, as 0 and 1 mean something else."""
_HEAD, _TOBJECT, _REFERENCE = _HEADER.size, 10, 2
_BETWEEN = {12: (68,), 13: (24, 44)}
"""Bytes of numbers between `TAttFill` and the sub-branches of a `TBranch`, by version; `TIOFeatures` splits them."""
_WRAPPED = ("TBranchElement", "TBranchObject")
_LEAF_NUMBERS = 14
_LEAF_VERSION = 2
_LONG = 255


class OddRecordError(Exception):
    """The record is not as it is known to be: read it as a whole."""


@dataclass(frozen=True)
class Branch:
    """A branch: the bytes [start, stop) of its object, where its sub-branches begin, and the paths around it."""

    start: int
    stop: int
    inside: int
    parent: str
    children: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Index:
    """All branches by their paths in the order of the tree; by place, names of classes, and ends and owners of objects.

    `stop` is where the branches end. An object is a branch or a leaf of it.
    """

    branches: dict[str, Branch]
    classes: dict[int, str]
    objects: dict[int, tuple[int, str]]
    inside: frozenset[int]
    stop: int


def read_index(data: bytes, start: int, origin: int) -> Index:
    """The index of the `TObjArray` of branches at `start`; places count from `origin`.

    `OddRecordError` if the record is not as it is known to be.
    """
    scan = _Scan(data, origin)
    try:
        stop = scan.branches(start, "")
    except (struct.error, IndexError, ValueError, RecursionError) as error:
        raise OddRecordError("cut off") from error
    inside = frozenset(branch.inside for branch in scan.found.values())
    return Index(scan.found, scan.classes, scan.objects, inside | {start}, stop)


class _Scan:
    """One pass over a record, which collects what it steps over."""

    def __init__(self, data: bytes, origin: int) -> None:
        self.found: dict[str, Branch] = {}
        self.classes: dict[int, str] = {}
        self.objects: dict[int, tuple[int, str]] = {}
        self._data = data
        self._shift = _MAP_OFFSET - origin

    def branches(self, at: int, path: str) -> int:
        """Step over an array of branches below a path; where it ends."""
        stop = self._stop(at)
        at, size = self._array(at)
        for _ in range(size):
            at = self._branch(at, path)
        return self._same(at, stop)

    def _array(self, at: int) -> tuple[int, int]:
        """Where the first item of a `TObjArray` is, and how many there are."""
        at = self._after_text(self._after_object(at + _HEAD))
        (size,) = _U4.unpack_from(self._data, at)
        return at + 2 * _U4.size, size

    def _branch(self, at: int, path: str) -> int:
        start, stop = at, self._stop(at)
        kind, at = self._class(at)
        if kind in _WRAPPED:
            self._same(self._stop(at), stop)
            at += _HEAD
        elif kind != "TBranch":
            raise OddRecordError(f"a {kind}")
        _, version = _HEADER.unpack_from(self._data, at)
        if version not in _BETWEEN:
            raise OddRecordError(f"TBranch version {version}")
        named = at + _HEAD
        name = self._text(self._after_object(named + _HEAD))
        own = f"{path}/{name}" if path else name
        if not name or "/" in name or own in self.found:
            raise OddRecordError(f"a branch called {own!r}")
        at = self._stop(self._stop(named))
        first, *rest = _BETWEEN[version]
        at += first
        for size in rest:
            at = self._stop(at) + size
        self.found[own] = Branch(start, stop, at, path)
        if path:
            self.found[path].children.append(own)
        self.objects[start + self._shift] = stop, own
        at = self._leaves(self.branches(at, own), own)
        if at > stop:
            raise OddRecordError(f"the bytes of {own!r}")
        return stop

    def _leaves(self, at: int, path: str) -> int:
        stop = self._stop(at)
        at, size = self._array(at)
        for _ in range(size):
            at = self._leaf(at, path)
        return self._same(at, stop)

    def _leaf(self, at: int, path: str) -> int:
        (tag,) = _U4.unpack_from(self._data, at)
        if tag < _BYTE_COUNT:  # written before, or none
            return at + _U4.size
        start, stop = at, self._stop(at)
        kind, at = self._class(at)
        if not kind.startswith("TLeaf"):
            raise OddRecordError(f"a {kind} among leaves")
        self._same(self._stop(at), stop)
        at += _HEAD
        end = self._stop(at)
        _, version = _HEADER.unpack_from(self._data, at)
        if version != _LEAF_VERSION:
            raise OddRecordError(f"TLeaf version {version}")
        at = self._stop(at + _HEAD) + _LEAF_NUMBERS
        self._same(self._leaf(at, path), end)  # the leaf that counts this one's numbers
        self.objects[start + self._shift] = stop, path
        return stop

    def _class(self, at: int) -> tuple[str, int]:
        """The class of an object with a byte count at `at`, and where what it holds begins."""
        at += _U4.size
        (tag,) = _U4.unpack_from(self._data, at)
        if tag == _NEW_CLASS:
            end = self._data.index(b"\0", at + _U4.size)
            name = self._data[at + _U4.size : end].decode("ascii", "replace")
            self.classes[at + self._shift] = name
            return name, end + 1
        name = self.classes.get(tag & ~_CLASS, "") if tag & _CLASS else ""
        if not name:
            raise OddRecordError("an object without a class")
        return name, at + _U4.size

    def _stop(self, at: int) -> int:
        """Where the object ends that begins at `at` with its byte count."""
        count: int = _U4.unpack_from(self._data, at)[0]
        stop = at + _U4.size + (count & ~_BYTE_COUNT)
        if not count & _BYTE_COUNT or stop > len(self._data):
            raise OddRecordError("an object without a byte count")
        return stop

    def _after_object(self, at: int) -> int:
        """Where a `TObject` ends."""
        (bits,) = _U4.unpack_from(self._data, at + _TOBJECT - _U4.size)
        return at + _TOBJECT + (_REFERENCE if bits & _REFERENCED else 0)

    def _text(self, at: int) -> str:
        end = self._after_text(at)
        begin = at + 1 if self._data[at] < _LONG else at + 1 + _U4.size
        return self._data[begin:end].decode(errors="surrogateescape")

    def _after_text(self, at: int) -> int:
        if self._data[at] < _LONG:
            return at + 1 + self._data[at]
        (size,) = _U4.unpack_from(self._data, at + 1)
        return at + 1 + _U4.size + int(size)

    @staticmethod
    def _same(at: int, expected: int) -> int:
        if at != expected:
            raise OddRecordError("byte counts that do not add up")
        return at
