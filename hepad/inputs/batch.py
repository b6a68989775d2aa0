"""What a network sees: numpy arrays with named columns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Events as rows of numbers.

    `x` is float32 of shape (n, d), in the units that the input kind states; `columns` names its d columns;
    `mask` is bool of shape (n, d), False where a column is padding; `weight` is float64 of shape (n,).
    """

    kind: str
    columns: tuple[str, ...]
    x: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.weight), len(self.columns))
        if self.x.shape != shape or self.mask.shape != shape:
            raise ValueError(f"x {self.x.shape} and mask {self.mask.shape} must both have shape {shape}")

    def __len__(self) -> int:
        return len(self.weight)

    def take(self, rows: npt.NDArray[Any] | slice) -> Batch:
        """The batch of the given rows (indices, a mask or a slice)."""
        return Batch(self.kind, self.columns, self.x[rows], self.mask[rows], self.weight[rows])

    @staticmethod
    def concatenate(batches: list[Batch]) -> Batch:
        """One batch of all rows; the batches must have the same kind and columns."""
        first = batches[0]
        if any((b.kind, b.columns) != (first.kind, first.columns) for b in batches):
            raise ValueError("batches of different kind or columns cannot be joined")
        return Batch(
            first.kind,
            first.columns,
            np.concatenate([b.x for b in batches]),
            np.concatenate([b.mask for b in batches]),
            np.concatenate([b.weight for b in batches]),
        )
