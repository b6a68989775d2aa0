"""Text files of generators, plain or compressed with gzip, bzip2 or xz, told by content not name; lists of files."""

from __future__ import annotations

import bz2
import io
import logging
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from hepad.errors import InputDataError, UsageError
from hepad.paths import InputPath

__all__ = ["MAX_LINE", "check_regular", "damage_as_input_error", "first_line", "head", "listed_names", "open_text"]

_log = logging.getLogger(__name__)

MAX_LINE = 1 << 24
"""Longest line in bytes: a small compressed file can hold one that fills the memory."""

_PIECE = 1 << 18
_DECOMPRESSORS: dict[bytes, Callable[[], Any]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),  # with gzip's header, checksum and length
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lzma.LZMADecompressor,
}


class _Decompressed(io.RawIOBase):
    """The text of a compressed file of any number of members; what follows the last one is left out with a warning.

    So do gzip(1), bzip2(1) and the C++ libraries; Python's `gzip` refuses it.
    """

    def __init__(self, stream: IO[bytes], magic: bytes, name: str) -> None:
        self._stream, self._magic, self._name = stream, magic, name
        self._new = _DECOMPRESSORS[magic]
        self._member = self._new()
        self._input = b""
        self._most = 1 << 12  # the first pieces are short: the start of a damaged file tells what it is

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._stream.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        """Some bytes, 0 at the end; `EOFError` if the file is cut off."""
        while not self._member.eof or self._next_member():
            if not self._input and getattr(self._member, "needs_input", True):
                self._input = self._stream.read(_PIECE)
                if not self._input:
                    raise EOFError("the compressed data end too early")
            text = self._member.decompress(self._input, min(len(buffer), self._most))
            self._most *= 2
            self._input = getattr(self._member, "unconsumed_tail", b"")  # the others keep what they have not used
            if text:
                buffer[: len(text)] = text
                return len(text)
        return 0

    def _next_member(self) -> bool:
        rest = self._member.unused_data
        self._input = b""
        while not (rest := rest.lstrip(b"\0")):  # zeros fill up a block
            rest = self._stream.read(_PIECE)
            if not rest:
                return False
        rest += self._stream.read(len(self._magic)) if len(rest) < len(self._magic) else b""
        if not rest.startswith(self._magic):
            _warn_once(f"{self._name}: bytes that are not compressed follow the compressed data; they are left out")
            return False
        self._member, self._input = self._new(), rest
        return True


@lru_cache(maxsize=256)
def _warn_once(message: str) -> None:
    """A file is read more than once, and nobody wants to hear of it as often."""
    _log.warning(message)


def open_text(path: InputPath) -> IO[bytes]:
    """Open a file for reading its bytes, decompressed if need be."""
    stream = path.open("rb")
    start = stream.read(6)
    stream.seek(0)
    for magic in _DECOMPRESSORS:
        if start.startswith(magic):
            return io.BufferedReader(_Decompressed(stream, magic, str(path)), _PIECE)
    return stream


def check_regular(path: InputPath) -> None:
    """Refuse what is there but is no file, such as a pipe, which would be waited for and cannot be read twice."""
    if isinstance(path, Path) and path.exists() and not path.is_file():
        raise InputDataError(f"{path} is no regular file; write what it gives to a file and give that")


def first_line(error: Exception) -> str:
    """What an error of a library says, on one line of bounded length."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def head(path: InputPath, size: int = 1 << 16) -> bytes:
    """The first bytes of the text; what there is of them if the file is damaged."""
    text = b""
    with suppress(OSError, EOFError, zlib.error, lzma.LZMAError), open_text(path) as stream:
        while len(text) < size and (piece := stream.read(1024)):
            text += piece
    return text


def listed_names(names: Sequence[str]) -> list[str]:
    """The names of files, with those that come from stdin in place of `-`, one a line.

    Empty lines and those that begin with # are left out. `UsageError` if stdin is asked for and closed.
    """
    found: list[str] = []
    for name in names:
        if name != "-":
            found.append(name)
        elif sys.stdin is None:
            raise UsageError("'-' reads file names from stdin, which is closed")
        else:
            found += [line for text in sys.stdin if not (line := text.strip()).startswith("#")]
    return [name for name in found if name]


@contextmanager
def damage_as_input_error(path: InputPath) -> Iterator[None]:
    """Turn the errors of a truncated or damaged text, or of its compression, into `InputDataError`."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputDataError(f"{path}: damaged or truncated ({error}); copy it again") from error
