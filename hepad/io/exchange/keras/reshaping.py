"""TensorFlow's operations that make shapes, and that change them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.graph import Node, Operand
from hepad.io.exchange.keras.network import Array, Network, Value
from hepad.io.exchange.keras.readers import Reader, array_of, integers_of, registered, value_of
from hepad.io.exchange.keras.tensors import MAX_VALUES
from hepad.io.exchange.keras.variables import TYPES

__all__ = ["RESHAPING"]

RESHAPING: dict[str, Reader] = {}
"""Readers by the names of operations."""


@registered(RESHAPING, "Shape")
def _shape(_: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    return np.array(inputs[0].shape, dtype=TYPES.get(node.attribute("out_type").integer(6), "<i4"))


@registered(RESHAPING, "Reshape")
def _reshape(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    value, target = inputs[0], integers_of(inputs[1])
    if not isinstance(value, Value):
        return value.reshape(target)
    return network.reshape(value, _complete(value.shape, target))


def _complete(shape: Sequence[int], target: Sequence[int]) -> list[int]:
    """A shape that is asked for: the first -1 may be the number of events, one is what is missing."""
    found, total = list(target), math.prod(shape)  # negative: times the number of events
    if found and found[0] == shape[0]:
        found[0] = abs(shape[0])  # the events, so that another -1 is what is missing
        total = abs(total)
    missing = [axis for axis, size in enumerate(found) if size == -1]
    known = math.prod(size for size in found if size != -1)
    if len(missing) > 1 or (missing and (not known or total % known)):
        raise InputDataError(f"a reshape to {list(target)} is not read")
    for axis in missing:
        found[axis] = total // known
    return [target[0], *found[1:]] if total > 0 and found else found


@registered(RESHAPING, "Squeeze")
def _squeeze(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    value, rank = inputs[0], len(inputs[0].shape)
    axes = {axis % rank for axis in node.integers("squeeze_dims")}
    axes = axes or {axis for axis, size in enumerate(value.shape) if size == 1}
    if any(value.shape[axis] != 1 for axis in axes):
        raise InputDataError("it leaves out axes of more than one place")
    shape = [size for axis, size in enumerate(value.shape) if axis not in axes]
    return network.reshape(value, shape) if isinstance(value, Value) else value.reshape(shape)


@registered(RESHAPING, "ExpandDims")
def _expand(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    value = inputs[0]
    (axis,) = integers_of(inputs[1])
    shape = list(value.shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return network.reshape(value, shape) if isinstance(value, Value) else value.reshape(shape)


@registered(RESHAPING, "Transpose")
def _transpose(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    value, order = inputs[0], integers_of(inputs[1])
    if sorted(order) != list(range(len(value.shape))):
        raise InputDataError(f"{order} is no order of its axes")
    return network.transpose(value, order) if isinstance(value, Value) else value.transpose(order)


@registered(RESHAPING, "Pad", "PadV2")
def _pad(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    value, edges = value_of(inputs[0]), integers_of(inputs[1])
    if node.operation == "PadV2" and np.any(array_of(inputs[2])):
        raise InputDataError("a padding with other numbers than 0 is not read")
    return network.padded(value, edges[::2], edges[1::2])


def _joinable(values: Sequence[Operand]) -> list[Array]:
    arrays = [array_of(value) for value in values]
    if sum(array.size for array in arrays) > MAX_VALUES:
        raise InputDataError("its result is too large")
    return arrays


@registered(RESHAPING, "ConcatV2")
def _concat(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    *values, last = inputs
    (axis,) = integers_of(last)
    if any(isinstance(value, Value) for value in values):
        return network.joined([value_of(value) for value in values], axis)
    return np.concatenate(_joinable(values), axis)


@registered(RESHAPING, "Split")
def _split(network: Network, node: Node, inputs: Sequence[Operand]) -> tuple[Operand, ...]:
    """Equal parts along an axis."""
    (axis,), value, count = integers_of(inputs[0]), value_of(inputs[1]), node.integer("num_split")
    axis %= len(value.shape)
    if axis == 0 or not 0 < count <= value.shape[axis] or value.shape[axis] % count:
        raise InputDataError(f"a value of shape {value.shape[1:]} in {count} parts is not read")
    width = value.shape[axis] // count
    whole, starts = [slice(None, None, 1)] * axis, range(0, value.shape[axis], width)
    return tuple(_cropped(network, value, [*whole, slice(first, first + width, 1)]) for first in starts)


@registered(RESHAPING, "Pack")
def _pack(_: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    return np.stack(_joinable(inputs), axis=node.integer("axis"))


@registered(RESHAPING, "Tile")
def _tile(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    value, times = inputs[0], integers_of(inputs[1])
    if isinstance(value, Value):
        return network.tiled(value, times)
    if min(times, default=1) < 0 or value.size * math.prod(times) > MAX_VALUES:
        raise InputDataError("its result is too large")
    return np.tile(value, times)


@registered(RESHAPING, "Fill")
def _fill(_: Network, __: Node, inputs: Sequence[Operand]) -> Operand:
    """One number as often as asked; where that depends on the number of events, it stands for all."""
    shape, number = integers_of(inputs[0]), array_of(inputs[1])
    if number.ndim or math.prod(map(abs, shape)) > MAX_VALUES:
        raise InputDataError("its result is too large")
    return number if min(shape, default=0) < 0 else np.full(shape, number)


@registered(RESHAPING, "GatherV2")
def _gather(_: Network, __: Node, inputs: Sequence[Operand]) -> Operand:
    array, places = array_of(inputs[0]), array_of(inputs[1])
    (axis,) = integers_of(inputs[2])
    if places.size * max(array.size, 1) > MAX_VALUES:
        raise InputDataError("its result is too large")
    return np.take(array, places, axis=axis)


@registered(RESHAPING, "StridedSlice")
def _slice(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    value = inputs[0]
    begin, end, steps = (integers_of(one) for one in inputs[1:4])
    masks = {name: node.integer(f"{name}_mask") for name in ("begin", "end", "shrink_axis")}
    if node.integer("ellipsis_mask") or node.integer("new_axis_mask") or not len(begin) == len(end) == len(steps):
        raise InputDataError("a slice with new or unnamed axes is not read")
    places: list[slice | int] = []
    for axis, (first, last, step) in enumerate(zip(begin, end, steps, strict=True)):
        if masks["shrink_axis"] >> axis & 1:
            places.append(first)
        else:
            start = None if masks["begin"] >> axis & 1 else first
            places.append(slice(start, None if masks["end"] >> axis & 1 else last, step))
    if not isinstance(value, Value):
        return np.asarray(value[tuple(places)])
    return _cropped(network, value, places)


def _cropped(network: Network, value: Value, places: Sequence[slice | int]) -> Value:
    before, after = [0] * len(value.shape), [0] * len(value.shape)
    for axis, place in enumerate(places):
        if not isinstance(place, slice) or place.step != 1 or (axis == 0 and (place.start or place.stop is not None)):
            raise InputDataError("a slice that picks single places, steps, or events is not read")
        if axis:
            first, last, _ = place.indices(value.shape[axis])
            before[axis], after[axis] = -first, last - value.shape[axis]
    return network.padded(value, before, after)


@registered(RESHAPING, "SpaceToBatchND")
def _space_to_batch(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    """Every n-th place as an event of its own, as TensorFlow makes convolutions that leave out places."""
    value, blocks, edges = value_of(inputs[0]), integers_of(inputs[1]), integers_of(inputs[2])
    rest = [0] * (len(value.shape) - 1 - len(blocks))
    value = network.padded(value, [0, *edges[::2], *rest], [0, *edges[1::2], *rest])
    events, places, channels = value.shape[0], value.shape[1 : 1 + len(blocks)], value.shape[1 + len(blocks) :]
    left = [length // block for length, block in zip(places, blocks, strict=True)]
    parted = [one for pair in zip(left, blocks, strict=True) for one in pair]
    value = network.reshape(value, [events, *parted, *channels])
    count = len(blocks)
    order = [*range(2, 2 * count + 1, 2), 0, *range(1, 2 * count, 2), *range(2 * count + 1, len(value.shape))]
    return network.reshape(network.transpose(value, order), [events * math.prod(blocks), *left, *channels])


@registered(RESHAPING, "BatchToSpaceND")
def _batch_to_space(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    """The other way."""
    value, blocks, edges = value_of(inputs[0]), integers_of(inputs[1]), integers_of(inputs[2])
    count, rest = len(blocks), [0] * (len(value.shape) - 1 - len(blocks))
    events = -(abs(value.shape[0]) // math.prod(blocks))
    places, channels = value.shape[1 : 1 + count], value.shape[1 + count :]
    parted = network.reshape(value, [*blocks, events, *places, *channels])
    pairs = [one for axis in range(count) for one in (count + 1 + axis, axis)]
    turned = network.transpose(parted, [count, *pairs, *range(2 * count + 1, len(parted.shape))])
    whole = [length * block for length, block in zip(places, blocks, strict=True)]
    value = network.reshape(turned, [events, *whole, *channels])
    return network.padded(value, [0, *(-n for n in edges[::2]), *rest], [0, *(-n for n in edges[1::2]), *rest])
