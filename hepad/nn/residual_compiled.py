"""The networks of `hepad.nn.residual` with compiled loops in place of torch's: the same numbers, several times as fast.

For one image after another on one thread, as a trigger's processor has them: `compiled` makes a copy of a network that
is evaluated only. What it saves beside the loops: a bias before a normalisation is nothing; the largest of normalised
pixels is the normalised largest; and the convolution of numbers that are spread over all pixels, and of coordinates, is
one sum for each kind of edge in place of one for each pixel.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.nn.convolution_kernel import ADDED, ALONE, POOLED, TILE, block, convolved
from hepad.nn.image_kernel import conditioned, upsampled
from hepad.nn.image_memory import Image, Memory, Room
from hepad.nn.residual import (
    SLOPE,
    Block,
    ConditionalDecoder,
    Conditioning,
    MaskEncoder,
    Residual,
    ResidualEncoder,
    deepest,
    margins,
)  # fmt: skip
from hepad.nn.vector_code import LANES, ROWS, WIDE, packed, packed_winograd

__all__ = ["compiled"]

_Numbers = npt.NDArray[np.float32]
_NOWHERE: npt.NDArray[np.int64] = np.zeros(0, dtype=np.int64)
_LOCK = Lock()
"""Of the images that hold what is in the making: one event at a time."""

Module = TypeVar("Module", bound=nn.Module)


def compiled(module: Module, size: Sequence[int]) -> Module | None:
    """A copy of a network of images of (eta, phi) bins, with compiled encoders and decoder; None if they cannot be.

    They can if each group of channels is a multiple of 16 outputs and of 8 inputs (but for the first one) of each
    convolution. The copy keeps the weights that the network has now.
    """
    parts = {name: part for name, part in module.named_children() if type(part) in _COMPILED}
    if not parts or not all(map(_fits, parts.values())):
        return None
    made, memory = copy.deepcopy(module).to("cpu").eval(), Memory()
    for name in parts:
        setattr(made, name, _COMPILED[type(parts[name])](getattr(made, name), size, memory))
    return made


def _fits(part: nn.Module) -> bool:
    layers = [block.convolution.layer for block in part.modules() if isinstance(block, Block)]
    groups = _groups(part)
    return all(
        layer.out_channels % (groups * WIDE) == 0
        and (layer.in_channels == 1 or layer.in_channels % (layer.groups * LANES) == 0)
        and layer.groups in {1, groups}
        for layer in layers
    )


class _Layer:
    """A block of an image: into one of its own of some parts or, with `beside`, added to that one, of the same size.

    `then` says what becomes of it, and `up` that the image is upsampled by 2 before.
    """

    def __init__(
        self, part: Block, x: Image, room: Room, parts: int, *, then: int = ALONE, up: bool = False,
        beside: Image | None = None,
    ) -> None:  # fmt: skip
        layer, norm = part.convolution.layer, part.norm
        stride, inputs = layer.stride[0], layer.in_channels // layer.groups
        rows, columns = (2 * x.rows, 2 * x.columns) if up else (-(-x.rows // stride), -(-x.columns // stride))
        gain = _array(norm.weight)
        sign = np.where(gain < 0, -1, 1).astype(np.float32)  # the normalised is the same, and its gain not negative
        weight = _array(layer.weight) * sign[:, None, None, None]
        starts = taps = _NOWHERE
        tiles = -(-rows // TILE) * -(-columns // TILE)
        products = 36 * -(-tiles // ROWS) * ROWS
        pays = stride == 1 and inputs % LANES == 0 and 3 * products < 2 * 9 * rows * columns
        if up or pays:
            packed_weight, pitch = packed_winograd(weight), TILE * -(-columns // TILE)
            room.of(TILE**2 * tiles * layer.out_channels // parts)
        else:
            packed_weight, pitch = packed(weight), columns
            pixels = [(y, i) for y in range(0, x.rows, stride) for i in range(0, x.columns, stride)]
            starts = _starts(pixels, x)
            taps = _offsets([(y, i) for y in range(3) for i in range(3)], x)
            room.of(len(starts) * layer.out_channels // parts)
        if then == POOLED:
            self.out = Image(room.memory, -(-rows // 2), -(-columns // 2), layer.out_channels, parts)
        else:
            self.out = beside or Image(room.memory, rows, columns, layer.out_channels, parts)
        way = 2 if up else 1 if pays else 0
        shape = np.array([inputs, x.pitch, rows, columns, pitch, self.out.pitch, way])
        constants = (
            room.memory.keep(packed_weight),
            np.abs(gain),
            _array(norm.bias),
            np.float32(norm.eps),
            np.float32(SLOPE),
            then,
        )
        self._arguments = (x.numbers, x.parts, parts, shape, starts, taps, *constants)
        self._room = room

    def run(self) -> None:
        """See `hepad.nn.residual`."""
        block(*self._arguments, self._room.numbers, self.out.numbers)


class _Conditions:
    """The convolution of numbers spread over all pixels and of the coordinates, by row and by column."""

    def __init__(self, part: Conditioning, parts: int) -> None:
        weight = _array(part.expand.weight).astype(np.float64)  # (width, latent + 2, 3, 3)
        phi, eta = (_array(grid).astype(np.float64) for grid in part.coordinates[0])
        numbers = np.stack([[_edges(weight, r, c) for c in range(4)] for r in range(4)])[..., :-2]
        by_column = [[_along(_edge(weight, r, 2)[:, -2], phi[0], i) for i in range(phi.shape[1])] for r in range(4)]
        by_row = [[_along(_edge(weight, c, 3)[:, -1], eta[:, 0], y) for c in range(4)] for y in range(len(eta))]
        self.by_column = _in_parts(np.array(by_column), parts).ravel()
        self._by_row = _in_parts(np.array(by_row) + _array(part.expand.bias), parts)
        self._numbers = [_in_parts(of_one, parts) for of_one in np.moveaxis(numbers, -1, 0)]
        y = np.arange(len(eta))
        self._kind = 2 * (y > 0) + (y < len(eta) - 1)

    def by_row(self, z: _Numbers) -> _Numbers:
        """With the numbers z (latent,) of an event."""
        spread = sum(value * of_one for value, of_one in zip(z, self._numbers, strict=True))
        return np.asarray(self._by_row + np.take(spread, self._kind, axis=1), dtype=np.float32).ravel()


def _in_parts(values: npt.NDArray[Any], parts: int) -> _Numbers:
    """Numbers (..., width), those of one part of the channels after another."""
    split = values.reshape(*values.shape[:-1], parts, -1)
    return np.ascontiguousarray(np.moveaxis(split, -2, 0), dtype=np.float32)


def _kinds(number: int) -> list[int]:
    """Which of three taps there are on an edge of a kind."""
    return [place for place, there in enumerate((number & 2, True, number & 1)) if there]


def _edge(weight: npt.NDArray[Any], kind: int, axis: int) -> npt.NDArray[Any]:
    return np.asarray(weight.take(_kinds(kind), axis=axis).sum(axis=axis))


def _edges(weight: npt.NDArray[Any], row: int, column: int) -> npt.NDArray[Any]:
    return _edge(_edge(weight, row, 2), column, 2)


def _along(weight: npt.NDArray[Any], coordinate: npt.NDArray[Any], place: int) -> npt.NDArray[Any]:
    """The sum of a coordinate next to a place with weights (width, 3), none beyond the ends."""
    padded = np.pad(coordinate, 1)
    return np.asarray(weight @ padded[place : place + 3])


class _Plan:
    """Steps from a first image to a last one, each of which fills an image that the next one reads."""

    def __init__(self, first: Image, room: Room, parts: int) -> None:
        self._room, self._parts = room, parts
        self.first = self.last = first
        self._steps: list[_Layer] = []

    def add(self, block: nn.Module, **how: Any) -> None:
        """Go on with a block that reads the last image."""
        self._steps.append(_Layer(_is(block, Block), self.last, self._room, self._parts, **how))
        self.last = self._steps[-1].out

    def add_stage(self, stage: nn.Module, *, up: bool = False) -> None:
        """A block and a residual pair; with `up` the block is that of the image upsampled by 2."""
        first, pair = stage.children()
        self.add(first, up=up)
        beside = self.last
        self.add(_is(pair, Residual).first)
        self.add(_is(pair, Residual).second, beside=beside, then=ADDED)

    def run(self) -> None:
        """Fill all images after the first."""
        for step in self._steps:
            step.run()


def _of_each(plan: _Plan, x: Tensor) -> Tensor:
    """What the last image of a plan is for each image of x (n, channels, eta, phi)."""
    out = np.empty((len(x), plan.last.channels, plan.last.rows, plan.last.columns), dtype=np.float32)
    with _LOCK:
        for image, found in zip(x.numpy(), out, strict=True):
            plan.first.take(image)
            plan.run()
            plan.last.give(found)
    return torch.from_numpy(out)


class _CompiledEncoder(nn.Module):
    """A `ResidualEncoder` of images of one size."""

    def __init__(self, part: ResidualEncoder, size: Sequence[int], memory: Memory) -> None:
        super().__init__()
        rows, columns = size
        self._plan = _Plan(Image(memory, rows, columns, 1), Room(memory), _groups(part))
        for stage in part.stages:
            self._plan.add_stage(stage)

    def forward(self, x: Tensor) -> Tensor:
        """The features, of shape (n, filters[-1], *deepest)."""
        return _of_each(self._plan, x)


class _CompiledMask(nn.Module):
    """A `MaskEncoder`."""

    def __init__(self, part: MaskEncoder, size: Sequence[int], memory: Memory) -> None:
        super().__init__()
        rows, columns = size
        self._plan = _Plan(Image(memory, rows, columns, 1), Room(memory), _groups(part))
        for stage in part.stages:
            self._plan.add(stage, then=POOLED)
        self.dense = part.dense

    def forward(self, x: Tensor) -> Tensor:
        """The latent numbers, of shape (n, latent)."""
        result: Tensor = self.dense(_of_each(self._plan, x).flatten(1))
        return result


class _CompiledDecoder(nn.Module):
    """A `ConditionalDecoder`."""

    def __init__(self, part: ConditionalDecoder, size: Sequence[int], memory: Memory) -> None:
        super().__init__()
        rows, columns = deepest(size, len(part.stages))
        self._first = image = Image(memory, rows, columns, part.latent)
        self._stages: list[tuple[Image, _Conditions | None, _Plan]] = []
        room = Room(memory)
        for place, stage in enumerate(part.stages):
            even = image.rows % 2 == image.columns % 2 == 0 and min(image.rows, image.columns) >= TILE
            fused = even and image.width % LANES == 0  # its tiles are made of whole vectors of channels
            conditions = (
                _Conditions(_is(part.conditions[place], Conditioning), image.parts) if part.conditions else None
            )
            seen = image if fused else Image(memory, 2 * image.rows, 2 * image.columns, image.channels, image.parts)
            plan = _Plan(seen, room, _groups(part))
            plan.add_stage(stage, up=fused)
            self._stages.append((image, conditions, plan))
            image = plan.last
        self._last = _Last(part.last, image, size)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The logits of the pixels, of shape (n, 1, *size), of features (n, latent, *deepest) and z (n, condition)."""
        out = np.empty((len(x), 1, *self._last.size), dtype=np.float32)
        with _LOCK:
            for place, image in enumerate(x.numpy()):
                self._first.take(image)
                self._decode(None if z is None else z[place].numpy())
                out[place, 0] = self._last.logits()
        return torch.from_numpy(out)

    def _decode(self, z: _Numbers | None) -> None:
        for image, conditions, plan in self._stages:
            if z is not None and conditions is not None:
                conditioned(image.numbers, *image.shape, conditions.by_row(z), conditions.by_column)
            if plan.first is not image:
                upsampled(image.numbers, *image.shape, plan.first.numbers, plan.first.pitch)
            plan.run()


class _Last:
    """The convolution of 1 by 1 to the logits of the pixels that are not cropped."""

    def __init__(self, layer: nn.Conv2d, x: Image, size: Sequence[int]) -> None:
        top, left = margins((x.rows, x.columns), size)
        self.size = tuple(size)
        pixels = [(top + y + 1, left + i + 1) for y in range(size[0]) for i in range(size[1])]
        starts = _starts(pixels, x)
        of_parts = np.arange(x.parts) * (x.numbers.size // x.parts)
        weight = np.zeros((x.channels, WIDE), dtype=np.float32)
        weight[:, 0] = _array(layer.weight).ravel()
        self._bias, self._out = _array(layer.bias)[0], np.empty(len(starts) * WIDE, dtype=np.float32)
        self._arguments = (x.numbers, starts, of_parts, x.width, weight.ravel(), self._out)

    def logits(self) -> _Numbers:
        """Of shape `size`."""
        convolved(*self._arguments)
        pixels = self._out.reshape(-1, WIDE)[: self.size[0] * self.size[1], 0]
        return np.asarray(pixels.reshape(self.size) + self._bias)


def _groups(part: nn.Module) -> int:
    """Into how many groups a network shares its channels."""
    return max(block.convolution.layer.groups for block in part.modules() if isinstance(block, Block))


def _starts(pixels: Sequence[tuple[int, int]], x: Image) -> npt.NDArray[np.int64]:
    """Their offsets for `hepad.nn.convolution_kernel`, the last one again until there are a multiple of `ROWS`."""
    return _offsets([*pixels, *[pixels[-1]] * (-len(pixels) % ROWS)], x)


def _offsets(pixels: Sequence[tuple[int, int]], x: Image) -> npt.NDArray[np.int64]:
    """Where pixels begin among the numbers of an image, its padding counted."""
    return np.array([(y * x.pitch + i) * x.width for y, i in pixels], dtype=np.int64)


def _is(part: nn.Module, kind: type[Module]) -> Module:
    assert isinstance(part, kind)  # noqa: S101  so `hepad.nn.residual` has it
    return part


def _array(values: Tensor | None) -> _Numbers:
    assert values is not None  # noqa: S101  all layers here have weights
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float32)


_COMPILED: dict[type[nn.Module], Callable[[Any, Sequence[int], Memory], nn.Module]] = {
    ResidualEncoder: _CompiledEncoder,
    MaskEncoder: _CompiledMask,
    ConditionalDecoder: _CompiledDecoder,
}
