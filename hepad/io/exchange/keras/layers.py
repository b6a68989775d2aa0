"""The layers of Keras that are read, each by its class's name."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.activations import activated, leaky, named, rectified
from hepad.io.exchange.keras.layer import Layer
from hepad.io.exchange.keras.network import Array, Network, Value, Window
from hepad.io.exchange.keras.normalisation import batch_normalization, layer_normalization, normalization

__all__ = ["LAYERS", "MERGES", "apply_layer", "check_known"]

_IDENTITIES = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout",
    "ActivityRegularization", "InputLayer",
)  # fmt: skip
_Placed = Callable[[Network, Value, Array, Window], Value]


def check_known(kind: str) -> None:
    """`InputDataError` that lists the classes of layers that are read, unless this is one."""
    if kind == "Lambda":
        raise InputDataError("a Lambda is Python code, which hepad does not run: save the network without it")
    if kind not in LAYERS and kind not in MERGES:
        raise InputDataError(f"this class is not read: known are {', '.join(sorted((*LAYERS, *MERGES)))}")


def apply_layer(network: Network, layer: Layer, values: Sequence[Value]) -> Value:
    """What a layer of a known class makes of its inputs; `InputDataError` names layer and fault."""
    try:
        if layer.settings.get("data_format") == "channels_first":
            raise InputDataError("data_format channels_first is not read")
        if layer.kind in MERGES:
            return MERGES[layer.kind](network, layer, values)
        if len(values) != 1:
            raise InputDataError(f"it has {len(values)} inputs")
        return LAYERS[layer.kind](network, layer, values[0])
    except InputDataError as error:
        raise InputDataError(f"layer {layer.name[:60]!r} ({layer.kind[:60]}): {error}") from error


def _activate(network: Network, layer: Layer, value: Value, key: str = "activation") -> Value:
    name, settings = named(layer.settings.get(key))
    if name in _ACTIVATION_LAYERS:
        return _ACTIVATION_LAYERS[name](network, Layer(name, layer.name, settings, layer.keras, {}), value)
    return activated(network, value, name, keras=layer.keras)


def _biased(network: Network, layer: Layer, value: Value) -> Value:
    if layer.settings.get("use_bias", True):
        bias = layer.weight("bias")
        if bias.shape != value.shape[-1:]:
            raise InputDataError(f"its bias has shape {bias.shape}, not {value.shape[-1:]}")
        value = network.binary("Add", value, bias)
    return _activate(network, layer, value)


def _dense(network: Network, layer: Layer, value: Value) -> Value:
    return _biased(network, layer, network.dense(value, layer.weight("kernel")))


def _window(layer: Layer, rank: int, size: str = "kernel_size", strides: Any = 1) -> Window:
    shape = layer.sizes(size, rank, 2)
    return Window(
        shape,
        layer.sizes("strides", rank, shape if strides is None else strides),
        layer.sizes("dilation_rate", rank),
        str(layer.settings.get("padding", "valid")),
    )


def _places(value: Value, rank: int) -> int:
    if len(value.shape) != rank + 2:
        raise InputDataError(f"it needs {rank} axes and channels, it is given {value.shape[1:]}")
    return rank


def _convolution(rank: int, placed: _Placed = Network.convolution) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        window = _window(layer, _places(value, rank))
        kernel = _fitting(layer.weight("kernel"), window)
        return _biased(network, layer, placed(network, value, kernel, window))

    return made


def _separable(rank: int) -> Callable[[Network, Layer, Value], Value]:
    ones = (1,) * rank
    point = Window(ones, ones, ones, "valid")

    def made(network: Network, layer: Layer, value: Value) -> Value:
        window = _window(layer, _places(value, rank))
        value = network.depthwise(value, _fitting(layer.weight("depthwise_kernel"), window), window)
        kernel = _fitting(layer.weight("pointwise_kernel"), point)
        return _biased(network, layer, network.convolution(value, kernel, point))

    return made


def _transposed(rank: int) -> Callable[[Network, Layer, Value], Value]:
    convolution = _convolution(rank, Network.transposed)

    def made(network: Network, layer: Layer, value: Value) -> Value:
        if layer.settings.get("output_padding") is not None:
            raise InputDataError("output_padding is not read")
        return convolution(network, layer, value)

    return made


def _fitting(kernel: Array, window: Window) -> Array:
    if kernel.shape[:-2] != window.size:
        raise InputDataError(f"its kernel has shape {kernel.shape}, its kernel_size is {window.size}")
    return kernel


def _pool(operator: str, rank: int) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        return network.pool(operator, value, _window(layer, _places(value, rank), "pool_size", None))

    return made


def _global(operator: str, rank: int) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        axes = range(1, 1 + _places(value, rank))
        return network.mean(value, list(axes), keep=bool(layer.settings.get("keepdims", False)), operator=operator)

    return made


def _upsampling(rank: int) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        if layer.settings.get("interpolation", "nearest") != "nearest":
            raise InputDataError(f"interpolation {layer.settings['interpolation']!s:.40} is not read, nearest is")
        for axis, times in enumerate(layer.sizes("size", _places(value, rank), 2), start=1):
            value = value if times == 1 else network.repeated(value, axis, times)
        return value

    return made


def _edges(layer: Layer, key: str, rank: int) -> tuple[list[int], list[int]]:
    """What is added (or cut off) before and after each of the places."""
    given = layer.settings.get(key, 1)
    pairs: Any = [given] * rank if isinstance(given, int) else given
    if rank == 1 and isinstance(pairs, list | tuple) and len(pairs) == 2:
        pairs = [pairs]
    pairs = [[one, one] if isinstance(one, int) else one for one in pairs] if isinstance(pairs, list | tuple) else []
    flat = [one for pair in pairs for one in (pair if isinstance(pair, list | tuple) else ())]
    if len(pairs) != rank or len(flat) != 2 * rank or any(not isinstance(n, int) or not 0 <= n <= 4096 for n in flat):
        raise InputDataError(f"its {key} {str(given)[:40]} is not understood")
    return [0, *flat[::2], 0], [0, *flat[1::2], 0]


def _padding(rank: int) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        return network.padded(value, *_edges(layer, "padding", _places(value, rank)))

    return made


def _cropping(rank: int) -> Callable[[Network, Layer, Value], Value]:
    def made(network: Network, layer: Layer, value: Value) -> Value:
        before, after = _edges(layer, "cropping", _places(value, rank))
        return network.padded(value, [-n for n in before], [-n for n in after])

    return made


def _flatten(network: Network, _: Layer, value: Value) -> Value:
    return network.reshape(value, (-1, math.prod(value.shape[1:])))


def _reshape(network: Network, layer: Layer, value: Value) -> Value:
    target = layer.settings.get("target_shape")
    if not isinstance(target, list | tuple) or any(not isinstance(n, int) or n == 0 or n < -1 for n in target):
        raise InputDataError(f"its target_shape {str(target)[:40]} is not understood")
    known = math.prod(n for n in target if n > 0)
    missing = math.prod(value.shape[1:]) // known
    return network.reshape(value, (-1, *(missing if n < 0 else n for n in target)))


def _permute(network: Network, layer: Layer, value: Value) -> Value:
    order = layer.settings.get("dims")
    if not isinstance(order, list | tuple) or sorted(map(str, order)) != sorted(map(str, range(1, len(value.shape)))):
        raise InputDataError(f"its dims {str(order)[:40]} is no order of {len(value.shape) - 1} axes")
    return network.transpose(value, [0, *order])


def _repeat(network: Network, layer: Layer, value: Value) -> Value:
    (times,) = layer.sizes("n", 1)
    return network.repeated(network.reshape(value, (-1, 1, *value.shape[1:])), 1, times)


def _rescaling(network: Network, layer: Layer, value: Value) -> Value:
    scaled = network.binary("Mul", value, np.float32(layer.number("scale", 1)))
    return network.binary("Add", scaled, np.float32(layer.number("offset", 0)))


def _prelu(network: Network, layer: Layer, value: Value) -> Value:
    slope = network.number(layer.weight("alpha"))
    return Value(network.graph.add("PRelu", value.name, slope), value.shape)


def _relu(network: Network, layer: Layer, value: Value) -> Value:
    highest = layer.settings.get("max_value")
    return rectified(
        network,
        value,
        layer.number("negative_slope", 0) if layer.settings.get("negative_slope") is not None else 0.0,
        None if highest is None else layer.number("max_value", 0),
        layer.number("threshold", 0) if layer.settings.get("threshold") is not None else 0.0,
    )


def _leaky_relu(network: Network, layer: Layer, value: Value) -> Value:
    return leaky(network, value, layer.number("negative_slope", layer.number("alpha", 0.3)))


def _elu(network: Network, layer: Layer, value: Value) -> Value:
    return network.unary("Elu", value, alpha=layer.number("alpha", 1.0))


def _softmax(network: Network, layer: Layer, value: Value) -> Value:
    (axis,) = layer.axes(value)
    return network.unary("Softmax", value, axis=axis)


def _merge(operator: str) -> Callable[[Network, Layer, Sequence[Value]], Value]:
    def made(network: Network, _: Layer, values: Sequence[Value]) -> Value:
        if len(values) < 2:
            raise InputDataError("it needs two inputs or more")
        result = values[0]
        for value in values[1:]:
            result = network.binary(operator, result, value)
        return result

    return made


def _average(network: Network, layer: Layer, values: Sequence[Value]) -> Value:
    return network.binary("Mul", _merge("Add")(network, layer, values), np.float32(1 / len(values)))


def _concatenate(network: Network, layer: Layer, values: Sequence[Value]) -> Value:
    if not values:
        raise InputDataError("it has no inputs")
    (axis,) = layer.axes(values[0])
    return network.joined(values, axis)


_ACTIVATION_LAYERS: dict[str, Callable[[Network, Layer, Value], Value]] = {
    "ReLU": _relu,
    "LeakyReLU": _leaky_relu,
    "ELU": _elu,
    "Softmax": _softmax,
}
LAYERS: dict[str, Callable[[Network, Layer, Value], Value]] = {
    "Dense": _dense,
    **{f"Conv{n}D": _convolution(n) for n in (1, 2)},
    **{f"DepthwiseConv{n}D": _convolution(n, Network.depthwise) for n in (1, 2)},
    **{f"SeparableConv{n}D": _separable(n) for n in (1, 2)},
    **{f"Conv{n}DTranspose": _transposed(n) for n in (1, 2)},
    **{f"MaxPooling{n}D": _pool("MaxPool", n) for n in (1, 2)},
    **{f"AveragePooling{n}D": _pool("AveragePool", n) for n in (1, 2)},
    **{f"GlobalMaxPooling{n}D": _global("ReduceMax", n) for n in (1, 2)},
    **{f"GlobalAveragePooling{n}D": _global("ReduceMean", n) for n in (1, 2)},
    **{f"UpSampling{n}D": _upsampling(n) for n in (1, 2)},
    **{f"ZeroPadding{n}D": _padding(n) for n in (1, 2)},
    **{f"Cropping{n}D": _cropping(n) for n in (1, 2)},
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Permute": _permute,
    "RepeatVector": _repeat,
    "BatchNormalization": batch_normalization,
    "LayerNormalization": layer_normalization,
    "Normalization": normalization,
    "Rescaling": _rescaling,
    "Activation": _activate,
    "PReLU": _prelu,
    **_ACTIVATION_LAYERS,
    **dict.fromkeys(_IDENTITIES, lambda _, __, value: value),
}
MERGES: dict[str, Callable[[Network, Layer, Sequence[Value]], Value]] = {
    "Add": _merge("Add"),
    "Subtract": _merge("Sub"),
    "Multiply": _merge("Mul"),
    "Maximum": _merge("Max"),
    "Minimum": _merge("Min"),
    "Average": _average,
    "Concatenate": _concatenate,
}
