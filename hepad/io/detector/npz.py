"""Arrays of numbers in numpy's .npz, a part at a time and without unpickling anything."""

from __future__ import annotations

import zipfile
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.text import first_line
from hepad.paths import InputPath

__all__ = ["ArrayReader", "NpzFile"]

_SKIPPED = 1 << 20


class NpzFile:
    """An open .npz; what is damaged, missing or of another shape or type is an `InputDataError` with the array's name.

    `told` is what the file is taken for: "detector images".
    """

    def __init__(self, path: InputPath) -> None:
        self.path, self.told = path, "numbers"
        self._stream = path.open("rb")
        try:
            self._archive = zipfile.ZipFile(self._stream)
            self._members = {info.filename.removesuffix(".npy"): info for info in self._archive.infolist()}
        except Exception as error:  # a damaged directory surfaces as many kinds of error
            self._stream.close()
            raise self.damaged(error) from error
        self.names = tuple(self._members)

    def header(
        self, name: str, tails: set[tuple[int | None, ...]], kinds: str = "f"
    ) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Shape and type of an array; its rows have one of the shapes `tails`, where None is any number, and are of one
        of numpy's `kinds` of numbers.
        """
        if name not in self._members:
            raise InputDataError(f"{self.path}: no array {name!r} (arrays in it: {', '.join(self.names) or 'none'})")
        try:
            with self._archive.open(self._members[name]) as stream:
                shape, fortran, dtype = _read_header(stream)
                size = stream.tell() + prod(shape) * dtype.itemsize
        except Exception as error:  # the bytes may be anything
            raise self.damaged(error, name) from error
        fits = bool(shape) and any(_fits(shape[1:], tail) for tail in tails)
        if not fits or fortran or dtype.kind not in kinds:
            wanted = " or ".join(sorted(_spelled(tail) for tail in tails))
            order = " in Fortran's order" if fortran else ""
            what = "floating-point" if kinds == "f" else "whole"
            raise InputDataError(
                f"{self.path}: array {name!r} is {dtype} {shape}{order}; {self.told} have {what} {wanted}"
            )
        if self._members[name].file_size != size:
            stored = self._members[name].file_size
            raise InputDataError(f"{self.path}: array {name!r} has {stored} of {size} bytes; copy the file again")
        return shape, dtype

    def rows(self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ArrayReader:
        """The rows of an array of which `header` gave shape and type."""
        return ArrayReader(self, name, shape, dtype)

    def opened(self, name: str) -> Any:
        """The bytes of an array, from behind its header on."""
        stream = self._archive.open(self._members[name])
        _read_header(stream)
        return stream

    def close(self) -> None:
        """Close the file."""
        self._archive.close()
        self._stream.close()

    def damaged(self, error: Exception, name: str = "") -> InputDataError:
        """What to raise for an array that cannot be read."""
        of_it = f"array {name!r} cannot be read, " if name else ""
        return InputDataError(f"{self.path}: {of_it}damaged or truncated .npz ({first_line(error)}); copy it again")


class ArrayReader:
    """Rows of an array in a .npz, in any order; read in rising order it is unpacked once."""

    def __init__(self, file: NpzFile, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._file, self._name, self._shape, self._dtype = file, name, shape, dtype
        self._stream: Any = None
        self._place = 0

    def read(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Rows [start, stop)."""
        row = prod(self._shape[1:]) * self._dtype.itemsize
        try:
            if self._stream is None or start < self._place:
                self.close()
                self._stream, self._place = self._file.opened(self._name), 0
            _skip(self._stream, row * (start - self._place))
            data = self._stream.read(row * (stop - start))
            if len(data) != row * (stop - start):
                raise EOFError("the data end too early")
        except Exception as error:
            self.close()
            raise self._file.damaged(error, self._name) from error
        self._place = stop
        return np.frombuffer(data, dtype=self._dtype).reshape(stop - start, *self._shape[1:])

    def close(self) -> None:
        """Forget where it is."""
        if self._stream is not None:
            self._stream.close()
        self._stream = None


def _fits(shape: tuple[int, ...], tail: tuple[int | None, ...]) -> bool:
    return len(shape) == len(tail) and all(b in (None, a) for a, b in zip(shape, tail, strict=True))


def _spelled(tail: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("n" if length is None else str(length) for length in ("N", *tail)) + ")"


def _read_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether Fortran's order, and type of an array whose bytes follow."""
    version = np.lib.format.read_magic(stream)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in read:
        raise ValueError(f"version {version} of numpy's format")
    shape, fortran, dtype = read[version](stream)
    return shape, fortran, dtype


def _skip(stream: Any, size: int) -> None:
    while size:
        done = len(stream.read(min(size, _SKIPPED)))
        if not done:
            raise EOFError("the data end too early")
        size -= done
