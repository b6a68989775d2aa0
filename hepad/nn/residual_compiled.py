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

from hepad.nn.convolution_kernel import ROWS, TILE, WIDE, direct, packed, packed_winograd, winograd
from hepad.nn.image_kernel import activated, conditioned, normalisation, pooled, upsampled
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

__all__ = ["compiled"]

_Numbers = npt.NDArray[np.float32]
_NONE: _Numbers = np.zeros(0, dtype=np.float32)
_LANES = 8
_LOCK = Lock()
"""Of the images that hold what is in the making: one event at a time."""

Module = TypeVar("Module", bound=nn.Module)


def compiled(module: Module, size: Sequence[int]) -> Module | None:
    """A copy of a network of images of (eta, phi) bins, with compiled encoders and decoder; None if they cannot be.

    They can if each group of each convolution has a multiple of 16 outputs and of 8 inputs (but for the first one). The
    copy keeps the weights that the network has now.
    """
    parts = {name: part for name, part in module.named_children() if type(part) in _COMPILED}
    blocks = [block for part in parts.values() for block in part.modules() if isinstance(block, Block)]
    if not blocks or not all(map(_fits, blocks)):
        return None
    made = copy.deepcopy(module).to("cpu").eval()
    for name in parts:
        setattr(made, name, _COMPILED[type(parts[name])](getattr(made, name), size))
    return made


def _fits(block: Block) -> bool:
    layer = block.convolution.layer
    outputs, inputs = layer.out_channels // layer.groups, layer.in_channels // layer.groups
    return outputs % WIDE == 0 and (inputs % _LANES == 0 or layer.in_channels == 1)


class _Image:
    """Room for an image with its padding: see `hepad.nn.image_kernel`."""

    def __init__(self, rows: int, columns: int, width: int) -> None:
        self.rows, self.columns, self.width = rows, columns, width
        self.tall, self.wide = -(-rows // TILE), -(-columns // TILE)
        self.pitch = TILE * self.wide + 2
        self.numbers: _Numbers = np.zeros((TILE * self.tall + 2) * self.pitch * width, dtype=np.float32)

    def inner(self) -> npt.NDArray[Any]:
        """Without the padding, as (rows, columns, width)."""
        whole = self.numbers.reshape(-1, self.pitch, self.width)
        return whole[1 : self.rows + 1, 1 : self.columns + 1]

    def take(self, image: _Numbers) -> None:
        """Fill it with (width, rows, columns), phi being periodic."""
        self.inner()[:] = image.transpose(1, 2, 0)
        whole = self.numbers.reshape(-1, self.pitch, self.width)[1 : self.rows + 1]
        whole[:, 0], whole[:, self.columns + 1] = whole[:, self.columns], whole[:, 1]


class _Room:
    """Room for what convolutions give, one after the other: as large as the largest, so that it stays in the cache."""

    def __init__(self) -> None:
        self.numbers: _Numbers = _NONE

    def of(self, size: int) -> int:
        """See that there is so much."""
        if size > self.numbers.size:
            self.numbers = np.empty(size, dtype=np.float32)
        return size


class _Convolution:
    """A convolution with the normalisation after it, of images of one size."""

    def __init__(self, block: Block, x: _Image, room: _Room, *, up: bool = False) -> None:
        layer, norm = block.convolution.layer, block.norm
        self._x, self._groups, self._up, stride = x, layer.groups, up, layer.stride[0]
        gain = _array(norm.weight)
        sign = np.where(gain < 0, -1, 1).astype(np.float32)  # the normalised is the same, and its gain not negative
        weight = _array(layer.weight) * sign[:, None, None, None]
        self._gain, self._bias, self._epsilon = np.abs(gain), _array(norm.bias), np.float32(norm.eps)
        self.rows, self.columns, self.width = -(-x.rows // stride), -(-x.columns // stride), layer.out_channels
        if up:
            self.rows, self.columns = 2 * x.rows, 2 * x.columns
        self._tall, self._wide = -(-self.rows // TILE), -(-self.columns // TILE)
        self._inputs = layer.in_channels // layer.groups
        products = 36 * -(-self._tall * self._wide // ROWS) * ROWS
        pays = stride == 1 and self._inputs % _LANES == 0 and 3 * products < 2 * 9 * self.rows * self.columns
        self._tiled = up or pays
        self.pitch = TILE * self._wide if self._tiled else self.columns
        if self._tiled:
            self._packed = packed_winograd(weight, layer.groups)
            size = TILE * self._tall * self.pitch * self.width
        else:
            self._packed = packed(weight, layer.groups)
            pixels = [(y, i) for y in range(0, x.rows, stride) for i in range(0, x.columns, stride)]
            self._starts = _offsets([*pixels, *[pixels[-1]] * (-len(pixels) % ROWS)], x)
            self._taps = _offsets([(y, i) for y in range(3) for i in range(3)], x)
            size = len(self._starts) * self.width
        self._room, self._size = room, room.of(size)
        self.scale, self.shift = np.empty((2, self.width), dtype=np.float32)

    @property
    def numbers(self) -> _Numbers:
        """What the last run gave, until another convolution runs."""
        return self._room.numbers[: self._size]

    def run(self) -> None:
        """Convolve what is in the image, and find the factors and addends of its normalisation."""
        x = self._x
        if self._tiled:
            winograd(
                x.numbers, self._tall, self._wide, x.pitch * x.width, self._inputs, self._groups, self._packed,
                self._up, self.numbers,
            )  # fmt: skip
        else:
            direct(x.numbers, self._starts, self._taps, self._inputs, self._groups, self._packed, self.numbers)
        normalisation(
            self.numbers, self.rows, self.columns, self.pitch, self._gain, self._bias, self._epsilon, self.scale,
            self.shift,
        )  # fmt: skip


class _Layer:
    """A block: into an image of its own or, with `beside`, added to that image, which is of the same size."""

    def __init__(self, block: Block, x: _Image, room: _Room, beside: _Image | None = None, *, up: bool = False) -> None:
        self._convolution = y = _Convolution(block, x, room, up=up)
        self.out = beside or _Image(y.rows, y.columns, y.width)
        self._add = beside is not None

    def run(self) -> None:
        """See `hepad.nn.residual`."""
        y = self._convolution
        y.run()
        activated(
            y.numbers, y.rows, y.columns, y.pitch, y.scale, y.shift, SLOPE, self._add, self.out.numbers, self.out.pitch
        )  # fmt: skip


class _PooledLayer:
    """A block and the largest of 3 by 3 pixels around every second one."""

    def __init__(self, block: Block, x: _Image, room: _Room) -> None:
        self._convolution = _Convolution(block, x, room)
        rows, columns = -(-self._convolution.rows // 2), -(-self._convolution.columns // 2)
        self.out = _Image(rows, columns, self._convolution.width)

    def run(self) -> None:
        """See `hepad.nn.residual`."""
        y = self._convolution
        y.run()
        pooled(
            y.numbers, y.rows, y.columns, y.pitch, y.scale, y.shift, SLOPE, self.out.numbers, self.out.pitch
        )  # fmt: skip


class _Conditions:
    """The convolution of numbers spread over all pixels and of the coordinates, by row and by column."""

    def __init__(self, part: Conditioning) -> None:
        weight = _array(part.expand.weight).astype(np.float64)  # (width, latent + 2, 3, 3)
        phi, eta = (_array(grid).astype(np.float64) for grid in part.coordinates[0])
        self._numbers = np.stack([[_edges(weight, r, c) for c in range(4)] for r in range(4)])[..., :-2]
        by_column = [[_along(_edge(weight, r, 2)[:, -2], phi[0], i) for i in range(phi.shape[1])] for r in range(4)]
        by_row = [[_along(_edge(weight, c, 3)[:, -1], eta[:, 0], y) for c in range(4)] for y in range(len(eta))]
        self.by_column = np.array(by_column, dtype=np.float32).ravel()
        self._by_row = np.array(by_row) + _array(part.expand.bias)
        y = np.arange(len(eta))
        self._kind = 2 * (y > 0) + (y < len(eta) - 1)

    def by_row(self, z: _Numbers) -> _Numbers:
        """With the numbers z (latent,) of an event."""
        values = self._by_row + (self._numbers @ z)[self._kind]
        return np.asarray(values, dtype=np.float32).ravel()


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

    def __init__(self, first: _Image, room: _Room) -> None:
        self._room = room
        self.first = self.last = first
        self._steps: list[_Layer | _PooledLayer] = []

    def add(self, kind: type[_Layer | _PooledLayer], block: nn.Module, *beside: _Image) -> None:
        """Go on with a block that reads the last image."""
        self._steps.append(kind(_is(block, Block), self.last, self._room, *beside))
        self.last = self._steps[-1].out

    def add_stage(self, stage: nn.Module, *, up: bool = False) -> None:
        """A block and a residual pair; with `up` the block is that of the image upsampled by 2."""
        block, pair = stage.children()
        self._steps.append(_Layer(_is(block, Block), self.last, self._room, up=up))
        self.last = self._steps[-1].out
        beside = self.last
        self.add(_Layer, _is(pair, Residual).first)
        self.add(_Layer, _is(pair, Residual).second, beside)

    def run(self) -> None:
        """Fill all images after the first."""
        for step in self._steps:
            step.run()


def _of_each(plan: _Plan, x: Tensor) -> Tensor:
    """What the last image of a plan is for each image of x (n, channels, eta, phi)."""
    out = np.empty((len(x), plan.last.width, plan.last.rows, plan.last.columns), dtype=np.float32)
    with _LOCK:
        for image, found in zip(x.numpy(), out, strict=True):
            plan.first.take(image)
            plan.run()
            found[:] = plan.last.inner().transpose(2, 0, 1)
    return torch.from_numpy(out)


class _CompiledEncoder(nn.Module):
    """A `ResidualEncoder` of images of one size."""

    def __init__(self, part: ResidualEncoder, size: Sequence[int]) -> None:
        super().__init__()
        rows, columns = size
        self._plan = _Plan(_Image(rows, columns, 1), _Room())
        for stage in part.stages:
            self._plan.add_stage(stage)

    def forward(self, x: Tensor) -> Tensor:
        """The features, of shape (n, filters[-1], *deepest)."""
        return _of_each(self._plan, x)


class _CompiledMask(nn.Module):
    """A `MaskEncoder`."""

    def __init__(self, part: MaskEncoder, size: Sequence[int]) -> None:
        super().__init__()
        rows, columns = size
        self._plan = _Plan(_Image(rows, columns, 1), _Room())
        for block in part.stages:
            self._plan.add(_PooledLayer, block)
        self.dense = part.dense

    def forward(self, x: Tensor) -> Tensor:
        """The latent numbers, of shape (n, latent)."""
        result: Tensor = self.dense(_of_each(self._plan, x).flatten(1))
        return result


class _CompiledDecoder(nn.Module):
    """A `ConditionalDecoder`."""

    def __init__(self, part: ConditionalDecoder, size: Sequence[int]) -> None:
        super().__init__()
        self._conditions = [_Conditions(_is(condition, Conditioning)) for condition in part.conditions]
        self._stages: list[tuple[_Image, _Plan]] = []
        rows, columns = deepest(size, len(part.stages))
        width = part.latent
        self._first = image = _Image(rows, columns, width)
        room = _Room()
        for stage in part.stages:
            fused = image.rows % 2 == image.columns % 2 == 0 and min(image.rows, image.columns) >= TILE
            plan = _Plan(image if fused else _Image(2 * image.rows, 2 * image.columns, image.width), room)
            plan.add_stage(stage, up=fused)
            self._stages.append((image, plan))
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
        for place, (image, plan) in enumerate(self._stages):
            size = (image.rows, image.columns, image.width, image.pitch)
            if z is not None:
                condition = self._conditions[place]
                conditioned(image.numbers, *size, condition.by_row(z), condition.by_column)
            if plan.first is not image:
                upsampled(image.numbers, *size, plan.first.numbers, plan.first.pitch)
            plan.run()


class _Last:
    """The convolution of 1 by 1 to the logits of the pixels that are not cropped."""

    def __init__(self, layer: nn.Conv2d, x: _Image, size: Sequence[int]) -> None:
        top, left = margins((x.rows, x.columns), size)
        self.size = tuple(size)
        pixels = [(top + y + 1, left + i + 1) for y in range(size[0]) for i in range(size[1])]
        self._starts = _offsets([*pixels, *[pixels[-1]] * (-len(pixels) % ROWS)], x)
        weight = np.zeros((WIDE, x.width), dtype=np.float32)
        weight[0] = _array(layer.weight).ravel()
        self._x, self._packed, self._bias = x, np.ascontiguousarray(weight.T).ravel(), _array(layer.bias)[0]
        self._out = np.empty(len(self._starts) * WIDE, dtype=np.float32)

    def logits(self) -> _Numbers:
        """Of shape `size`."""
        direct(self._x.numbers, self._starts, np.zeros(1, dtype=np.int64), self._x.width, 1, self._packed, self._out)
        pixels = self._out.reshape(-1, WIDE)[: self.size[0] * self.size[1], 0]
        return np.asarray(pixels.reshape(self.size) + self._bias)


def _offsets(pixels: Sequence[tuple[int, int]], x: _Image) -> npt.NDArray[np.int64]:
    """Where pixels begin among the numbers of an image, its padding counted."""
    return np.array([(y * x.pitch + i) * x.width for y, i in pixels], dtype=np.int64)


def _is(part: nn.Module, kind: type[Module]) -> Module:
    assert isinstance(part, kind)  # noqa: S101  so `hepad.nn.residual` has it
    return part


def _array(values: Tensor | None) -> _Numbers:
    assert values is not None  # noqa: S101  all layers here have weights
    return np.ascontiguousarray(values.detach().numpy(), dtype=np.float32)


_COMPILED: dict[type[nn.Module], Callable[[Any, Sequence[int]], nn.Module]] = {
    ResidualEncoder: _CompiledEncoder,
    MaskEncoder: _CompiledMask,
    ConditionalDecoder: _CompiledDecoder,
}
