"""What a vector input learns from background: an affine map of each column."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.inputs.batch import Batch

__all__ = ["Scale"]

_Float = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """An affine map a column, `x * gain + offset`; shapes (d,)."""

    gain: _Float
    offset: _Float

    @classmethod
    def standard(cls, batch: Batch) -> Scale:
        """Mean 0 and standard deviation 1 over the events that have a number; a column of one value goes to 0."""
        gain, offset = np.ones(len(batch.columns)), np.zeros(len(batch.columns))
        for i in range(len(gain)):
            values = batch.x[batch.there[:, i], i].astype(np.float64)
            spread = values.std() if len(values) else 0.0
            gain[i] = 1 / spread if spread > 0 else 1.0
            offset[i] = -values.mean() * gain[i] if len(values) else 0.0
        return cls(gain, offset)

    def of(self, batch: Batch) -> Batch:
        """The scaled batch of a vector of d numbers, 0 where there is padding."""
        there = np.flatnonzero(batch.there)  # most of it may be padding
        column = there % len(self.gain)
        x = np.zeros(batch.x.shape, dtype=np.float32)
        x.reshape(-1)[there] = self.at(column, batch.x.reshape(-1)[there])
        return replace(batch, x=x)

    def at(self, column: Any, values: npt.NDArray[np.float32]) -> _Float:
        """Numbers of the columns that are told, one for each or one for all, scaled."""
        # Told to be float64: of float32 numbers and one scale for all numpy 1 would make float32.
        return np.asarray(np.multiply(values, self.gain[column], dtype=np.float64) + self.offset[column])

    def of_all(self, batch: Batch) -> Batch:
        """The scaled batch, its padding mapped as if it were zeros that are there."""
        return replace(batch, x=(batch.x * self.gain + self.offset).astype(np.float32))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The numbers, for a bundle."""
        return {"gain": self.gain, "offset": self.offset}

    @classmethod
    def from_state(cls, state: Mapping[str, npt.NDArray[Any]], columns: int) -> Scale:
        """What `state` gave; `CardError` if it is not of so many columns."""
        arrays = {name: state.get(name) for name in ("gain", "offset")}
        for name, array in arrays.items():
            if array is None or array.shape != (columns,) or not np.isfinite(array).all():
                raise CardError(f"input scale {name!r} must be {columns} finite numbers")
        return cls(*(np.asarray(array, dtype=np.float64) for array in arrays.values()))
