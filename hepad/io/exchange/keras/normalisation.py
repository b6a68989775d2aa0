"""Layers of Keras that normalise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.layer import Layer
from hepad.io.exchange.keras.network import Array, Network, Value

__all__ = ["batch_normalization", "layer_normalization", "normalization"]


def _along(array: Array, axes: Sequence[int], value: Value) -> Array:
    """Numbers along some axes, in a shape that is broadcast to the value."""
    shape = [size if axis in axes else 1 for axis, size in enumerate(value.shape)]
    if 0 in axes or array.size != math.prod(shape):
        raise InputDataError(f"weights of shape {array.shape} do not fit a value of shape {value.shape[1:]}")
    return array.reshape(shape[1:])


def batch_normalization(network: Network, layer: Layer, value: Value) -> Value:
    """(x - mean) gamma / sqrt(variance + epsilon) + beta, with the mean and variance of the training."""
    axes, ones = layer.axes(value), np.ones(1)
    mean, variance = (layer.weight(f"moving_{name}").astype(np.float64) for name in ("mean", "variance"))
    gain = layer.weight("gamma").astype(np.float64) if layer.settings.get("scale", True) else ones
    shift = layer.weight("beta").astype(np.float64) if layer.settings.get("center", True) else 0 * ones
    if len({mean.shape, variance.shape}) != 1 or {gain.size, shift.size} - {1, mean.size} or variance.min() < 0:
        raise InputDataError("its weights do not fit together")
    gain = gain / np.sqrt(variance + layer.number("epsilon", 1e-3))
    gain, shift = gain + np.zeros_like(mean), shift - gain * mean
    scaled = network.binary("Mul", value, _along(gain.astype(np.float32), axes, value))
    return network.binary("Add", scaled, _along(shift.astype(np.float32), axes, value))


def layer_normalization(network: Network, layer: Layer, value: Value) -> Value:
    """The same with the mean and variance of the event itself, along some axes."""
    if layer.settings.get("rms_scaling"):
        raise InputDataError("rms_scaling is not read")
    axes = layer.axes(value)
    value = network.normalised(value, axes, layer.number("epsilon", 1e-3))
    if layer.settings.get("scale", True):
        value = network.binary("Mul", value, _along(layer.weight("gamma"), axes, value))
    if layer.settings.get("center", True):
        value = network.binary("Add", value, _along(layer.weight("beta"), axes, value))
    return value


def normalization(network: Network, layer: Layer, value: Value) -> Value:
    """What `adapt` found, or what was given: (x - mean) / sqrt(variance), the root at least 1e-7."""
    if layer.settings.get("invert"):
        raise InputDataError("invert is not read")
    given = layer.settings.get("mean") is not None
    axes = [] if layer.settings.get("axis", -1) is None else layer.axes(value)
    try:
        mean, variance = (
            np.asarray(layer.settings.get(name) if given else layer.weight(name), dtype=np.float64)
            for name in ("mean", "variance")
        )
    except (TypeError, ValueError) as error:
        raise InputDataError("its mean and variance are no numbers") from error
    spread = np.maximum(np.sqrt(np.maximum(variance, 0)), 1e-7).astype(np.float32)
    pair = [array.reshape(1) if array.size == 1 else _along(array, axes, value) for array in (mean, spread)]
    return network.binary("Div", network.binary("Sub", value, pair[0].astype(np.float32)), pair[1])
