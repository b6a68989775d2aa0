"""Networks as triggers run them: in the fixed-point arithmetic of their own C++, bit for bit."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from hepad.cards.base import Card
from hepad.nn.fixed_point import FixedType

__all__ = ["Affine", "Convolution", "Dense", "FixedConfig", "Layer", "Rectifier", "Scaling", "ScoreRule", "TypeName"]


def _written_alike(text: str) -> str:
    return str(FixedType.parse(text))


TypeName = Annotated[str, AfterValidator(_written_alike)]
"""A type as C++ writes it: `ap_fixed<8,6,AP_RND_CONV,AP_SAT>`."""


class Scaling(Card):
    """What is done to the integers of the hardware: less an offset, divided by 2^shift and rounded down in `inner`,
    then cast. The offsets and shifts are tensors `scale.offset` and `scale.shift`.
    """

    inner: TypeName
    output: TypeName


class Dense(Card):
    """Products cast to `accumulator` one by one, the bias cast to it, their sum in it, cast to `output`."""

    kind: Literal["dense"] = "dense"
    accumulator: TypeName
    output: TypeName


class Convolution(Card):
    """A convolution of an image (rows, columns) with one channel, without padding, computed as `dense` does.

    What comes out is ordered by row, column and filter.
    """

    kind: Literal["convolution"] = "convolution"
    image: tuple[Annotated[int, Field(ge=1, le=512)], Annotated[int, Field(ge=1, le=512)]]
    stride: int = Field(ge=1, le=16)
    accumulator: TypeName
    output: TypeName


class Affine(Card):
    """Each number times a scale plus a bias, cast to `output`: a normalisation."""

    kind: Literal["affine"] = "affine"
    output: TypeName


class Rectifier(Card):
    """Numbers below zero become zero; then cast to `output`."""

    kind: Literal["relu"] = "relu"
    output: TypeName


class Cast(Card):
    """Cast to `output`."""

    kind: Literal["cast"] = "cast"
    output: TypeName


Layer = Annotated[Dense | Convolution | Affine | Rectifier | Cast, Field(discriminator="kind")]


class ScoreRule(Card):
    """The score of what the last layer gives, in units of 1 / `per_unit`.

    `kind`: `output`, the only number itself; `squares`, the sum of squares, each cast to `accumulator`; or `distance`,
    the sum of squared differences (in `difference`) from what layer number `compared_to`, counted from 0, gave. The sum
    is cast to `result` and to `output`.
    """

    kind: Literal["output", "squares", "distance"]
    accumulator: TypeName | None = None
    difference: TypeName | None = None
    compared_to: int | None = Field(default=None, ge=0)
    result: TypeName
    output: TypeName
    per_unit: int = Field(default=1, ge=1)


class FixedConfig(Card):
    """A network of layers in fixed point; the numbers are tensors `LAYER.weight` and `LAYER.bias`, or `.scale`."""

    input: TypeName
    scaling: Scaling | None = None
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=64)
    score: ScoreRule
