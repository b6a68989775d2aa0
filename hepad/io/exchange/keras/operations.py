"""TensorFlow's operations that are read: of numbers alone by numpy, of values of events as a network's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.graph import Node, Operand
from hepad.io.exchange.keras.network import Array, Network, Value, Window
from hepad.io.exchange.keras.readers import Reader, array_of, integers_of, registered, value_of
from hepad.io.exchange.keras.reshaping import RESHAPING
from hepad.io.exchange.keras.tensors import MAX_VALUES, tensor
from hepad.io.exchange.keras.variables import TYPES

__all__ = ["apply_operation"]

_READERS: dict[str, Reader] = dict(RESHAPING)


def apply_operation(network: Network, node: Node, inputs: Sequence[Operand]) -> tuple[Operand, ...]:
    """What an operation gives; `InputDataError` if it is not read."""
    reader = _READERS.get(node.operation)
    if reader is None:
        raise InputDataError(f"it is not read: known are {', '.join(sorted(_READERS))}")
    if node.text("data_format", "NHWC") not in {"NHWC", "NWC"} and node.operation != "FusedBatchNormV3":
        raise InputDataError(f"data_format {node.text('data_format')} is not read")
    try:
        with np.errstate(all="ignore"):
            results = reader(network, node, inputs)
    except InputDataError:
        raise
    except (ValueError, IndexError, TypeError, OverflowError, ZeroDivisionError, MemoryError) as error:
        raise InputDataError(f"its inputs do not fit ({str(error)[:100]})") from error
    return results if isinstance(results, tuple) else (results,)


@registered(_READERS, "Const")
def _const(_: Network, node: Node, __: Sequence[Operand]) -> Operand:
    return tensor(node.attribute("value").message(8))


@registered(_READERS, "Identity", "ReadVariableOp", "StopGradient", "PreventGradient", "CheckNumerics")
def _same(_: Network, __: Node, inputs: Sequence[Operand]) -> Operand:
    return inputs[0]


@registered(_READERS, "Cast")
def _cast(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    kind = node.attribute("DstT").integer(6)
    if isinstance(inputs[0], Value):
        if kind != 1:
            raise InputDataError(f"events in type {kind} are not read; single precision is")
        return network.unary("Cast", inputs[0], to=1)  # it may be a comparison
    if kind not in TYPES:
        raise InputDataError(f"type {kind} is not read")
    if inputs[0].dtype.kind == "i" and np.dtype(TYPES[kind]).kind == "f" and inputs[0].min(initial=0) < 0:
        raise InputDataError("a number is made of the number of events")
    return inputs[0].astype(TYPES[kind])


_UNARY: dict[str, tuple[str, Callable[[Array], Array] | None]] = {
    "Neg": ("Neg", np.negative),
    "Exp": ("Exp", np.exp),
    "Log": ("Log", np.log),
    "Abs": ("Abs", np.abs),
    "Sqrt": ("Sqrt", np.sqrt),
    "Erf": ("Erf", None),
    "Relu": ("Relu", lambda x: np.maximum(x, 0)),
    "Selu": ("Selu", None),
    "Tanh": ("Tanh", np.tanh),
    "Sigmoid": ("Sigmoid", lambda x: 1 / (1 + np.exp(-x))),
    "Softplus": ("Softplus", None),
    "Softsign": ("Softsign", None),
}
"""ONNX's operators, and numpy's functions where there are."""


@registered(_READERS, *_UNARY)
def _unary(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    operator, function = _UNARY[node.operation]
    if isinstance(inputs[0], Value):
        return network.unary(operator, inputs[0])
    if function is None:
        raise InputDataError("of numbers that do not depend on the event it is not read")
    return function(inputs[0])


@registered(_READERS, "Rsqrt")
def _rsqrt(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    if isinstance(inputs[0], Value):
        return network.unary("Reciprocal", network.unary("Sqrt", inputs[0]))
    return np.asarray(1 / np.sqrt(inputs[0]), dtype=inputs[0].dtype)


@registered(_READERS, "Erfc")
def _erfc(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.binary("Sub", np.float32(1), network.unary("Erf", value_of(inputs[0])))


@registered(_READERS, "Square")
def _square(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return _elementwise(network, "Mul", np.multiply, inputs[0], inputs[0])


@registered(_READERS, "SquaredDifference")
def _squared_difference(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    difference = _elementwise(network, "Sub", np.subtract, inputs[0], inputs[1])
    return _elementwise(network, "Mul", np.multiply, difference, difference)


@registered(_READERS, "Relu6")
def _relu6(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.clip(value_of(inputs[0]), 0, 6)


@registered(_READERS, "LeakyRelu")
def _leaky_relu(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    return network.unary("LeakyRelu", value_of(inputs[0]), alpha=node.number("alpha", 0.2))


@registered(_READERS, "Elu")
def _elu(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.unary("Elu", value_of(inputs[0]), alpha=1.0)


@registered(_READERS, "Softmax")
def _softmax(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.unary("Softmax", value_of(inputs[0]), axis=-1)


_BINARY: dict[str, tuple[str, Callable[[Array, Array], Array]]] = {
    "Add": ("Add", np.add),
    "AddV2": ("Add", np.add),
    "Sub": ("Sub", np.subtract),
    "Mul": ("Mul", np.multiply),
    "RealDiv": ("Div", np.divide),
    "FloorDiv": ("Div", np.floor_divide),
    "Maximum": ("Max", np.maximum),
    "Minimum": ("Min", np.minimum),
    "Pow": ("Pow", np.power),
}


@registered(_READERS, *_BINARY)
def _binary(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    operator, function = _BINARY[node.operation]
    one, two = inputs
    if node.operation == "FloorDiv":
        one, two = array_of(one), array_of(two)
    return _elementwise(network, operator, function, one, two)


def _elementwise(
    network: Network, operator: str, function: Callable[[Array, Array], Array], one: Operand, two: Operand
) -> Operand:
    if isinstance(one, Value) or isinstance(two, Value):
        return network.binary(operator, one, two)
    if math.prod(np.broadcast_shapes(one.shape, two.shape)) > MAX_VALUES:
        raise InputDataError("its result is too large")
    if one.dtype.kind == "i" and operator != "Mul" and (min(one.min(initial=0), two.min(initial=0)) < 0):
        raise InputDataError("a size is made of the number of events")
    return np.asarray(function(one, two), dtype=one.dtype)


@registered(_READERS, "BiasAdd")
def _bias_add(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.binary("Add", value_of(inputs[0]), array_of(inputs[1]))


@registered(_READERS, "MatMul", "BatchMatMulV2")
def _matmul(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    if node.flag("transpose_a") or node.flag("adj_x"):
        raise InputDataError("a transposed value is not read")
    kernel = array_of(inputs[1])
    turned = node.flag("transpose_b") or node.flag("adj_y")
    return network.dense(value_of(inputs[0]), kernel.T if turned else kernel)


def _window(node: Node, size: Sequence[int]) -> Window:
    """Of steps and distances along (events, rows, columns, channels)."""
    strides, dilations = node.integers("strides"), node.integers("dilations") or [1, 1, 1, 1]
    values = (*strides, *dilations, *size)
    if len(strides) != 4 or len(dilations) != 4 or len(size) != 2 or min(values) < 1 or max(values) > 4096:
        raise InputDataError(f"strides {strides} and dilations {dilations} are not read")
    if {strides[0], strides[3], dilations[0], dilations[3]} != {1}:
        raise InputDataError("steps along events or channels are not read")
    return Window(tuple(size), tuple(strides[1:3]), tuple(dilations[1:3]), node.text("padding").lower())


@registered(_READERS, "Conv2D")
def _conv(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    kernel = array_of(inputs[1])
    return network.convolution(value_of(inputs[0]), kernel, _window(node, kernel.shape[:2]))


@registered(_READERS, "DepthwiseConv2dNative")
def _depthwise(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    kernel = array_of(inputs[1])
    return network.depthwise(value_of(inputs[0]), kernel, _window(node, kernel.shape[:2]))


@registered(_READERS, "Conv2DBackpropInput")
def _transposed(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    sizes, kernel = integers_of(inputs[0]), array_of(inputs[1])
    places = sizes if len(sizes) == 2 else sizes[1:3]
    return network.transposed(value_of(inputs[2]), kernel, _window(node, kernel.shape[:2]), places)


@registered(_READERS, "MaxPool", "AvgPool")
def _pool(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    size = node.integers("ksize")
    if len(size) != 4 or size[0] != 1 or size[3] != 1:
        raise InputDataError(f"a pool of {size} is not read")
    operator = "MaxPool" if node.operation == "MaxPool" else "AveragePool"
    return network.pool(operator, value_of(inputs[0]), _window(node, size[1:3]))


@registered(_READERS, "ResizeNearestNeighbor")
def _resize(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    value = value_of(inputs[0])
    for axis, size in enumerate(integers_of(inputs[1]), start=1):
        if size % value.shape[axis]:
            raise InputDataError(f"{value.shape[axis]} places become {size}: whole multiples are read")
        times = size // value.shape[axis]
        value = value if times == 1 else network.repeated(value, axis, times)
    return value


@registered(_READERS, "FusedBatchNormV3", "FusedBatchNormV2", "FusedBatchNorm")
def _batch_norm(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    value = value_of(inputs[0])
    gain, shift, mean, variance = (array_of(one).astype(np.float64) for one in inputs[1:5])
    epsilon = node.number("epsilon", 1e-4)
    if node.flag("is_training", True):  # so Keras 2 normalises layers: each row is a channel of one event
        if node.text("data_format") != "NCHW" or value.shape[0] != 1 or gain.ndim or shift.ndim:
            raise InputDataError("it normalises by the events at hand; save the model for inference")
        value = network.normalised(value, (2, 3), epsilon)
    else:
        if node.text("data_format", "NHWC") != "NHWC" or variance.min(initial=0) < 0:
            raise InputDataError("channels before places, or a negative variance, are not read")
        gain = gain / np.sqrt(variance + epsilon)
        shift = shift - gain * mean
    scaled = network.binary("Mul", value, gain.astype(np.float32))
    return network.binary("Add", scaled, shift.astype(np.float32))


@registered(_READERS, "Mean", "Sum", "Max", "Prod")
def _reduce(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    axes, keep = integers_of(inputs[1]), node.flag("keep_dims")
    if not isinstance(inputs[0], Value):
        function = {"Mean": np.mean, "Sum": np.sum, "Max": np.max, "Prod": np.prod}[node.operation]
        if node.operation != "Prod" and inputs[0].dtype.kind == "i" and inputs[0].min(initial=0) < 0:
            raise InputDataError("a size is made of the number of events")
        return np.asarray(function(inputs[0], axis=tuple(axes), keepdims=keep), dtype=inputs[0].dtype)  # type: ignore[operator]
    value = inputs[0]
    if node.operation == "Prod":
        raise InputDataError("a product of values is not read")
    result = network.mean(value, axes, keep=keep, operator="ReduceMax" if node.operation == "Max" else "ReduceMean")
    if node.operation != "Sum":
        return result
    return network.binary("Mul", result, np.float32(math.prod(value.shape[axis] for axis in axes)))


_COMPARED = {
    "Greater": "Greater", "GreaterEqual": "GreaterOrEqual", "Less": "Less", "LessEqual": "LessOrEqual",
}  # fmt: skip


@registered(_READERS, *_COMPARED)
def _compare(network: Network, node: Node, inputs: Sequence[Operand]) -> Operand:
    one, two = inputs
    return network.binary(_COMPARED[node.operation], value_of(one), two)


@registered(_READERS, "SelectV2")
def _select(network: Network, _: Node, inputs: Sequence[Operand]) -> Operand:
    return network.chosen(value_of(inputs[0]), inputs[1], inputs[2])
