"""RNTuples with the look of trees of uproot, as far as readers of events and of tables need it.

uproot looks at all fields whenever it reads some, which for a NanoAOD of 1300 takes seconds. Here the fields are known
once (`hepad.io.root.ntuple_records`), and of a column only the pages that hold the wanted entries are read, each after
its checksum was compared. Numbers, flags, texts, lists and arrays of them are read so, alone, in records and in lists
of records; whatever else a field is, uproot reads it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from queue import Queue
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.io.root.index import OddRecordError

if TYPE_CHECKING:
    from hepad.io.root.ntuple_records import Cluster, Column, Field

__all__ = ["CLASS", "NTuple", "open_table"]

CLASS = "ROOT::RNTuple"
_LEAF, _COLLECTION, _RECORD, _VARIANT = 0, 1, 2, 3
_CARDINALITY, _STRING, _NULLABLE = "ROOT::RNTupleCardinality<", "std::string", ("std::optional<", "std::unique_ptr<")
_FLOATING: dict[str, np.dtype[Any]] = {"float": np.dtype("<f4"), "double": np.dtype("<f8")}
_BIT = 0x00
_PLAIN = dict(
    enumerate(
        ["u1", "u1", "i1", "u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<u4", "<i8"], 0x01
    )
)
_SPLIT = dict(enumerate(["<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8", "<u4", "<i8"], 0x11))
"""Types of columns of the specification; the bytes of split ones are sorted by their place in the number."""
_ZIGZAG, _DELTA = {0x11, 0x13, 0x15}, {0x1A, 0x1B}
_INDEX = {0x0E, 0x0F, 0x1A, 0x1B}
_CHECKSUM = 8

_Bytes = npt.NDArray[np.uint8]
_Span = tuple[int, int, int]
"""The number of a cluster, and elements [start, stop) in it."""


class NTuple:
    """An open RNTuple. A field is called by its path, `Jet.pt`; also by other names that it has in trees (`_also`).

    `plain` is uproot's. `odd` is told why, where a field is left to uproot; all are if it is not `lean`.
    """

    words = ("RNTuple", "field")

    def __init__(self, name: str, plain: Any, odd: Callable[[Exception], None], *, lean: bool = True) -> None:
        from hepad.io.root.ntuple_records import read_footer, read_header, read_page_list  # most files have none

        self._plain, self._odd, self._lean = plain, odd, lean
        self.name, self.file = name, plain.file
        path = self.file.file_path  # or a URL, or a stream
        self._path = path if isinstance(path, str) and os.path.isfile(path) else ""  # noqa: PTH113
        schema = read_header(self._envelope("Header"))
        schema, lists = read_footer(self._envelope("Footer"), schema)
        self._fields = schema.fields
        self._columns: dict[int, list[Column]] = {}
        for column in schema.columns:
            self._columns.setdefault(column.field, []).append(column)
        self._clusters: list[Cluster] = [c for link in lists for c in read_page_list(self._inflated(*link))]
        edges = [0, *(cluster.stop for cluster in self._clusters)]
        if any(cluster.start != edge for cluster, edge in zip(self._clusters, edges, strict=False)):
            raise ValueError("clusters that do not follow one another")
        self.entry_offsets, self.num_entries = edges, edges[-1]
        self._chains = _chains(self._fields)
        self._below: dict[int, list[int]] = {}
        for number, field in enumerate(self._fields):
            if field.parent != number:
                self._below.setdefault(field.parent, []).append(number)
        self._names = {also: path for path in self._chains for also in _also(path)}
        self._names.update({path: path for path in self._chains})
        self._last: dict[int, tuple[int, int, Any]] = {}

    def keys(self, recursive: bool = True) -> list[str]:
        """The paths of all fields and their other names, or the names of the fields at the top alone."""
        return list(self._names) if recursive else [path for path, chain in self._chains.items() if len(chain) == 1]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> NField:
        path = self._names[name]
        return NField(self, path, self._fields[self._chains[path][-1]])

    def iterate(
        self,
        keys: Iterable[str],
        *,
        step_size: int,
        entry_start: int = 0,
        entry_stop: int | None = None,
        library: str = "ak",
        how: type = dict,  # noqa: ARG002  as uproot's, for which others are possible
    ) -> Iterator[dict[str, Any]]:
        """Arrays of the fields by the given names, in pieces of `step_size` entries."""
        stop = self._stop(entry_stop)
        for first in range(entry_start, stop, step_size):
            last = min(first + step_size, stop)
            yield self.arrays(keys, entry_start=first, entry_stop=last, library=library)

    def arrays(
        self,
        keys: Iterable[str],
        *,
        entry_start: int = 0,
        entry_stop: int | None = None,
        library: str = "ak",
        how: type = dict,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Arrays of the fields by the given names, of awkward or of numpy."""
        where = (entry_start, self._stop(entry_stop))
        return {key: self[key].array(None, *where, library=library) for key in keys}

    def read(self, path: str, start: int, stop: int) -> ak.Array:
        """The entries [start, stop) of a field by its path."""
        try:
            if not self._lean:
                raise OddRecordError("fields are left to uproot")
            return ak.Array(self._content(self._chains[path], self._spans(start, stop)))
        except OddRecordError as reason:
            self._odd(reason)
            return self._plain[path].array(entry_start=start, entry_stop=stop)

    def place(self, path: str, cluster: int) -> str:
        """The number of a cluster, and where the first page of a field in it is in the file."""
        number = self._chains[path][-1]
        columns = self._columns.get(self._fields[number].source or number, [])
        offsets = [self._clusters[cluster].pages(column.number).offsets for column in columns[:1]]
        first = [int(own[0]) for own in offsets if len(own)]
        return f"cluster {cluster}" + (f" at byte {first[0]}" if first else "")

    def _stop(self, stop: int | None) -> int:
        return self.num_entries if stop is None else min(stop, self.num_entries)

    def _spans(self, start: int, stop: int) -> list[_Span]:
        parts = ((n, max(start, c.start) - c.start, min(stop, c.stop) - c.start) for n, c in enumerate(self._clusters))
        return [span for span in parts if span[1] < span[2]]

    def _content(self, chain: Sequence[int], spans: list[_Span]) -> ak.contents.Content:
        """The layout of the elements of a field that are in the spans; the chain leads from it to that which is asked.

        `OddRecordError` if it is nothing that is read here.
        """
        number, *below = chain
        field = self._fields[number]
        size = sum(stop - start for _, start, stop in spans)
        if field.repetition:
            within = [(c, start * field.repetition, stop * field.repetition) for c, start, stop in spans]
            inner = self._content(below or self._only_below(number), within)
            return ak.contents.RegularArray(inner, field.repetition, zeros_length=size)
        if field.role == _COLLECTION and not field.type.startswith(_NULLABLE):
            offsets, within = self._lists(number, spans)
            inner = self._content(below or self._only_below(number), within)
            return ak.contents.ListOffsetArray(ak.index.Index64(offsets), inner)
        if field.role == _RECORD and below:
            return self._content(below, spans)
        if field.role != _LEAF or below:
            raise OddRecordError(f"a field of type {field.type or 'record'}")
        if field.type == _STRING:
            offsets, within = self._lists(number, spans, texts=True)
            text = self._numbers(self._column(number, place=1, of=2), within)
            letters = ak.contents.NumpyArray(text, parameters={"__array__": "char"})
            return ak.contents.ListOffsetArray(ak.index.Index64(offsets), letters, parameters={"__array__": "string"})
        if field.type.startswith(_CARDINALITY):
            counts = np.diff(self._lists(number, spans)[0])
            return ak.contents.NumpyArray(counts.astype(np.uint32 if "32" in field.type else np.uint64))
        numbers = self._numbers(self._column(number), spans)
        return ak.contents.NumpyArray(numbers.astype(_FLOATING.get(field.type, numbers.dtype), copy=False))

    def _only_below(self, number: int) -> tuple[int]:
        """The one field below a list or array, if that is no record."""
        below = self._below.get(number, [])
        if len(below) != 1 or self._fields[below[0]].role == _RECORD:
            raise OddRecordError(f"a field of type {self._fields[number].type or 'list'}")
        return (below[0],)

    def _column(self, number: int, *, place: int = 0, of: int = 1) -> Column:
        """One column of a field that has so many of them."""
        source = self._fields[number].source
        columns = self._columns.get(number if source is None else source, [])
        if len(columns) != of or columns[place].first:
            raise OddRecordError("columns in several representations, or added while writing")
        return columns[place]

    def _lists(
        self, number: int, spans: list[_Span], *, texts: bool = False
    ) -> tuple[npt.NDArray[np.int64], list[_Span]]:
        """Offsets of lists, from 0, and the elements that they hold."""
        column = self._column(number, of=2 if texts else 1)
        if column.kind not in _INDEX:
            raise OddRecordError(f"lists with counts of type {column.kind:#x}")
        offsets, within, held = [np.zeros(1, dtype=np.int64)], [], 0
        for cluster, start, stop in spans:
            ends = self._elements(column, cluster, max(start - 1, 0), stop).astype(np.int64)
            first = int(ends[0]) if start else 0
            ends = ends[1:] if start else ends
            if first < 0 or ends[0] < first or (ends[1:] < ends[:-1]).any():
                raise ValueError("its counts do not fit its numbers")
            offsets.append(ends - first + held)
            within.append((cluster, first, int(ends[-1])))
            held += int(ends[-1]) - first
        return np.concatenate(offsets), within

    def _numbers(self, column: Column, spans: list[_Span]) -> npt.NDArray[Any]:
        parts = [self._elements(column, *span) for span in spans]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=_dtype(column))

    def _elements(self, column: Column, cluster: int, start: int, stop: int) -> npt.NDArray[Any]:
        """Elements [start, stop) of a column in a cluster; the last page is kept, for what follows may begin in it."""
        if start == stop:
            return np.zeros(0, dtype=_dtype(column))
        pages = self._clusters[cluster].pages(column.number)
        if stop > (pages.ends[-1] if len(pages.ends) else 0):
            raise ValueError("fewer numbers than its counts say")
        first, last = np.searchsorted(pages.ends, [start, stop - 1], side="right").tolist()
        numbers = range(first, last + 1)
        known = self._last.get(column.number, (-1, -1, None))
        wanted = [n for n in numbers if (cluster, n) != known[:2]]
        ranges = [
            (begin, begin + int(pages.sizes[n]) + (_CHECKSUM if pages.checksummed[n] else 0))
            for n in wanted
            for begin in [int(pages.offsets[n])]
        ]
        blocks = dict(zip(wanted, self._blocks(ranges), strict=True))
        parts = []
        for n in numbers:
            begin = int(pages.ends[n - 1]) if n else 0
            count, size = int(pages.ends[n]) - begin, int(pages.sizes[n])
            values = known[2] if n not in blocks else _page(column, blocks[n], count, size, bool(pages.checksummed[n]))
            parts.append(values[max(start - begin, 0) : stop - begin])
            if n == last:
                self._last[column.number] = (cluster, n, values)
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _envelope(self, name: str) -> bytes:
        member = self._plain.member
        return self._inflated(member(f"fSeek{name}"), member(f"fNBytes{name}"), member(f"fLen{name}"))

    def _inflated(self, offset: int, size: int, inflated: int) -> bytes:
        return _inflated(self._blocks([(offset, offset + size)])[0], size, inflated).tobytes()

    def _blocks(self, ranges: list[tuple[int, int]]) -> list[_Bytes]:
        """The bytes [start, stop) of the file; of one on the disk without uproot's threads, which take longer."""
        if not ranges:
            return []
        if not self._path:
            return [_bytes(chunk.raw_data) for chunk in self.file.source.chunks(ranges, Queue())]
        blocks = []
        with open(self._path, "rb", buffering=0) as stream:  # noqa: PTH123
            for start, stop in ranges:
                stream.seek(start)
                blocks.append(_bytes(stream.read(stop - start)))
        return blocks


class NField:
    """A field with the look of a branch of uproot; its baskets are the clusters."""

    def __init__(self, ntuple: NTuple, path: str, field: Field) -> None:
        self._ntuple, self._path = ntuple, path
        self.name, self.title, self.typename = path, field.description, field.type
        self.num_entries, self.entry_offsets = ntuple.num_entries, ntuple.entry_offsets
        self.num_baskets = len(ntuple.entry_offsets) - 1

    def array(
        self,
        interpretation: Any = None,  # noqa: ARG002  as that of a branch
        entry_start: int = 0,
        entry_stop: int | None = None,
        *,
        library: str = "ak",
    ) -> Any:
        """The entries of the field as an array of awkward or of numpy."""
        stop = self.num_entries if entry_stop is None else min(entry_stop, self.num_entries)
        array = self._ntuple.read(self._path, entry_start, max(stop, entry_start))
        return ak.to_numpy(array) if library == "np" else array

    def has_member(self, name: str) -> bool:  # noqa: ARG002  as that of a branch
        """Fields have no members of ROOT's classes of branches."""
        return False

    def basket_entry_start_stop(self, number: int) -> tuple[int, int]:
        """The entries of a cluster."""
        return self.entry_offsets[number], self.entry_offsets[number + 1]

    def place(self, number: int) -> str:
        """Where a cluster is."""
        return self._ntuple.place(self._path, number)


def open_table(directory: Any, name: str) -> Any:
    """A tree of an open file as uproot gives it, or an RNTuple with the look of one."""
    held = directory[name]
    return NTuple(name, held, lambda _: None) if directory.key(name).fClassName == CLASS else held


_DEEPEST = 100
"""Levels of fields within fields: each keeps the way to it."""


def _chains(fields: list[Field]) -> dict[str, tuple[int, ...]]:
    """The numbers of the fields that lead to each, by its path; the first of a path stays."""
    chains: list[tuple[int, ...]] = []
    paths: list[str] = []
    for number, field in enumerate(fields):
        if field.parent == number:
            chains.append((number,))
            paths.append(field.name)
            continue
        above = fields[field.parent]
        nameless = above.role in (_COLLECTION, _VARIANT) or above.repetition > 0 or field.name.startswith(":_")
        if len(chains[field.parent]) > _DEEPEST:
            raise ValueError(f"its fields are more than {_DEEPEST} levels deep")
        chains.append((*chains[field.parent], number))
        paths.append("" if nameless else f"{_path_above(paths, fields, field.parent)}.{field.name}")
    found: dict[str, tuple[int, ...]] = {}
    for path, chain in zip(paths, chains, strict=True):
        found.setdefault(path, chain)
    found.pop("", None)
    return found


def _path_above(paths: list[str], fields: list[Field], number: int) -> str:
    """The path of a field, or of the first above it that has a name."""
    while not paths[number]:
        number = fields[number].parent
    return paths[number]


def _also(path: str) -> Iterator[str]:
    """What the field of a path is called in trees: names of fields have no points, and files join names in many ways.

    `AnalysisJetsAuxDyn:pt` of ATLAS is `AnalysisJetsAuxDyn.pt`; the member `pt` of the records `Jet` in files of CMS is
    `Jet_pt`; `Jet_PT`, as ROOT's own importer can make it of `Jet.PT`, is that again.
    """
    if ":" in path:
        yield path.replace(":", ".")
    if "." in path:
        yield path.replace(".", "_")
    elif "_" in path:
        yield path.replace("_", ".", 1)


def _dtype(column: Column) -> np.dtype[Any]:
    if column.kind == _BIT:
        return np.dtype(np.bool_)
    kind = _PLAIN.get(column.kind) or _SPLIT.get(column.kind)
    if kind is None or np.dtype(kind).itemsize * 8 != column.bits:
        raise OddRecordError(f"numbers of type {column.kind:#x} of {column.bits} bits")
    return np.dtype(kind)


def _page(column: Column, block: _Bytes, count: int, size: int, checksummed: bool) -> npt.NDArray[Any]:
    """The numbers of a page; `ValueError` if its bytes are not those that were written."""
    if checksummed:
        from xxhash import xxh3_64_intdigest

        if xxh3_64_intdigest(block[:size].data) != int.from_bytes(block[size : size + _CHECKSUM].tobytes(), "little"):
            raise ValueError("a checksum does not fit")
    dtype = _dtype(column)
    data = _inflated(block[:size], size, -(-count * column.bits // 8))
    if column.kind == _BIT:
        return np.unpackbits(data, count=count, bitorder="little").view(np.bool_)
    if column.kind not in _SPLIT:
        return data.view(dtype)
    values = np.ascontiguousarray(data.reshape(dtype.itemsize, count).T).view(dtype).reshape(count)
    if column.kind in _ZIGZAG:
        unsigned = values.view(dtype.str.replace("i", "u"))
        values = (unsigned >> 1).view(dtype) ^ -(values & 1)
    return np.cumsum(values, dtype=dtype) if column.kind in _DELTA else values


def _inflated(block: _Bytes, size: int, inflated: int) -> _Bytes:
    """The bytes of a block of the file; they are stored as they are where compressing them did not pay."""
    from uproot.compression import decompress
    from uproot.source.chunk import Chunk
    from uproot.source.cursor import Cursor

    if size < inflated:
        named = SimpleNamespace(file_path="an RNTuple")  # uproot's errors ask for a name; ours put it in front
        block = _bytes(decompress(Chunk.wrap(named, block), Cursor(0), {}, size, inflated).raw_data)
    if len(block) < inflated:
        raise ValueError("fewer bytes than it says")
    return block[:inflated]


def _bytes(data: Any) -> _Bytes:
    return np.frombuffer(memoryview(data), dtype=np.uint8)
