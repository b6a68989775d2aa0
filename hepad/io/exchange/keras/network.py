"""A network in the making, as an ONNX graph: the layers of Keras, whose last axis is that of the channels.

ONNX, as torch, has the channels before the places: kernels are turned for good, values around each convolution.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.exchange.keras.limits import Budget
from hepad.io.exchange.onnx_builder import OnnxGraph

__all__ = ["Array", "Network", "Value", "Window"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Value:
    """What a layer gives: its name in the graph and its shape, the first of which is the number of events, -1."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Where a convolution or a pooling looks: sizes, steps and distances along each axis, and `same` or `valid`."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str

    def pads(self, places: Sequence[int]) -> list[int]:
        """What is added before and after the places, all that is before first."""
        before, after = [], []
        for axis, length in enumerate(places):
            span = (self.size[axis] - 1) * self.dilations[axis] + 1
            total = 0
            if self.padding == "same":
                total = max((math.ceil(length / self.strides[axis]) - 1) * self.strides[axis] + span - length, 0)
            elif self.padding == "causal":
                total = span - 1
            elif self.padding != "valid":
                raise InputDataError(f"padding {self.padding!r} is not known")
            first = total if self.padding == "causal" else total // 2
            before.append(first)
            after.append(total - first)
        return [*before, *after]

    def places(self, places: Sequence[int]) -> tuple[int, ...]:
        """How many there are of them afterwards."""
        pads, rank, found = self.pads(places), len(places), []
        for axis, length in enumerate(places):
            span = (self.size[axis] - 1) * self.dilations[axis] + 1
            left = length + pads[axis] + pads[rank + axis] - span
            if left < 0:
                raise InputDataError(f"a window of {span} is larger than the {length} places that it looks at")
            found.append(left // self.strides[axis] + 1)
        return tuple(found)


class Network:
    """Layers, each of which takes a value and gives one; events are along the first axis of all.

    `image` is the shape (channels, rows, columns) of what a row holds, where that is an image with its channels first:
    it is turned for the layers, and so is an image that they give.
    """

    def __init__(self, image: tuple[int, ...] | None = None) -> None:
        self._image = image
        self.graph = OnnxGraph("onnx")
        self.inputs = 0
        self._budget = Budget()

    def number(self, array: npt.ArrayLike, dtype: str = "float32") -> str:
        """The name of numbers, of at most as many as an ONNX file may have."""
        array = np.asarray(array, dtype=dtype)
        self._budget.take(array.nbytes, "the network")
        return self.graph.number(array, dtype)

    def input(self, shape: Sequence[int]) -> Value:
        """The input, of a shape without the events; a row has its numbers in the order of the network's memory, or of
        `image`.
        """
        shape = tuple(shape)
        if not shape or min(shape) < 1 or math.prod(shape) > 1 << 24:
            raise InputDataError(f"an input of shape {shape} is open, empty or too large; hepad needs a fixed one")
        self.inputs = math.prod(shape)
        value = Value("x", (-1, self.inputs))
        if self._image is not None and len(shape) == 3:
            if shape != (*self._image[1:], self._image[0]):
                raise InputDataError(
                    f"its input has shape {shape}, channels last; the image has {self._image}, channels first"
                )
            return self.transpose(self.reshape(value, (-1, *self._image)), (0, 2, 3, 1))
        return value if len(shape) == 1 else self.reshape(value, (-1, *shape))

    def to_bytes(self, output: Value) -> bytes:
        """The ONNX file, of input `x` (events, inputs) and output `output` (events, outputs)."""
        width = math.prod(output.shape[1:])
        if output.shape[0] != -1 or width < 1:
            raise InputDataError(f"an output of shape {output.shape} is not one of each event")
        if self._image is not None and len(output.shape) == 4:
            output = self.transpose(output, (0, 3, 1, 2))
        self.graph.add("Reshape", output.name, self._integers([-1, width]), name="output")
        return self.graph.to_bytes("network", self.inputs, {"output": (width,)})

    def reshape(self, value: Value, shape: Sequence[int]) -> Value:
        """The same numbers in another shape, the first of which is -1 (times something) for the events."""
        shape = tuple(shape)
        if math.prod(map(abs, shape)) != math.prod(map(abs, value.shape)):
            raise InputDataError(f"{value.shape[1:]} numbers cannot have the shape {shape[1:]}")
        asked = [-1 if size < 0 else size for size in shape]
        return Value(self.graph.add("Reshape", value.name, self._integers(asked)), shape)

    def transpose(self, value: Value, order: Sequence[int]) -> Value:
        """The axes in another order."""
        name = self.graph.add("Transpose", value.name, perm=list(order))
        return Value(name, tuple(value.shape[axis] for axis in order))

    def unary(self, operator: str, value: Value, **attributes: Any) -> Value:
        """A function of each number (or along an axis, which keeps the shape)."""
        if "axis" in attributes:
            _check_apart(value, [attributes["axis"]])
        return Value(self.graph.add(operator, value.name, **attributes), value.shape)

    def binary(self, operator: str, one: Value | Array, two: Value | Array) -> Value:
        """A function of two values, or of one and numbers, one of which is broadcast to the other."""
        shapes = [tuple(side.shape) for side in (one, two)]
        names = [side.name if isinstance(side, Value) else self.number(side) for side in (one, two)]
        return Value(self.graph.add(operator, *names), _broadcast(*shapes))

    def chosen(self, condition: Value, one: Value | Array, two: Value | Array) -> Value:
        """`one` where a condition holds, else `two`, each broadcast to it."""
        names = [side.name if isinstance(side, Value) else self.number(side) for side in (one, two)]
        shape = _broadcast(condition.shape, _broadcast(tuple(one.shape), tuple(two.shape)))
        return Value(self.graph.add("Where", condition.name, *names), shape)

    def clip(self, value: Value, low: float, high: float) -> Value:
        """Each number within two bounds."""
        names = (self.number(low), self.number(high))
        return Value(self.graph.add("Clip", value.name, *names), value.shape)

    def mean(self, value: Value, axes: Sequence[int], *, keep: bool, operator: str = "ReduceMean") -> Value:
        """The mean (or maximum) along axes that are not the events'."""
        axes = sorted(axis % len(value.shape) for axis in axes)
        _check_apart(value, axes)
        name = self.graph.add(operator, value.name, axes=axes, keepdims=int(keep))
        shape = [1 if i in axes else size for i, size in enumerate(value.shape) if keep or i not in axes]
        return Value(name, tuple(shape))

    def dense(self, value: Value, kernel: Array, bias: Array | None = None) -> Value:
        """kernel (inputs, outputs) along the last axis."""
        if kernel.ndim != 2 or value.shape[-1] != kernel.shape[0]:
            raise InputDataError(f"a matrix of shape {kernel.shape} does not fit {value.shape[-1]} numbers")
        result = Value(self.graph.add("MatMul", value.name, self.number(kernel)), (*value.shape[:-1], kernel.shape[1]))
        return result if bias is None else self.binary("Add", result, bias)

    def convolution(self, value: Value, kernel: Array, window: Window) -> Value:
        """kernel (*places, inputs / groups, outputs) over the places of (events, *places, inputs)."""
        rank = len(value.shape) - 2
        if rank < 1 or kernel.ndim != rank + 2 or value.shape[-1] % max(kernel.shape[-2], 1):
            raise InputDataError(f"a kernel of shape {kernel.shape} does not fit a value of shape {value.shape[1:]}")
        turned = np.moveaxis(kernel, (-1, -2), (0, 1))
        places = value.shape[1:-1]
        return self._placed(
            "Conv",
            value,
            (self.number(turned),),
            (*window.places(places), kernel.shape[-1]),
            kernel_shape=list(window.size),
            strides=list(window.strides),
            dilations=list(window.dilations),
            pads=window.pads(places),
            group=value.shape[-1] // kernel.shape[-2],
        )

    def depthwise(self, value: Value, kernel: Array, window: Window) -> Value:
        """kernel (*places, inputs, multiplier), each channel by itself."""
        if kernel.shape[-2] != value.shape[-1]:
            raise InputDataError(f"a kernel of shape {kernel.shape} does not fit {value.shape[-1]} channels")
        return self.convolution(value, kernel.reshape(*kernel.shape[:-2], 1, -1), window)

    def transposed(self, value: Value, kernel: Array, window: Window, places: Sequence[int] | None = None) -> Value:
        """kernel (*places, outputs, inputs), what a convolution from `places` to the value's does, the other way."""
        here, rank = value.shape[1:-1], len(value.shape) - 2
        if kernel.ndim != rank + 2 or kernel.shape[-1] != value.shape[-1]:
            raise InputDataError(f"a kernel of shape {kernel.shape} does not fit a value of shape {value.shape[1:]}")
        if places is None:
            pairs = [
                length * step if window.padding == "same" else length * step + max(size - step, 0)
                for length, step, size in zip(here, window.strides, window.size, strict=True)
            ]
            places = tuple(pairs)
        if any(step != 1 for step in window.dilations) or window.places(places) != tuple(here):
            raise InputDataError(f"a transposed convolution from {here} to {tuple(places)} places is not read")
        pads = window.pads(places)
        missing = [
            places[i] - ((here[i] - 1) * window.strides[i] + window.size[i] - pads[i] - pads[rank + i])
            for i in range(rank)
        ]
        return self._placed(
            "ConvTranspose",
            value,
            (self.number(np.moveaxis(kernel, (-1, -2), (0, 1))),),
            (*places, kernel.shape[-2]),
            kernel_shape=list(window.size),
            strides=list(window.strides),
            pads=pads,
            output_padding=missing,
        )

    def pool(self, operator: str, value: Value, window: Window) -> Value:
        """`MaxPool` or `AveragePool`, which leaves out what is added at the edges."""
        places = value.shape[1:-1]
        more = {"count_include_pad": 0} if operator == "AveragePool" else {}
        return self._placed(
            operator,
            value,
            (),
            (*window.places(places), value.shape[-1]),
            kernel_shape=list(window.size),
            strides=list(window.strides),
            pads=window.pads(places),
            **more,
        )

    def repeated(self, value: Value, axis: int, times: int) -> Value:
        """Each place along an axis so many times."""
        wide = (*value.shape[: axis + 1], 1, *value.shape[axis + 1 :])
        tiled = self.tiled(self.reshape(value, wide), [times if i == axis + 1 else 1 for i in range(len(wide))])
        return self.reshape(tiled, tuple(n * times if i == axis else n for i, n in enumerate(value.shape)))

    def tiled(self, value: Value, times: Sequence[int]) -> Value:
        """The value repeated along each axis."""
        shape = tuple(size * count for size, count in zip(value.shape, times, strict=True))
        if times[0] != 1 or min(times) < 1 or math.prod(shape[1:]) > 1 << 24:
            raise InputDataError(f"a repetition {tuple(times)} of events, of nothing, or of too much")
        return Value(self.graph.add("Tile", value.name, self._integers(times)), shape)

    def padded(self, value: Value, before: Sequence[int], after: Sequence[int]) -> Value:
        """Zeros before and after the places of each axis; cut off where negative."""
        shape = tuple(size if size < 0 else size + b + a for size, b, a in zip(value.shape, before, after, strict=True))
        if before[0] or after[0] or min(shape[1:]) < 1 or math.prod(shape[1:]) > 1 << 24:
            raise InputDataError(f"a padding of {tuple(before)} and {tuple(after)} leaves nothing or too much")
        return Value(self.graph.add("Pad", value.name, self._integers([*before, *after])), shape)

    def joined(self, values: Sequence[Value], axis: int) -> Value:
        """Values side by side."""
        axis %= len(values[0].shape)
        others = {tuple(size for i, size in enumerate(value.shape) if i != axis) for value in values}
        if axis == 0 or len(others) != 1:
            raise InputDataError("values of different shapes are put side by side")
        shape = list(values[0].shape)
        shape[axis] = sum(value.shape[axis] for value in values)
        return Value(self.graph.add("Concat", *(value.name for value in values), axis=axis), tuple(shape))

    def normalised(self, value: Value, axes: Sequence[int], epsilon: float) -> Value:
        """(x - mean) / sqrt(variance + epsilon) along axes."""
        centred = self.binary("Sub", value, self.mean(value, axes, keep=True))
        variance = self.mean(self.binary("Mul", centred, centred), axes, keep=True)
        spread = self.unary("Sqrt", self.binary("Add", variance, np.float32(epsilon)))
        return self.binary("Div", centred, spread)

    def _placed(
        self, operator: str, value: Value, weights: tuple[str, ...], shape: tuple[int, ...], **attributes: Any
    ) -> Value:
        """An operator that has the channels before the places."""
        rank = len(value.shape)
        if min(shape) < 1 or math.prod(shape) > 1 << 24:
            raise InputDataError(f"a value of shape {shape} is empty or too large")
        turned = self.transpose(value, [0, rank - 1, *range(1, rank - 1)])
        name = self.graph.add(operator, turned.name, *weights, **attributes)
        return self.transpose(Value(name, (value.shape[0], shape[-1], *shape[:-1])), [0, *range(2, rank), 1])

    def _integers(self, values: Sequence[int]) -> str:
        return self.number(list(values), "int64")


def _check_apart(value: Value, axes: Sequence[int]) -> None:
    """No function along the events, whichever axis they are along."""
    if any(value.shape[axis] < 0 for axis in axes):
        raise InputDataError("what is computed along the events depends on all events of a file")


def _broadcast(one: tuple[int, ...], two: tuple[int, ...]) -> tuple[int, ...]:
    rank = max(len(one), len(two))
    sides = [(1,) * (rank - len(shape)) + shape for shape in (one, two)]
    found = []
    for a, b in zip(*sides, strict=True):
        if a != b and 1 not in {a, b}:
            raise InputDataError(f"values of shapes {one[1:]} and {two[1:]} do not fit together")
        found.append(b if a == 1 else a)
    if math.prod(map(abs, found)) > 1 << 24:
        raise InputDataError(f"a value of shape {tuple(found)[1:]} is too large")
    return tuple(found)
