"""Rows of numbers most of which are zero, kept without the zeros until a few rows are needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["SparseRows"]

_Values = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SparseRows(NDArrayOperatorsMixin):
    """A float32 array of shape (n, *tail) that takes the memory of what is not zero in it.

    Row i has the numbers `value` (k,) at the places `place` (k,) in the flattened row, from `offsets[i]` to
    `offsets[i + 1]`; the offsets (n+1,) begin with 0. `rows[i:j]` and `rows[indices]` are plain arrays, of these rows
    alone; `take` keeps them sparse. All else that arrays can do is done by the plain array of all rows.
    """

    offsets: npt.NDArray[np.int64]
    place: npt.NDArray[np.int32]
    value: _Values
    tail: tuple[int, ...]

    dtype = np.dtype(np.float32)

    @classmethod
    def summed(cls, pixel: npt.NDArray[np.int64], energy: npt.NDArray[Any], shape: tuple[int, ...]) -> SparseRows:
        """An array of a shape from numbers and their places in it, flattened; added in double precision, in order."""
        where, inverse = np.unique(pixel, return_inverse=True)
        value = np.bincount(inverse, energy, minlength=len(where)).astype(np.float32)
        where, value = where[value != 0], value[value != 0]
        row, place = np.divmod(where, prod(shape[1:]))
        offsets = np.searchsorted(row, np.arange(shape[0] + 1))
        return cls(offsets, place.astype(np.int32), value, shape[1:])

    @classmethod
    def concatenate(cls, parts: Sequence[SparseRows]) -> SparseRows:
        """The rows of all parts, which have the same tail."""
        counts = np.concatenate([np.diff(part.offsets) for part in parts])
        place, value = (np.concatenate([getattr(part, name) for part in parts]) for name in ("place", "value"))
        return cls(_offsets(counts), place, value, parts[0].tail)

    @classmethod
    def from_columns(cls, columns: dict[str, npt.NDArray[Any]], tail: tuple[int, ...]) -> SparseRows:
        """What `columns` gave, perhaps of several joined one behind the other."""
        return cls(_offsets(columns["count"]), columns["place"], columns["value"], tail)

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Its arrays, each of which can be joined with that of other rows."""
        return {"count": np.diff(self.offsets), "place": self.place, "value": self.value}

    def take(self, rows: npt.NDArray[Any] | slice) -> SparseRows:
        """The rows of indices, a mask or a slice."""
        which = np.arange(len(self))[rows]
        counts = np.diff(self.offsets)[which]
        offsets = _offsets(counts)
        source = np.arange(offsets[-1]) + np.repeat(self.offsets[which] - offsets[:-1], counts)
        return SparseRows(offsets, self.place[source], self.value[source], self.tail)

    def map(self, function: Callable[[_Values], _Values]) -> SparseRows:
        """The rows with a function done to each number; it must leave 0 as it is."""
        return SparseRows(self.offsets, self.place, function(self.value).astype(np.float32), self.tail)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of the array."""
        return (len(self), *self.tail)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 1 + len(self.tail)

    @property
    def nbytes(self) -> int:
        """The memory that it takes."""
        return self.offsets.nbytes + self.place.nbytes + self.value.nbytes

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, key: Any) -> Any:
        first, *others = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice) or (not others and first is not Ellipsis and np.ndim(first) == 1):
            inner = (slice(None), *others)
            return np.asarray(self.take(first))[inner]
        return np.asarray(self)[key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("sparse rows are made plain by a copy")
        plain = np.zeros((len(self), prod(self.tail)), dtype=dtype or self.dtype)
        plain[np.repeat(np.arange(len(self)), np.diff(self.offsets)), self.place] = self.value
        return plain.reshape(self.shape)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **how: Any) -> Any:
        plain = [np.asarray(each) if isinstance(each, SparseRows) else each for each in inputs]
        return getattr(ufunc, method)(*plain, **how)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name in {"offsets", "place", "value", "tail"}:  # of one that is not made yet
            raise AttributeError(name)
        return getattr(np.asarray(self), name)


def _offsets(counts: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
