"""Damage to the bytes of a file, as tests and `benchmarks/fuzz.py` do it to real files.

A mutation is a list of edits. Whether a format can notice one is told from the undamaged file: `covered` finds the
bytes whose change a checksum of the format shows.
"""

from __future__ import annotations

import lzma
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import xxhash

__all__ = ["Mutation", "covered", "random_mutation", "structure", "text_mutation", "truncations"]

Intervals = list[tuple[int, int]]

_BLOCK = re.compile(rb"ZL\x08|XZ\x00|L4\x01")  # root.cern/doc/master/classROOT_1_1Internal_1_1RZip.html
_HEADER = 9
_NUMBERS = (b"nan", b"inf", b"-inf", b"-1", b"1e999", b"1e-400", b"0", b"1" * 400, b"---", b"", b"x", b"\xff", b"\0")
_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?")


@dataclass(frozen=True)
class Mutation:
    """Edits (start, stop, bytes that go there instead), from the end of the file to its beginning."""

    kind: str
    edits: tuple[tuple[int, int, bytes], ...]

    def apply(self, data: bytes) -> bytes:
        """The damaged bytes."""
        for start, stop, new in self.edits:
            data = data[:start] + new + data[stop:]
        return data

    def hits(self, data: bytes, intervals: Intervals) -> bool:
        """Does a byte that changes or goes lie in one of the intervals? Bytes put between two others do not."""
        for start, stop, new in self.edits:
            for place in range(start, stop):
                old = data[place : place + 1]
                if new[place - start : place - start + 1] != old and any(a <= place < b for a, b in intervals):
                    return True
        return False

    def __str__(self) -> str:
        shown = ", ".join(f"{a}:{b} -> {len(new)} bytes {new[:8].hex()}" for a, b, new in self.edits)
        return f"{self.kind} {shown}"


def truncations(data: bytes) -> Iterator[Mutation]:
    """The file cut at every 1 % of its length, and one byte short."""
    for percent in range(100):
        yield Mutation("truncated", ((len(data) * percent // 100, len(data), b""),))
    yield Mutation("truncated", ((len(data) - 1, len(data), b""),))


def random_mutation(random: Random, data: bytes, favoured: Intervals = ()) -> Mutation:  # type: ignore[assignment]
    """One of seven kinds of damage at a random place, in half of the cases within the `favoured` intervals."""
    place = _place(random, data, favoured)
    kind = random.choices(
        ["bit", "bits", "byte", "bytes", "zeros", "removed", "inserted"], weights=[8, 2, 4, 3, 2, 1, 1]
    )[0]
    if kind == "bit":
        return Mutation(kind, ((place, place + 1, bytes([data[place] ^ (1 << random.randrange(8))])),))
    if kind == "bits":
        places = sorted({_place(random, data, favoured) for _ in range(random.randint(2, 20))}, reverse=True)
        return Mutation(kind, tuple((p, p + 1, bytes([data[p] ^ (1 << random.randrange(8))])) for p in places))
    if kind == "byte":
        return Mutation(kind, ((place, place + 1, bytes([random.choice([0, 1, 0x7F, 0x80, 0xFF])])),))
    length = min(random.choice([2, 4, 8, 64, 512]), len(data) - place)
    if kind == "bytes":
        return Mutation(kind, ((place, place + length, random.randbytes(length)),))
    if kind == "zeros":
        return Mutation(kind, ((place, place + length, bytes(length)),))
    if kind == "removed":
        return Mutation(kind, ((place, place + length, b""),))
    return Mutation(kind, ((place, place, random.randbytes(length)),))


def text_mutation(random: Random, data: bytes) -> Mutation:
    """A number replaced by another thing, or a line dropped, doubled or moved."""
    kind = random.choice(["number", "number", "number", "line dropped", "line doubled", "lines swapped"])
    if kind == "number":
        found = list(_NUMBER.finditer(data))
        if found:
            match = random.choice(found)
            return Mutation(kind, ((*match.span(), random.choice(_NUMBERS)),))
    lines = list(re.finditer(rb"[^\n]*\n?", data))
    first, second = sorted(random.sample(lines, 2), key=lambda m: m.start()) if len(lines) > 1 else (lines[0], lines[0])
    if kind == "line dropped":
        return Mutation(kind, ((*first.span(), b""),))
    if kind == "lines swapped" and first is not second:
        return Mutation(kind, ((*second.span(), first[0]), (*first.span(), second[0])))
    return Mutation("line doubled", ((first.start(), first.start(), first[0]),))


def covered(data: bytes) -> Intervals:
    """The bytes that a checksum of the format covers: compressed blocks in ROOT files, gzip members, HDF5's chunks.

    Blocks of zlib have an Adler-32, of xz a CRC, of LZ4 an xxHash in ROOT; Zstandard has none there, nor have baskets
    that are not compressed, nor the headers of keys.
    """
    if data.startswith(b"root"):
        return list(_root_blocks(data))
    if data.startswith(b"\x1f\x8b"):
        return [(_gzip_header(data), len(data))]
    if data.startswith(b"\x89HDF"):
        return list(_zlib_streams(data))
    return []


def structure(data: bytes, intervals: Intervals) -> Intervals:
    """What lies between the intervals."""
    ends = [0, *(end for _, end in sorted(intervals))]
    starts = [*(start for start, _ in sorted(intervals)), len(data)]
    return [(a, b) for a, b in zip(ends, starts, strict=True) if b > a]


def _place(random: Random, data: bytes, favoured: Intervals) -> int:
    if favoured and random.random() < 0.5:
        sizes = [b - a for a, b in favoured]
        start, stop = random.choices(favoured, weights=sizes)[0]
        return random.randrange(start, stop)
    return random.randrange(len(data))


def _root_blocks(data: bytes) -> Iterator[tuple[int, int]]:
    place = 0
    while match := _BLOCK.search(data, place):
        start = match.start() + _HEADER
        packed, size = (int.from_bytes(data[match.start() + i : match.start() + i + 3], "little") for i in (3, 6))
        block = data[start : start + packed]
        if _is_block(match[0], block, size):
            yield start, start + packed
            place = start + packed
        else:
            place = match.end()


def _is_block(magic: bytes, block: bytes, size: int) -> bool:
    try:
        if magic == b"L4\x01":
            return len(block) > 8 and xxhash.xxh64(block[8:]).intdigest() == int.from_bytes(block[:8], "big")
        return len(zlib.decompress(block) if magic == b"ZL\x08" else lzma.decompress(block)) == size
    except (zlib.error, lzma.LZMAError):
        return False


def _gzip_header(data: bytes) -> int:
    """The length of a gzip header: ten bytes, and a name where a flag says so."""
    return data.index(b"\x00", 10) + 1 if data[3] & 8 else 10


def _zlib_streams(data: bytes) -> Iterator[tuple[int, int]]:
    place = 0
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", data):
        if match.start() < place:
            continue
        stream = zlib.decompressobj()
        try:
            size = len(stream.decompress(data[match.start() :]))
        except zlib.error:
            continue
        if stream.eof and size > 1000:
            place = len(data) - len(stream.unused_data)
            yield match.start(), place
