"""How much of a stranger's file is read."""

from __future__ import annotations

from pathlib import Path

from hepad.errors import InputDataError
from hepad.io.exchange.onnx_file import MAX_BYTES

__all__ = ["Budget", "read_bounded"]


class Budget:
    """Bytes of weights that may still be read: as many as an ONNX file may have."""

    def __init__(self) -> None:
        self._left = MAX_BYTES

    def take(self, size: int, what: str) -> None:
        """`InputDataError` that names `what`, if there are not so many bytes left."""
        self._left -= size
        if self._left < 0:
            raise InputDataError(f"{what[:80]!r}: more than {MAX_BYTES} bytes of weights")


def read_bounded(path: Path) -> bytes:
    """The bytes of a file of at most as many as are accepted."""
    try:
        if not path.is_file():
            raise InputDataError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InputDataError(f"{path} has {size} bytes; up to {MAX_BYTES} are accepted")
        return path.read_bytes()
    except OSError as error:
        raise InputDataError(f"{path} cannot be read ({error.strerror})") from error
