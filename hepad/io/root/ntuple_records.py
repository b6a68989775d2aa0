"""What an RNTuple says of itself: its fields and columns, its clusters, and where their pages are in the file.

The binary format is that of ROOT's specification, version 1.0.0.0 and what that says of later ones
(https://github.com/root-project/root/blob/master/tree/ntuple/doc/BinaryFormatSpecification.md). Records behind the
number of their bytes are stepped over: of thousands of columns only those that are read have their pages looked up.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hepad.io.root.index import OddRecordError

__all__ = ["Cluster", "Column", "Field", "Pages", "Schema", "read_footer", "read_header", "read_page_list"]

_I4, _U4, _I8, _U8 = struct.Struct("<i"), struct.Struct("<I"), struct.Struct("<q"), struct.Struct("<Q")
_FIELD, _COLUMN = struct.Struct("<IIIHH"), struct.Struct("<HHIHH")
_GROUP, _LOCATOR, _SUMMARY = struct.Struct("<QQI"), struct.Struct("<iQ"), struct.Struct("<QQ")
_HEADER, _FOOTER, _PAGE_LIST = 1, 2, 3
_REPETITIVE, _PROJECTED, _DEFERRED = 1, 2, 1
_PAGE = np.dtype([("elements", "<i4"), ("size", "<i4"), ("offset", "<u8")])
_ENTRIES = (1 << 56) - 1
_SHARDED = 1
_CHECKSUM = 8


class Field(NamedTuple):  # there are thousands, and these are made faster than dataclasses
    """A field; `parent` is its own number at the top, `source` that of the field whose columns it has, if others'."""

    name: str
    type: str
    description: str
    parent: int
    role: int
    repetition: int
    source: int | None


class Column(NamedTuple):
    """A column of a field: the type of its elements, their bits, and the first element that is stored."""

    number: int
    kind: int
    bits: int
    field: int
    representation: int
    first: int


@dataclass(frozen=True)
class Schema:
    """All fields and columns, by their numbers."""

    fields: list[Field]
    columns: list[Column]


@dataclass(frozen=True)
class Pages:
    """The pages of a column in a cluster: where each ends among its elements, and its bytes; all of shape (pages,)."""

    ends: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    checksummed: npt.NDArray[np.bool_]


class Cluster:
    """Entries [start, stop) and the pages of their columns, which are looked up when they are asked for."""

    def __init__(self, start: int, stop: int, data: bytes, at: int) -> None:
        self.start, self.stop = start, stop
        self._data, self._at = data, at
        self._places: list[int] | None = None

    def pages(self, column: int) -> Pages:
        """The pages of a column, by its number; `OddRecordError` if its numbers are in another representation."""
        if self._places is None:
            self._places = list(_Reader(self._data, self._at).frames())
        if column >= len(self._places):
            raise OddRecordError("a column that the cluster has not")
        reader = _Reader(self._data, self._places[column])
        count = reader.list_head()
        table = np.frombuffer(self._data, _PAGE, count, reader.at)
        reader.at += count * _PAGE.itemsize
        if (table["size"] < 0).any() or reader.take(_I8) < 0:
            raise OddRecordError("pages of more than 2 GiB, or a suppressed column")
        elements = table["elements"].astype(np.int64)
        sizes, offsets = (table[name].astype(np.int64) for name in ("size", "offset"))
        return Pages(np.cumsum(np.abs(elements)), sizes, offsets, elements < 0)


class _Reader:
    """Numbers and texts of an envelope, one after the other."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, layout: struct.Struct) -> Any:
        """The next number."""
        return self.several(layout)[0]

    def several(self, layout: struct.Struct) -> tuple[Any, ...]:
        """The next numbers."""
        values = layout.unpack_from(self.data, self.at)
        self.at += layout.size
        return values

    def text(self) -> str:
        """The next text."""
        size = self.take(_U4)
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def list_head(self) -> int:
        """The number of items of a list that begins here."""
        if self.take(_I8) >= 0:
            raise ValueError("no list where one should begin")
        return int(self.take(_U4))

    def frames(self) -> list[int]:
        """Where the items of a list, records or lists themselves, begin; the reader is behind it then."""
        begin, data, unpack = self.at, self.data, _I8.unpack_from
        (size,) = unpack(data, begin)
        places, count = [], self.list_head()
        at = self.at
        for _ in range(count):
            places.append(at)
            own = abs(unpack(data, at)[0])
            if own < _I8.size:
                raise ValueError("a record without bytes")
            at += own
        if at > begin - size:
            raise ValueError("a list longer than it says")
        self.at = begin - size
        return places

    def records(self) -> list[int]:
        """Where the content of a list's records begins."""
        return [place + _I8.size for place in self.frames()]


def _opened(data: bytes, kind: int) -> _Reader:
    """An envelope behind its head; `ValueError` if its bytes are not those that were written."""
    from xxhash import xxh3_64_intdigest

    reader = _Reader(data)
    if len(data) < 2 * _CHECKSUM or xxh3_64_intdigest(data[:-_CHECKSUM]) != _U8.unpack(data[-_CHECKSUM:])[0]:
        raise ValueError("a checksum does not fit")
    if reader.take(_U8) & 0xFFFF != kind:
        raise ValueError("an envelope of another kind")
    return reader


def _features(reader: _Reader) -> None:
    if reader.take(_I8):
        raise OddRecordError("features of RNTuple that are not known")


def _fields_and_columns(reader: _Reader, known: Schema) -> Schema:
    """Those that are known and what follows: fields, columns, aliases of these and types, of which the last two go."""
    data = reader.data
    fields = [*known.fields, *(_field(data, at) for at in reader.records())]
    columns = [*known.columns, *(_column(data, at, n) for n, at in enumerate(reader.records(), len(known.columns)))]
    reader.frames()
    reader.frames()
    for number, field in enumerate(fields):
        if field.parent > number or (field.source or 0) >= len(fields):
            raise ValueError("a field below one that is not there")
    return Schema(fields, columns)


def _field(data: bytes, at: int) -> Field:
    _, _, parent, role, flags = _FIELD.unpack_from(data, at)
    at += _FIELD.size
    texts = []
    for _ in range(4):  # its name, type, another name of the type, description
        begin = at + _U4.size
        at = begin + _U4.unpack_from(data, at)[0]
        texts.append(data[begin:at])
    repetition = 0
    if flags & _REPETITIVE:
        (repetition,) = _U8.unpack_from(data, at)
        at += _U8.size
    source = _U4.unpack_from(data, at)[0] if flags & _PROJECTED else None
    return Field(texts[0].decode(), texts[1].decode(), texts[3].decode(), parent, role, repetition, source)


def _column(data: bytes, at: int, number: int) -> Column:
    kind, bits, field, flags, representation = _COLUMN.unpack_from(data, at)
    first = _I8.unpack_from(data, at + _COLUMN.size)[0] if flags & _DEFERRED else 0
    return Column(number, kind, bits, field, representation, first)


def read_header(data: bytes) -> Schema:
    """The fields and columns that the header names."""
    reader = _opened(data, _HEADER)
    _features(reader)
    for _ in range(3):  # its name, its description and who wrote it
        reader.text()
    return _fields_and_columns(reader, Schema([], []))


def read_footer(data: bytes, known: Schema) -> tuple[Schema, list[tuple[int, int, int]]]:
    """The fields and columns with those that were added while writing; the page lists: (offset, size, inflated)."""
    reader = _opened(data, _FOOTER)
    _features(reader)
    reader.take(_U8)
    begin = reader.at
    size = reader.take(_I8)
    schema = _fields_and_columns(reader, known)
    reader.at = begin + size
    links = []
    for at in reader.records():
        group = _Reader(data, at)
        group.several(_GROUP)
        inflated = group.take(_U8)
        stored, offset = group.several(_LOCATOR)
        if stored < 0:
            raise OddRecordError("a page list elsewhere")
        links.append((offset, stored, inflated))
    return schema, links


def read_page_list(data: bytes) -> list[Cluster]:
    """The clusters of a page list."""
    reader = _opened(data, _PAGE_LIST)
    reader.take(_U8)
    spans = []
    for at in reader.records():
        start, entries = _Reader(data, at).several(_SUMMARY)
        if entries >> 56 & _SHARDED:
            raise OddRecordError("sharded clusters")
        spans.append((start, start + (entries & _ENTRIES)))
    return [Cluster(*span, data, at) for span, at in zip(spans, reader.frames(), strict=True)]
