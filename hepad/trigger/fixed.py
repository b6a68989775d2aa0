"""Fixed-point numbers: one set of functions for numpy arrays (the emulation) and da4ml's traced arrays (the logic).

Rounding is to nearest with ties upwards, floor(x + 1/2), as in da4ml; not half to even as in numpy's `round`.
Intermediate widths are not bounded: da4ml's interval arithmetic finds those that hold every value, and numpy's float64
is exact for them up to 53 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = [
    "Floats",
    "Format",
    "Numbers",
    "at_most",
    "bit",
    "floor_to",
    "lookup",
    "magnitude",
    "not_negative",
    "positive_part",
    "power_format",
    "to_grid",
]

_LARGEST_STEP = 2.0**31
"""What da4ml 0.6 keeps of the trailing zeros of a constant: with more, as in deep networks, a minimum with it is 0."""

Floats = npt.NDArray[np.float64]
Numbers: TypeAlias = Any
"""A numpy array of shape (..., k) or a traced array of shape (k,)."""


class Format(NamedTuple):
    """Sign bit or none, bits before and bits after the binary point; the last two may be negative."""

    signed: bool
    integer: int
    fraction: int

    @property
    def bits(self) -> int:
        """The width."""
        return int(self.signed) + self.integer + self.fraction

    @property
    def step(self) -> float:
        """The distance of neighbouring numbers."""
        return 2.0**-self.fraction

    @property
    def low(self) -> float:
        """The smallest number."""
        return -(2.0**self.integer) if self.signed else 0.0

    @property
    def high(self) -> float:
        """The largest number."""
        return 2.0**self.integer - self.step


def to_grid(x: npt.ArrayLike, fraction: int | npt.NDArray[Any]) -> Floats:
    """x rounded to multiples of 2^-fraction, ties upwards."""
    scale = np.exp2(np.asarray(fraction, dtype=np.float64))
    result: Floats = np.floor(np.asarray(x, dtype=np.float64) * scale + 0.5) / scale
    return result


def floor_to(x: Numbers, fraction: int) -> Numbers:
    """x rounded down to so many bits after the point: bits are dropped, which costs nothing."""
    if isinstance(x, np.ndarray):
        scale = 2.0**fraction
        return np.floor(x * scale) / scale
    signed, integer, _ = x.kif
    return x.quantize(signed, integer, np.full_like(integer, fraction), "WRAP", "TRN")


def at_most(x: Numbers, form: Format) -> Numbers:
    """Numbers that are not negative, rounded down to a format without sign; larger ones become its largest."""
    if isinstance(x, np.ndarray):
        return np.minimum(floor_to(x, form.fraction), form.high)
    x = floor_to(x, form.fraction)
    if any(value.unscaled.step > _LARGEST_STEP for value in x):
        x = -((-(x - form.high)).relu()) + form.high
    else:
        x = np.minimum(x, form.high)
    return x.quantize(0, form.integer, form.fraction, "WRAP", "TRN")


def positive_part(x: Numbers) -> Numbers:
    """max(x, 0)."""
    return np.maximum(x, 0.0) if isinstance(x, np.ndarray) else x.relu()


def magnitude(x: Numbers) -> Numbers:
    """The absolute value. Not by `abs`: da4ml 0.6 then gets the sign of a later minimum wrong."""
    return np.abs(x) if isinstance(x, np.ndarray) else np.where(x >= 0, x, -x)


def lookup(x: Numbers, function: Callable[[Floats], Floats], form: Format) -> Numbers:
    """A table: function(x) rounded to a format, saturated."""

    def table(values: Floats) -> Floats:
        return np.clip(to_grid(function(values), form.fraction), form.low, form.high)

    if isinstance(x, np.ndarray):
        return table(x)
    return x.apply(table).quantize(int(form.signed), form.integer, form.fraction, "WRAP", "TRN")


def not_negative(x: Numbers) -> Numbers:
    """1 where x >= 0, else 0: the inverted sign bit."""
    if isinstance(x, np.ndarray):
        return (x >= 0).astype(np.float64)
    return x >= 0


def bit(x: Numbers, place: int) -> Numbers:
    """The bit of value 2^place of numbers x that are not negative, as 0 or 1."""
    if isinstance(x, np.ndarray):
        return np.floor(x / 2.0**place) % 2
    return x.quantize(0, place + 1, -place, "WRAP", "TRN") * 2.0**-place


def power_format(largest: float, bits: int, *, signed: bool = True) -> Format:
    """The format of a width whose range just holds `largest` in absolute value."""
    # Weights that were rounded before must find their grid again, also after a trip through single precision.
    integer = int(np.floor(np.log2(largest * (1 + 1e-6)))) + 1 if largest > 0 else 0
    return Format(signed, integer, bits - int(signed) - integer)
