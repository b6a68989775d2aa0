"""Trees of uproot that build only the branches that are asked for.

Most of the time that uproot takes to open a tree of many branches goes into building all of them. Here the record is
looked through for names and places (`hepad.io.root.index`), and a branch is built by uproot itself, from its own bytes,
when it is asked for. At anything unexpected the tree is read as a whole, as uproot does it: arrays and errors are
uproot's in any case. `HEPAD_LEAN=0` in the environment has all trees read as a whole.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from hepad.io.root.index import Index, OddRecordError, read_index
from hepad.io.root.ntuple import CLASS, NTuple

__all__ = ["SWITCH", "LeanFile", "LeanTree"]

SWITCH = "HEPAD_LEAN"
_KNOWN = ((5, 5), (5, 8))
"""Versions of uproot, from and before, that this was tried with; others read trees as a whole."""

_log = logging.getLogger(__name__)


class LeanFile:
    """An open file or folder of uproot whose trees and RNTuples are opened lean. `whole` says why, if one was not."""

    def __init__(self, directory: Any) -> None:
        self._directory = directory
        self._trees: dict[str, Any] = {}
        self.whole: dict[str, str] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._trees:
            self._trees[name] = self._open(name)
        return self._trees[name]

    def __contains__(self, name: str) -> bool:
        return name in self._directory

    def __getattr__(self, name: str) -> Any:
        return getattr(self._directory, name)

    def get(self, name: str, default: Any = None) -> Any:
        """What is called so, or else the default."""
        return self[name] if name in self._directory else default

    def _open(self, name: str) -> Any:
        if self._directory.key(name).fClassName == CLASS:
            lean = os.environ.get(SWITCH, "1") != "0"
            return NTuple(name, self._directory[name], lambda reason: self._note(name, reason), lean=lean)
        try:
            key = self._directory.key(name)
            if key.fClassName != "TTree":
                return self._directory[name]
            _check_known()
            return LeanTree(key, lambda reason: self._as_a_whole(name, reason))
        except Exception as error:  # noqa: BLE001  whatever it is: uproot says what is wrong, if anything is
            return self._as_a_whole(name, error)

    def _as_a_whole(self, name: str, reason: Exception) -> Any:
        self._note(name, reason)
        return self._directory[name]

    def _note(self, name: str, reason: Exception) -> None:
        self.whole[name] = str(reason) if isinstance(reason, OddRecordError) else type(reason).__name__
        _log.debug("%r is read as a whole: %s", name, self.whole[name])


def _check_known() -> None:
    """Raise `OddRecordError` if trees are to be read as a whole."""
    import uproot

    if os.environ.get(SWITCH, "1") == "0":
        raise OddRecordError(f"{SWITCH}=0")
    if not _KNOWN[0] <= tuple(int(part) for part in uproot.__version__.split(".")[:2]) < _KNOWN[1]:
        raise OddRecordError(f"uproot {uproot.__version__} is not known to open lean")


class LeanTree:
    """A tree with the look of uproot's, as far as readers of events need it.

    `key` is uproot's of the tree. `whole` gives uproot's own tree, and is told why it was asked for.
    """

    def __init__(self, key: Any, whole: Callable[[Exception], Any]) -> None:
        self._key, self.file = key, key.file
        self._whole = whole
        self._plain: Any = None
        self._chunk, self._start = key.get_uncompressed_chunk_cursor()
        self._refs, self._classes = _Refs(self._find), _Classes(self.file)
        self._built: dict[str, Any] = {}
        self._begun: list[tuple[Any, dict[str, Any], str]] = []
        with self._reading(self._start.index) as (cursor, context):
            self._tree = self.file.class_named("TTree").read(
                *(self._chunk, cursor, context, self._classes, self.file, key)
            )
        self._index: Index = self._classes.complete()
        self.name, self.num_entries, self.aliases = self._tree.name, self._tree.num_entries, self._tree.aliases

    def keys(self, recursive: bool = True) -> list[str]:
        """The paths of all branches, or of those at the top, in the order of the tree."""
        return [path for path, branch in self._index.branches.items() if recursive or not branch.parent]

    def __contains__(self, path: object) -> bool:
        return path in self._index.branches

    def __getitem__(self, path: str) -> Any:
        return self._with([path])[path]

    def iterate(self, branches: Mapping[str, Any], **options: Any) -> Iterator[Any]:
        """Arrays of the branches in pieces, with the options of uproot's `iterate`."""
        return iter(self._with(branches).iterate(branches, **options))

    def _with(self, paths: Iterable[str]) -> Any:
        """A tree of uproot with these branches and all that is below them."""
        if self._plain is None:
            try:
                for path in paths:
                    self._need(path)
            except Exception as error:  # noqa: BLE001  whatever it is: uproot says what is wrong, if anything is
                self._plain = self._whole(error)
        return self._tree if self._plain is None else self._plain

    def _need(self, path: str) -> None:
        self._build(path)
        for child in self._index.branches[path].children:
            self._need(child)

    def _build(self, path: str) -> Any:
        """The branch alone, put where it belongs below the tree."""
        from uproot.deserialization import read_object_any

        place = self._index.branches[path]
        parent = None if path in self._built else self._parent(place.parent)
        if path in self._built:  # a collection refers to its first branch, and has it built
            return self._built[path]
        with self._reading(place.start, path) as (cursor, context):
            built = read_object_any(self._chunk, cursor, context, self._classes, self.file, parent)
        if cursor.index != place.stop:
            raise OddRecordError(f"the bytes of {path!r}")
        self._built[path] = built
        for child in (path, *place.children):
            self._attach(child)
        return built

    def _parent(self, path: str) -> Any:
        """The branch that others are below, which uproot may be reading right now."""
        begun = [context["breadcrumbs"][0] for _, context, own in self._begun if own == path]
        return self._tree if not path else begun[0] if begun else self._build(path)

    def _attach(self, path: str) -> None:
        """Put a branch below its parent, if both are built."""
        above = self._index.branches[path].parent
        if path not in self._built or (above and above not in self._built):
            return
        branch, parent, name = self._built[path], self._parent(above), path.rpartition("/")[2]
        if branch.parent is not parent or branch.name != name:
            raise OddRecordError(f"the place of {path!r}")
        if name not in parent._lookup:  # noqa: SLF001  uproot's, filled as uproot does; another uproot is noticed below
            branches = parent.member("fBranches")._data  # noqa: SLF001
            branches.append(branch)
            branches.sort(key=lambda held: held.cursor.index)
            parent._lookup[name] = branch  # noqa: SLF001
        if parent.get(name) is not branch:
            raise OddRecordError("uproot finds branches in another way")

    @contextmanager
    def _reading(self, at: int, path: str = "") -> Iterator[tuple[Any, dict[str, Any]]]:
        """A cursor of uproot at a place of the record, and the context that it starts with."""
        from uproot.source.cursor import Cursor

        cursor = Cursor(at, origin=self._start.origin, refs=self._refs)
        context = {"breadcrumbs": (), "TKey": self._key}
        self._begun.append((cursor, context, path))
        yield cursor, context
        self._begun.pop()

    def _find(self, place: int) -> bool:
        """Have what was written at a place among the references, if uproot would, having read all that is before."""
        index = self._index
        if place in index.classes:
            self._refs[place] = self._classes.class_named(index.classes[place])
            return True
        if place not in index.objects:
            raise OddRecordError("a reference to nothing known")
        stop, owner = index.objects[place]
        if stop > self._begun[-1][0].index:
            return False
        if any(own == owner for _, _, own in self._begun):
            raise OddRecordError(f"a reference within {owner!r}")
        self._build(owner)
        return dict.__contains__(self._refs, place)


class _Refs(dict[int, Any]):
    """What uproot has read by its place, and what it would have read: that is made when it is asked for."""

    def __init__(self, find: Callable[[int], bool]) -> None:
        super().__init__()
        self._find = find

    def __contains__(self, place: object) -> bool:
        return super().__contains__(place) or (isinstance(place, int) and self._find(place))

    def __len__(self) -> int:
        raise OddRecordError("objects without byte counts, which uproot numbers")


class _Classes:
    """A file as uproot's classes see it when they read: that of arrays steps over those of branches."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._index: Index | None = None
        self._skipped = 0
        self._named: dict[tuple[str, Any], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def class_named(self, name: str, version: Any = None) -> Any:
        """A class of uproot, or one of ours; each is looked up once, as uproot tidies names by regular expressions."""
        if (name, version) not in self._named:
            own = {"TObjArray": _array_class, "TAttMarker": _marker_class}.get(name)
            self._named[name, version] = own() if own else self._file.class_named(name, version)
        return self._named[name, version]

    def streamer_named(self, name: str, version: Any = None) -> Any:
        """Refused: a class made from the file's own description would ask the file for its parts."""
        raise OddRecordError(f"{name} version {version}")

    def skips(self, at: int, origin: int, chunk: Any) -> bool:
        """Is the array at this place one of branches, or that of the tree's leaves, which follows the first?"""
        if self._index is None:
            self._index = read_index(bytes(memoryview(chunk.raw_data)), at, origin)
        found = at in self._index.inside or at == self._index.stop
        self._skipped += found
        return found

    def complete(self) -> Index:
        """The index, once the tree was read; `OddRecordError` if uproot did not read it by way of these classes."""
        if self._index is None or self._skipped != 2:
            raise OddRecordError("uproot reads trees in another way")
        return self._index


@cache
def _array_class() -> Any:
    from uproot.models.TObjArray import Model_TObjArray as Plain

    class Model_TObjArray(Plain):  # type: ignore[misc]  # noqa: N801  uproot takes the class's name from it
        def read_members(self, chunk: Any, cursor: Any, context: Any, file: Any) -> None:
            if not file.skips(self.cursor.index, cursor.origin, chunk):
                super().read_members(chunk, cursor, context, file)
                return
            self._data: list[Any] = []
            cursor.skip_after(self)

    return Model_TObjArray


@cache
def _marker_class() -> Any:
    """How points are drawn: to know a new version, uproot would read what the file says of all its classes."""
    from uproot.model import Model

    class Model_TAttMarker(Model):  # type: ignore[misc]  # noqa: N801
        def read_members(self, chunk: Any, cursor: Any, context: Any, file: Any) -> None:  # noqa: ARG002
            cursor.skip_after(self)

    return Model_TAttMarker
