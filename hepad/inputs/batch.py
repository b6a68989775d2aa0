"""What a network sees: numpy arrays in a layout, and what stands beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.inputs.layout import Layout
from hepad.inputs.sparse import SparseRows

__all__ = ["Batch"]


@dataclass(frozen=True)
class Batch:
    """Events as arrays whose first axis, of length n, is the events'.

    `x` is float32 of shape (n, *layout.shape), in the units that the input kind states; it may be `SparseRows`, which
    `take` and `concatenate` keep, and which numpy and slices make plain. `mask` is bool, of shape (n, *layout.shape) or
    less its last axes, False where there is padding; None where all is there. `weight` is float64 of shape (n,).
    `beside` holds what the network does not see but methods and conditional models read, such as a `mass` in GeV or the
    `id` of objects: arrays of first axis n that are never scaled.
    """

    kind: str
    layout: Layout
    x: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_] | None
    weight: npt.NDArray[np.float64]
    beside: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shape = (len(self.weight), *self.layout.shape)
        if self.x.shape != shape:
            raise ValueError(f"x has shape {self.x.shape}, its layout needs {shape}")
        if self.mask is not None and self.mask.shape not in {shape[:k] for k in range(2, len(shape) + 1)}:
            raise ValueError(f"mask has shape {self.mask.shape}, x has {shape}")
        for name, values in self.beside.items():
            if len(values) != shape[0]:
                raise ValueError(f"{name} beside the batch has {len(values)} rows for {shape[0]} events")

    def __len__(self) -> int:
        return len(self.weight)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a vector's numbers; `CardError` for a set or an image."""
        return self.layout.columns

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """The mask in the shape of `x`."""
        if self.mask is None:
            return np.ones(self.x.shape, dtype=np.bool_)
        missing = self.x.ndim - self.mask.ndim
        return np.broadcast_to(self.mask.reshape(*self.mask.shape, *(1,) * missing), self.x.shape)

    def take(self, rows: npt.NDArray[Any] | slice) -> Batch:
        """The batch of the given rows (indices, a mask or a slice)."""
        mask = None if self.mask is None else self.mask[rows]
        beside = {name: values[rows] for name, values in self.beside.items()}
        return Batch(self.kind, self.layout, _taken(self.x, rows), mask, self.weight[rows], beside)

    @staticmethod
    def concatenate(batches: Sequence[Batch]) -> Batch:
        """One batch of all rows; `ValueError` unless kind, layout and what stands beside are the same."""
        first = batches[0]
        if any((b.kind, b.layout, b.beside.keys()) != (first.kind, first.layout, first.beside.keys()) for b in batches):
            raise ValueError("batches of different kind or layout cannot be joined")
        if len({None if b.mask is None else b.mask.ndim for b in batches}) > 1:
            raise ValueError("batches with different masks cannot be joined")
        masks = [b.mask for b in batches if b.mask is not None]
        return Batch(
            first.kind,
            first.layout,
            _joined([b.x for b in batches]),
            np.concatenate(masks) if masks else None,
            np.concatenate([b.weight for b in batches]),
            {name: np.concatenate([b.beside[name] for b in batches]) for name in first.beside},
        )


def _taken(x: Any, rows: npt.NDArray[Any] | slice) -> Any:
    return x.take(rows) if isinstance(x, SparseRows) else x[rows]


def _joined(parts: list[Any]) -> Any:
    sparse = all(isinstance(part, SparseRows) for part in parts)
    return SparseRows.concatenate(parts) if sparse else np.concatenate(parts)
