"""A network in the arithmetic of its own hardware, as a plain list of steps: what logic is made from, bit for bit.

Where `hepad.nn.layers` has floating-point layers that are yet to be rounded, nothing is left to choose here: each step
has the fixed-point types of the library that it comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
import numpy.typing as npt

from hepad.inputs.layout import IMAGE, Layout
from hepad.nn.fixed_point import FixedType

__all__ = [
    "Cast",
    "ExactNetwork",
    "ExactScore",
    "HasExactLayers",
    "Multiplied",
    "Shifted",
    "Step",
    "Summed",
    "hardware_rows",
    "rows_as_inputs",
]

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Shifted:
    """The input less an offset (d,), divided by 2^shift (d,), all in `inner`, then cast to `output`."""

    offset: _Floats
    shift: _Floats
    inner: FixedType
    output: FixedType


@dataclass(frozen=True)
class Summed:
    """A dense layer, `weight` (inputs, outputs) and `bias` (outputs,); each product is cast to `accumulator`.

    A convolution has `places` (positions, inputs): of the numbers before it, those that each position takes. What it
    gives is ordered by position and then by output.
    """

    weight: _Floats
    bias: _Floats
    accumulator: FixedType
    output: FixedType
    places: npt.NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Multiplied:
    """Each number times a scale (k,) plus a bias (k,), cast to `output`."""

    scale: _Floats
    bias: _Floats
    output: FixedType


@dataclass(frozen=True)
class Cast:
    """A cast to `output`, of what is above zero if `positive`."""

    output: FixedType
    positive: bool


Step: TypeAlias = Summed | Multiplied | Cast


@dataclass(frozen=True)
class ExactScore:
    """See `hepad.models.fixed.ScoreRule`: the output, the sum of its squares, or of those of a difference."""

    kind: Literal["output", "squares", "distance"]
    accumulator: FixedType
    result: FixedType
    output: FixedType
    per_unit: int
    difference: FixedType | None = None
    compared_to: int | None = None


@dataclass(frozen=True)
class ExactNetwork:
    """Steps from integers of the hardware to a score. `scores` gives that of rows (n, d), shape (n,)."""

    input: FixedType
    scaling: Shifted | None
    steps: tuple[Step, ...]
    score: ExactScore
    scores: Callable[[npt.NDArray[Any]], _Floats]


@runtime_checkable
class HasExactLayers(Protocol):
    """A scorer that is made of such steps."""

    def exact_layers(self) -> ExactNetwork:
        """The steps of the trained scorer."""
        ...


def hardware_rows(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Inputs (n, d) or images (n, 1, eta, phi) as rows (n, d), in the order in which hardware counts them.

    Regions are counted along eta first: 14 phi + eta.
    """
    ordered = x if x.ndim == 2 else np.moveaxis(x, 2, 3)
    return ordered.reshape(len(x), -1)


def rows_as_inputs(rows: npt.NDArray[Any], layout: Layout) -> npt.NDArray[Any]:
    """The inverse: rows (n, d) in the shape of a layout."""
    if layout.axes != IMAGE:
        return rows
    channels, eta, phi = layout.shape
    return np.moveaxis(rows.reshape(len(rows), channels, phi, eta), 2, 3)
