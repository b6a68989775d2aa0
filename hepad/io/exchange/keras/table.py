"""A table of LevelDB, which TensorFlow keeps the names of variables in.

Format: https://github.com/google/leveldb/blob/main/doc/table_format.md, blocks plain or packed by snappy
(https://github.com/google/snappy/blob/main/format_description.txt).
"""

from __future__ import annotations

from collections.abc import Iterator

from hepad.errors import InputDataError
from hepad.io.exchange.keras.checksum import crc32c, unmasked
from hepad.io.exchange.keras.wire import varint

__all__ = ["MAX_BLOCK", "read_table"]

MAX_BLOCK = 64 << 20
"""Largest block, unpacked."""
_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_PLAIN, _SNAPPY = 0, 1


def read_table(data: bytes) -> dict[bytes, bytes]:
    """All keys and values; `InputDataError` if it is no table, is cut off, or a checksum is not its block's."""
    if len(data) < _FOOTER or int.from_bytes(data[-8:], "little") != _MAGIC:
        raise InputDataError("not a complete table of variables: its end is missing")
    footer = data[-_FOOTER:]
    _, place = varint(footer, 0)
    _, place = varint(footer, place)
    entries: dict[bytes, bytes] = {}
    packed = 0
    for _, handle in _entries(_block(data, footer[place:])):
        block = _block(data, handle)
        for key, value in _entries(block):
            packed += len(key) + len(value) + 1
            if packed > MAX_BLOCK:
                raise InputDataError(f"more than {MAX_BLOCK} bytes of names of variables")
            entries[key] = value
    return entries


def _block(data: bytes, handle: bytes) -> bytes:
    """The content of a block, from its place and size."""
    start, place = varint(handle, 0)
    size, _ = varint(handle, place)
    end = start + size
    if end + _TRAILER > len(data) - _FOOTER:
        raise InputDataError("a block of the table of variables is beyond its end: the file is damaged")
    kind = data[end]
    if unmasked(int.from_bytes(data[end + 1 : end + 5], "little")) != crc32c(data[start : end + 1]):
        raise InputDataError("a checksum of the table of variables is wrong: the file is damaged")
    if kind not in {_PLAIN, _SNAPPY}:
        raise InputDataError(f"the table of variables is packed by method {kind}, which hepad does not know")
    return data[start:end] if kind == _PLAIN else _unpacked(data[start:end])


def _entries(block: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Keys, each of which shares its start with the one before, and values; the block ends with places to start at."""
    restarts = int.from_bytes(block[-4:], "little")
    end = len(block) - 4 - 4 * restarts
    if len(block) < 4 or end < 0:
        raise InputDataError("a block of the table of variables is damaged")
    key, place = b"", 0
    while place < end:
        shared, place = varint(block, place)
        own, place = varint(block, place)
        size, place = varint(block, place)
        if shared > len(key) or place + own + size > end:
            raise InputDataError("a block of the table of variables is damaged")
        key = key[:shared] + block[place : place + own]
        place += own
        yield key, block[place : place + size]
        place += size


def _unpacked(data: bytes) -> bytes:
    """What snappy packed."""
    size, place = varint(data, 0)
    if size > MAX_BLOCK:
        raise InputDataError(f"a packed block of {size} bytes, more than {MAX_BLOCK}")
    out = bytearray()
    while place < len(data) and len(out) <= size:
        tag = data[place]
        kind, place = tag & 3, place + 1
        if kind == 0:  # bytes as they are
            length = (tag >> 2) + 1
            if length > 60:
                extra = length - 60
                length, place = int.from_bytes(data[place : place + extra], "little") + 1, place + extra
            out += data[place : place + length]
            place += length
            continue
        if kind == 1:  # a copy of what was unpacked before
            length, extra = ((tag >> 2) & 7) + 4, 1
            offset = (tag >> 5) << 8
        else:
            length, extra, offset = (tag >> 2) + 1, 2 * (kind - 1), 0
        offset |= int.from_bytes(data[place : place + extra], "little")
        place += extra
        if not 0 < offset <= len(out):
            break
        start = len(out) - offset
        repeated = bytes(out[start:]) * (length // offset + 1)
        out += repeated[:length]
    if len(out) != size or place != len(data):
        raise InputDataError("a packed block of the table of variables is damaged")
    return bytes(out)
