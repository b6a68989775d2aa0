"""Sets of different sizes without padding: the objects of all sets one after the other, and what belongs together.

A network of sets pays for the objects that are there, not for the largest set there may be. What has to be compared
within a set is taken in buckets of about the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from hepad.nn.reproducible import single_thread

__all__ = ["Bucket", "Packed", "evaluate_sets", "pack"]

ROWS, SETS = 1024, 40
"""Objects and sets of a pass of the evaluation, the last set being none: see `hepad.nn.inference.BLOCK`."""
ON_ACCELERATOR = 32
"""Times as many on an accelerator, which is idle otherwise, and where results are not the same bit for bit anyway."""

_SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Of buckets: what is compared in pairs is at most 9/4 times as much as without padding, but for the smallest."""


@dataclass(frozen=True)
class Bucket:
    """Some runs of rows of about the same length: `rows` of shape (runs, length), row 0 where not `valid`.

    `places` are those of the valid ones in the flattened rows.
    """

    rows: Tensor
    valid: Tensor
    places: Tensor

    @cached_property
    def kept(self) -> Tensor:
        """The rows that are valid, shape (k,)."""
        return self.rows.flatten()[self.places]

    @cached_property
    def mask(self) -> Tensor:
        """What to add to how much rows attend to one another, of shape (runs, 1, 1, length)."""
        mask = torch.zeros(self.valid.shape, device=self.valid.device)
        return mask.masked_fill(~self.valid, -torch.inf)[:, None, None, :]


@dataclass(frozen=True)
class Packed:
    """Objects of sets: `x` of shape (m, features), all others of shape (m,).

    `kind`: what an object is, a whole number; those of a set are sorted by it. `owner`: the number of its set. `first`
    and `size`: the first row of the objects of its set and kind, and how many these are. `counts`, of shape (sets,):
    how many objects a set has.
    """

    x: Tensor
    kind: Tensor
    owner: Tensor
    first: Tensor
    size: Tensor
    counts: Tensor

    def of(self, x: Tensor) -> Packed:
        """The same objects with other numbers."""
        return replace(self, x=x)

    @property
    def place(self) -> Tensor:
        """The number of an object among those of its set and kind, from 0."""
        return torch.arange(len(self.x), device=self.x.device) - self.first

    def total(self, values: Tensor) -> Tensor:
        """The sums over the sets, of shape (sets, d), of values of shape (m, d)."""
        index = self.owner[:, None].expand(-1, values.shape[1])
        return values.new_zeros(len(self.counts), values.shape[1]).scatter_add(0, index, values)

    def mean(self, values: Tensor) -> Tensor:
        """The means over the sets, as `total`; 0 of a set without objects."""
        return self.total(values) / self.counts.clamp(min=1)[:, None]

    def spread(self, values: Tensor) -> Tensor:
        """For each object the values of its set, of shape (m, d) for values of shape (sets, d)."""
        return values.gather(0, self.owner[:, None].expand(-1, values.shape[1]))

    @cached_property
    def sets(self) -> tuple[Bucket, ...]:
        """The rows of the sets."""
        last = self.counts.cumsum(0)
        return tuple(_buckets(last - self.counts, self.counts))

    @cached_property
    def kinds(self) -> tuple[Bucket, ...]:
        """The rows of the same kind of the same set."""
        starts = torch.nonzero(self.place == 0)[:, 0]
        return tuple(_buckets(starts, self.size[starts]))


def pack(tensors: Sequence[Tensor], size: tuple[int, int] | None = None) -> Packed:
    """Pack sets: `tensors` are numbers of shape (n, k, features), and of shape (n, k) what is positive for objects that
    are there and their kinds.

    With `size` the result has so many rows and sets: what is added belongs to the last set, which has no objects by its
    count, and each added row is alone of its kind.
    """
    x, there, kind = tensors
    present = there > 0
    counts = present.sum(dim=1)
    owner = torch.arange(len(x), device=x.device).repeat_interleave(counts)
    kind = kind[present].long()
    key = owner * (int(kind.max()) + 1 if len(kind) else 1) + kind
    order = torch.argsort(key, stable=True)
    _, group, sizes = torch.unique_consecutive(key[order], return_inverse=True, return_counts=True)
    packed = Packed(x[present][order], kind[order], owner, (sizes.cumsum(0) - sizes)[group], sizes[group], counts)
    return packed if size is None else _filled(packed, *size)


def _filled(packed: Packed, rows: int, sets: int) -> Packed:
    done = len(packed.x)
    more = (0, rows - done)
    return Packed(
        pad(packed.x, (0, 0, *more)),
        pad(packed.kind, more),
        pad(packed.owner, more, value=sets - 1),
        torch.cat([packed.first, torch.arange(done, rows, device=packed.x.device)]),
        pad(packed.size, more, value=1),
        pad(packed.counts, (0, sets - len(packed.counts))),
    )


def evaluate_sets(
    module: nn.Module,
    function: Callable[[Packed], tuple[Tensor, ...]],
    arrays: Sequence[npt.NDArray[Any]],
    outputs: int,
    *,
    device: str = "cpu",
) -> list[npt.NDArray[np.float32]]:
    """As `hepad.nn.inference.evaluate`, of a function of packed sets: `arrays` are what `pack` takes.

    As many sets are evaluated together as fit into a fixed number of objects, so that a set's results do not depend on
    the sets around it, and a small one costs little.
    """
    counts = np.count_nonzero(arrays[1], axis=1)
    times = 1 if device == "cpu" else ON_ACCELERATOR
    rows, sets = max(times * ROWS, arrays[1].shape[1]), times * SETS
    results = [np.zeros(len(counts), dtype=np.float32) for _ in range(outputs)]
    module.to(device).eval()
    with single_thread(), torch.inference_mode():
        for part in _parts(counts, rows, sets):
            tensors = (torch.from_numpy(np.array(array[part], dtype=np.float32, order="C")) for array in arrays)
            packed = pack([tensor.to(device) for tensor in tensors], (rows, sets))
            for result, values in zip(results, function(packed), strict=True):
                result[part] = values[: len(part)].to(torch.float32).cpu().numpy()
    return results


def _parts(counts: npt.NDArray[np.int64], rows: int, sets: int) -> Iterator[npt.NDArray[np.int64]]:
    """Sets of at most `rows` objects in all, fewer than `sets`; of about the same size, for which buckets are few."""
    order = np.argsort(counts, kind="stable")
    last, start = np.cumsum(counts[order]), 0
    while start < len(counts):
        before = last[start] - counts[order[start]]
        stop = min(int(np.searchsorted(last, before + rows, side="right")), start + sets - 1)
        yield order[start:stop]
        start = stop


def _buckets(first: Tensor, count: Tensor) -> Iterator[Bucket]:
    """Runs of rows by their first one and their lengths, in buckets, whose sizes do not depend on the other runs."""
    low, largest = 0, int(count.max()) if len(count) else 0
    for size in chain(_SIZES, range(2 * _SIZES[-1], largest + _SIZES[-1], _SIZES[-1])):
        chosen = torch.nonzero((count > low) & (count <= size))[:, 0]
        if len(chosen):
            place = torch.arange(size, device=first.device)
            valid = place < count[chosen, None]
            yield Bucket((first[chosen, None] + place) * valid, valid, torch.nonzero(valid.flatten())[:, 0])
        low = size
        if low >= largest:
            return
