"""What readers ask of the path of an input file, be it on a disk (`pathlib.Path`) or on a server (`RemotePath`)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import IO, Literal, Protocol

__all__ = ["InputPath"]


class _Status(Protocol):
    @property
    def st_size(self) -> int:
        """Bytes in the file."""
        ...

    @property
    def st_mtime_ns(self) -> int:
        """Time of the last change in ns; 0 if a server does not say."""
        ...


class InputPath(Protocol):
    """The part of `pathlib.Path` that inputs need; paths can be pickled and hashed, and `str` is fit to be shown."""

    @property
    def name(self) -> str:
        """The last segment."""
        ...

    @property
    def stem(self) -> str:
        """The last segment without its ending."""
        ...

    @property
    def suffix(self) -> str:
        """The ending of the last segment, with its dot."""
        ...

    def resolve(self) -> Hashable:
        """What is equal for two ways to write the same path."""
        ...

    def stat(self) -> _Status:
        """The size of the file and the time of its last change."""
        ...

    def open(self, mode: Literal["rb"], /) -> IO[bytes]:
        """The bytes of the file, as a stream that can seek."""
        ...

    def __hash__(self) -> int: ...
