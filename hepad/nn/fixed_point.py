"""Numbers in fixed point as C++ for FPGAs has them (`ap_fixed` of AMD's Vitis HLS), held exactly in floating point.

All numbers are multiples of a power of two and narrower than the 53 bits of a double, so that sums, products and
rounding are exact and depend on no order. The meaning of the modes is that of the Vitis HLS user guide (UG1399,
"Arbitrary Precision Fixed-Point Data Types").
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FixedType", "Floats", "fraction_of"]

Floats = npt.NDArray[Any]
"""float64, or float32 where 24 bits hold every number."""

_MAX_WIDTH = 48
_FIXED = re.compile(r"ap_(u?)fixed<(\d+),(-?\d+)(?:,(\w+))?(?:,(\w+))?(?:,(\w+))?>")
_INTEGER = re.compile(r"ap_(u?)int<(\d+)>")
_ROUNDING = ("AP_TRN", "AP_RND", "AP_RND_CONV")
_OVERFLOW = ("AP_WRAP", "AP_SAT")


@dataclass(frozen=True)
class FixedType:
    """`width` bits of which `integer` stand before the binary point, one of them the sign if there is one.

    `rounding`: AP_TRN (down), AP_RND (nearest, ties upwards) or AP_RND_CONV (nearest, ties to even); `overflow`:
    AP_WRAP (the upper bits are dropped) or AP_SAT (the nearest number that there is).
    """

    signed: bool
    width: int
    integer: int
    rounding: str = "AP_TRN"
    overflow: str = "AP_WRAP"

    @classmethod
    def parse(cls, text: str) -> FixedType:
        """The type that C++ writes so, `ap_ufixed<10,6,AP_RND_CONV,AP_SAT>`; `ValueError` for another."""
        compact = "".join(text.split())
        if found := _INTEGER.fullmatch(compact):
            made = cls(not found[1], int(found[2]), int(found[2]))
        elif found := _FIXED.fullmatch(compact):
            rounding, overflow = found[4] or "AP_TRN", found[5] or "AP_WRAP"
            made = cls(not found[1], int(found[2]), int(found[3]), rounding, overflow)
            # The sixth number counts bits that wrapping leaves alone, which no saturating type looks at.
            if found[6] not in {None, "0"} and overflow != "AP_SAT":
                raise ValueError(f"{text}: only 0 saturation bits are known")
        else:
            raise ValueError(f"{text}: not a type ap_[u]fixed<W,I[,Q[,O]]> or ap_[u]int<W>")
        if made.rounding not in _ROUNDING or made.overflow not in _OVERFLOW:
            raise ValueError(f"{text}: known are the modes {', '.join(_ROUNDING)} and {', '.join(_OVERFLOW)}")
        if not 1 <= made.width <= _MAX_WIDTH or abs(made.fraction) > _MAX_WIDTH:
            raise ValueError(f"{text}: widths from 1 to {_MAX_WIDTH} bits are known")
        return made

    def __str__(self) -> str:
        modes = "" if (self.rounding, self.overflow) == ("AP_TRN", "AP_WRAP") else f",{self.rounding},{self.overflow}"
        return f"ap_{'' if self.signed else 'u'}fixed<{self.width},{self.integer}{modes}>"

    @property
    def fraction(self) -> int:
        """Bits after the binary point."""
        return self.width - self.integer

    @property
    def low(self) -> float:
        """The smallest number."""
        return -(2.0 ** (self.integer - 1)) if self.signed else 0.0

    @property
    def high(self) -> float:
        """The largest number."""
        return 2.0 ** (self.integer - self.signed) - 2.0**-self.fraction

    def holds(self, low: float, high: float, fraction: int) -> bool:
        """Whether numbers between `low` and `high` with so many bits after the point stay what they are."""
        return fraction <= self.fraction and self.low <= low and high <= self.high

    def cast(self, x: Floats) -> Floats:
        """x as numbers of this type; a new array of the same dtype."""
        number = x.dtype.type
        y: Floats = x * number(2.0**self.fraction)
        if self.rounding == "AP_RND":
            y += number(0.5)
        np.rint(y, out=y) if self.rounding == "AP_RND_CONV" else np.floor(y, out=y)
        low, high = number(np.ldexp(self.low, self.fraction)), number(np.ldexp(self.high, self.fraction))
        if self.overflow == "AP_SAT":
            np.clip(y, low, high, out=y)
        elif y.size and (y.min() < low or y.max() > high):
            span = number(2.0**self.width)
            y -= np.floor((y - low) / span) * span
        y *= number(2.0**-self.fraction)
        return y


def fraction_of(x: Floats) -> int:
    """The least number of bits after the point that hold all of x, at most 60."""
    for bits in range(60):
        if np.all(np.ldexp(x, bits) % 1 == 0):
            return bits
    return 60
