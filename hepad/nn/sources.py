"""Where a training's rows come from: arrays in memory or mapped from disk, a batch at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from hepad.errors import FitFailedError

__all__ = ["ArraySource", "Noise", "Rows", "Source"]


@dataclass(frozen=True)
class Rows:
    """Some events of a sample: float32 tensors whose first axis is theirs, and weights of mean 1 over the sample.

    Without `weight` all events weigh the same.
    """

    tensors: tuple[Tensor, ...]
    weight: Tensor | None

    def __len__(self) -> int:
        return len(self.tensors[0])

    def part(self, which: slice) -> Rows:
        """Some of the rows, with their weights as they are."""
        weight = None if self.weight is None else self.weight[which]
        return Rows(tuple(tensor[which] for tensor in self.tensors), weight)

    def parts(self, most: int) -> Iterator[Rows]:
        """All of them, at most so many at a time."""
        for start in range(0, len(self), most):
            yield self.part(slice(start, start + most))

    def total(self, losses: Tensor) -> Tensor:
        """The weighted sum of losses of shape (n,)."""
        return losses.sum() if self.weight is None else (losses * self.weight).sum()

    def mean(self, losses: Tensor) -> Tensor:
        """The weighted mean of losses of shape (n,)."""
        return self.total(losses) / len(self)


@dataclass(frozen=True)
class Noise:
    """Random numbers of a training: drawn on the CPU, so that they are the same on all devices."""

    generator: torch.Generator
    device: torch.device

    def normal(self, *shape: int) -> Tensor:
        """Numbers of mean 0 and standard deviation 1."""
        return torch.randn(shape, generator=self.generator).to(self.device)

    def uniform(self, *shape: int) -> Tensor:
        """Numbers from 0 to 1."""
        return torch.rand(shape, generator=self.generator).to(self.device)

    def integers(self, high: int, *shape: int) -> Tensor:
        """Whole numbers from 0 to below `high`."""
        return torch.randint(high, shape, generator=self.generator).to(self.device)


class Source(Protocol):
    """Events to train or validate on; what it gives for rows depends on these alone."""

    def __len__(self) -> int: ...

    def rows(self, which: Tensor | slice, device: torch.device) -> Rows:
        """The events of these numbers."""
        ...


@dataclass(frozen=True)
class ArraySource:
    """Arrays whose first axis is the events', in memory or mapped from disk: only a batch is copied at a time."""

    arrays: tuple[npt.NDArray[Any], ...]
    weight: npt.NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.arrays[0])

    @classmethod
    def of(cls, arrays: Sequence[npt.NDArray[Any]], weight: npt.NDArray[np.float64], what: str) -> ArraySource:
        """Arrays with their weights; `FitFailedError` naming `what` for no events or weights of no positive sum."""
        if len(weight) == 0:
            raise FitFailedError(f"there are no {what} events")
        total = float(weight.sum())
        if not (math.isfinite(total) and total > 0):
            raise FitFailedError(f"the weights of the {what} events sum to {total:g}, not to a positive number")
        equal = bool((weight == weight[0]).all())
        return cls(tuple(arrays), None if equal else (weight * (len(weight) / total)).astype(np.float32))

    def rows(self, which: Tensor | slice, device: torch.device) -> Rows:
        """The events of these numbers, copied."""
        place = which.numpy() if isinstance(which, Tensor) else which
        tensors = tuple(_tensor(array[place], device) for array in self.arrays)
        return Rows(tensors, None if self.weight is None else _tensor(self.weight[place], device))


def _tensor(array: npt.NDArray[Any], device: torch.device) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32, order="C")).to(device)
