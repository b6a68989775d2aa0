"""ROOT files with the same bytes for the same content, as ROOT itself writes with its option `reproducible`.

uproot writes the time, a random UUID and the file's name. Here the time is 1995-01-01 00:00, the earliest that ROOT's
format knows, the UUID is made of the content (it tells files apart in caches), and the name is uproot's for a stream.

What is written is packed by LZ4, which takes a fifth of zlib's time, and a sixth to read, and by zlib what LZ4 makes no
smaller (scores of which none is missing): either has a checksum in ROOT's format, which numbers as they are have not.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from hepad.provenance import sha256_file

__all__ = ["recreate"]

_Packed = TypeVar("_Packed")

_HEAD = 4096
"""The UUID stands in the file's header and in that of its directory, which come first."""
_REMEMBERED = 1 << 23
"""Bytes of baskets, before they are packed, whose packed form is kept."""
_MOST = 64
"""Of so many baskets at most: each that is new is compared with all of them."""


@contextmanager
def recreate(path: Path) -> Iterator[Any]:
    """Like `uproot.recreate`, for a block that writes everything."""
    import uproot

    placeholder = uuid.uuid4()
    with (
        path.open("w+b") as stream,
        _clock_stopped(),
        uproot.recreate(stream, compression=_lz4_or_zlib(), uuid_function=lambda: placeholder) as file,
    ):
        yield file
    _name_by_content(path, placeholder.bytes)


def _name_by_content(path: Path, placeholder: bytes) -> None:
    """Put the first half of the content's sha256, taken without it, where the placeholder stands."""
    with path.open("r+b") as stream:
        head = stream.read(_HEAD)
        stream.seek(0)
        stream.write(head.replace(placeholder, bytes(16)))
        stream.flush()
        name = bytes.fromhex(sha256_file(path))[:16]
        stream.seek(0)
        stream.write(head.replace(placeholder, name))


def _lz4_or_zlib() -> Any:
    """A compression of uproot's, which says itself of each block what it is: ROOT asks the block."""
    from uproot.compression import LZ4, ZLIB, Compression
    from xxhash import xxh64_digest

    lz4, zlib = LZ4(1), ZLIB(1)

    def packed(data: Any) -> tuple[type[Compression], bytes]:
        block = bytes(lz4.compress(data))
        block = xxh64_digest(block) + block  # as uproot does it for its own LZ4 alone
        return (LZ4, block) if len(block) < len(data) else (ZLIB, zlib.compress(data))

    once = each_once(packed)

    class Either(Compression):  # type: ignore[misc]
        level, code_pair = lz4.level, lz4.code_pair
        _2byte: bytes
        _method: bytes

        def __init__(self) -> None:
            """The level is that of LZ4."""

        def compress(self, data: Any) -> bytes:
            kind, block = once(data)
            self._2byte, self._method = kind._2byte, kind._method  # noqa: SLF001  what uproot writes before the block
            return block

    return Either()


def each_once(pack: Callable[[Any], _Packed]) -> Callable[[Any], _Packed]:
    """The same function, which packs what it has packed lately no second time.

    Half of what a table of scores takes to pack are columns that are equal to one another, or to what they were before.
    """
    recent: list[tuple[bytes, _Packed]] = []
    kept = 0

    def once(data: Any) -> _Packed:
        nonlocal kept
        if not isinstance(data, bytes):  # pages of RNTuples are numpy's
            return pack(data)
        # Comparing ends at the first difference; a hash would read all.
        known = next((pair for pair in recent if pair[0] == data), None)
        if known is None:
            known = (data, pack(data))
            kept += len(data)
        else:
            recent.remove(known)
        recent.append(known)
        while kept > _REMEMBERED or len(recent) > _MOST:
            kept -= len(recent.pop(0)[0])
        return known[1]

    return once


class _Stopped(dt.datetime):
    """A clock that always shows the same time."""

    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
        return dt.datetime(1995, 1, 1, tzinfo=tz)


@contextmanager
def _clock_stopped() -> Iterator[None]:
    """Give the modules of uproot that ask for the time one that stands still; it has no option for this."""
    from uproot.writing import _cascade, _cascadentuple, _cascadetree, writable

    stopped = ModuleType("datetime")
    vars(stopped).update(vars(dt), datetime=_Stopped)
    modules = [module for module in (_cascade, _cascadentuple, _cascadetree, writable) if hasattr(module, "datetime")]
    for module in modules:
        module.datetime = stopped
    try:
        yield
    finally:
        for module in modules:
            module.datetime = dt
