"""Text files of generators, plain or compressed with gzip, bzip2 or xz; told by content, not by name."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from hepad.errors import InputDataError
from hepad.paths import InputPath

__all__ = ["MAX_LINE", "damage_as_input_error", "first_line", "head", "open_text", "text_lines"]

MAX_LINE = 1 << 24
"""Longest line in bytes: a small compressed file can hold one that fills the memory."""

_OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


def open_text(path: InputPath) -> IO[bytes]:
    """Open a file for reading its bytes, decompressed if need be."""
    with path.open("rb") as stream:
        magic = stream.read(6)
    for start, opener in _OPENERS.items():
        if magic.startswith(start):
            return opener(path if isinstance(path, Path) else path.open("rb"), "rb")  # type: ignore[no-any-return]
    return path.open("rb")


def text_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """The lines of a stream in bounded memory; `ValueError` for one longer than `MAX_LINE`."""
    while line := stream.readline(MAX_LINE):
        if len(line) == MAX_LINE and not line.endswith(b"\n"):
            raise ValueError(f"a line is longer than {MAX_LINE} bytes")
        yield line


def first_line(error: Exception) -> str:
    """What an error of a library says, on one line of bounded length."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def head(path: InputPath, size: int = 1024) -> bytes:
    """The first bytes of the text; what there is of them if the file is damaged."""
    try:
        with open_text(path) as stream:
            return stream.read(size)
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        return b""


@contextmanager
def damage_as_input_error(path: InputPath) -> Iterator[None]:
    """Turn the errors of a truncated or damaged text, or of its compression, into `InputDataError`."""
    try:
        yield
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise InputDataError(f"{path}: damaged or truncated ({error}); copy it again") from error
