"""How a trigger scales integers: less a whole number, divided by a power of two; no multiplier is needed in logic."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.inputs.layout import Slot

__all__ = ["HardwareScale", "power_of_two_scale"]

_Floats = npt.NDArray[np.float64]

LOW, HIGH, REACH = 5.0, 95.0, 2.0
"""The percentiles that go to -2 and 2 at most, as in AXOL1TL v5."""


def power_of_two_scale(
    x: npt.NDArray[Any], slots: tuple[Slot, ...], *, with_zero: bool = False
) -> tuple[_Floats, _Floats]:
    """Offsets and shifts of columns x, (n, d), each of shape (d,): `(x - offset) / 2^shift` is what a network sees.

    The 5th and the 95th percentile of the numbers that are not 0 come to lie within [-2, 2], around 0: the width is
    rounded up to a power of two, the middle to a whole number. A column without numbers takes those of the object of
    the same kind before it, or 0. `with_zero` has the 0 of an empty object within the interval too: above a threshold,
    momenta are so close together that it would lie far out.
    """
    offset, shift = np.zeros(len(slots)), np.zeros(len(slots))
    for i, slot in enumerate(slots):
        values = np.asarray(x[:, i], dtype=np.float64)
        values = values[values != 0]
        if len(values):
            low, high = np.percentile(values, [LOW, HIGH])
            low, high = (min(low, 0.0), max(high, 0.0)) if with_zero else (low, high)
            offset[i] = np.rint((low + high) / 2)
            shift[i] = np.ceil(np.log2((high - low) / (2 * REACH))) if high > low else 0.0
        elif (before := replace(slot, position=slot.position - 1)) in slots[:i]:
            offset[i], shift[i] = offset[slots.index(before)], shift[slots.index(before)]
    return offset, shift


class HardwareScale(nn.Module):
    """The scale as the first step of a network; its numbers are kept with the weights, and no training changes them."""

    offset: Tensor
    shift: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("offset", torch.zeros(width))
        self.register_buffer("shift", torch.zeros(width))

    def learn(self, x: npt.NDArray[Any], slots: tuple[Slot, ...], *, with_zero: bool = False) -> None:
        """Take the scale of background, of shape (n, d); see `power_of_two_scale`."""
        offset, shift = power_of_two_scale(x, slots, with_zero=with_zero)
        self.offset.copy_(torch.from_numpy(offset))
        self.shift.copy_(torch.from_numpy(shift))

    def forward(self, x: Tensor) -> Tensor:
        """What the network sees of integers of shape (n, d)."""
        return (x - self.offset) * torch.exp2(-self.shift)

    def back(self, y: Tensor) -> Tensor:
        """The integers, not rounded, of what a network sees."""
        return y * torch.exp2(self.shift) + self.offset
