"""Activations of Keras, by name or as layers, in the definitions of Keras 2 and 3."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.layer import check_of_keras
from hepad.io.exchange.keras.network import Network, Value

__all__ = ["ACTIVATIONS", "activated", "gelu", "leaky", "named", "rectified"]

Function = Callable[[Network, Value], Value]


def gelu(network: Network, value: Value, *, approximate: bool = False) -> Value:
    """x times the normal distribution function of x, or the common approximation by tanh."""
    if approximate:
        cube = network.binary("Mul", network.binary("Mul", value, value), value)
        inner = network.binary("Add", value, network.binary("Mul", cube, np.float32(0.044715)))
        curved = network.unary("Tanh", network.binary("Mul", inner, np.float32(math.sqrt(2 / math.pi))))
    else:
        curved = network.unary("Erf", network.binary("Mul", value, np.float32(math.sqrt(0.5))))
    half = network.binary("Mul", value, np.float32(0.5))
    return network.binary("Mul", half, network.binary("Add", curved, np.float32(1)))


def leaky(network: Network, value: Value, slope: float) -> Value:
    """x above zero, slope x below."""
    return network.unary("LeakyRelu", value, alpha=float(slope))


def rectified(network: Network, value: Value, slope: float, highest: float | None, threshold: float) -> Value:
    """Keras's ReLU of all its parameters."""
    if threshold:
        raise InputDataError(f"a ReLU with threshold {threshold:g} is not read")
    result = leaky(network, value, slope) if slope else network.unary("Relu", value)
    return result if highest is None else network.clip(result, -np.finfo(np.float32).max, highest)


def _hard_sigmoid_2(network: Network, value: Value) -> Value:
    return network.unary("HardSigmoid", value, alpha=0.2, beta=0.5)


def _hard_sigmoid_3(network: Network, value: Value) -> Value:
    return network.unary("HardSigmoid", value, alpha=1 / 6, beta=0.5)


def _swish(network: Network, value: Value) -> Value:
    return network.binary("Mul", value, network.unary("Sigmoid", value))


def _unary(operator: str, **attributes: Any) -> Function:
    return lambda network, value: network.unary(operator, value, **attributes)


ACTIVATIONS: dict[str, Function] = {
    "linear": lambda _, value: value,
    "relu": _unary("Relu"),
    "relu6": lambda network, value: network.clip(value, 0, 6),
    "leaky_relu": lambda network, value: leaky(network, value, 0.2),
    "elu": _unary("Elu", alpha=1.0),
    "selu": _unary("Selu"),
    "tanh": _unary("Tanh"),
    "sigmoid": _unary("Sigmoid"),
    "hard_sigmoid": _hard_sigmoid_3,
    "softmax": _unary("Softmax", axis=-1),
    "softplus": _unary("Softplus"),
    "softsign": _unary("Softsign"),
    "exponential": _unary("Exp"),
    "swish": _swish,
    "silu": _swish,
    "gelu": gelu,
    "mish": lambda network, value: network.binary(
        "Mul", value, network.unary("Tanh", network.unary("Softplus", value))
    ),
}
"""What a layer's `activation` or a layer Activation may name."""


def activated(network: Network, value: Value, name: str, *, keras: int) -> Value:
    """The activation of a name; `InputDataError` lists those that are known."""
    if name == "hard_sigmoid" and keras < 3:
        return _hard_sigmoid_2(network, value)
    if name not in ACTIVATIONS:
        raise InputDataError(f"activation {name[:60]!r} is not read: known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name](network, value)


def named(config: Any) -> tuple[str, Mapping[str, Any]]:
    """What the key `activation` of a layer says: a function or layer by its name, and its settings."""
    if config is None:
        return "linear", {}
    if isinstance(config, str):
        return config, {}
    if isinstance(config, Mapping):
        check_of_keras(config)
        name, inner = str(config.get("class_name")), config.get("config")
        if name == "function" and isinstance(inner, str):
            return inner, {}
        if isinstance(inner, Mapping):
            return name, inner
    raise InputDataError(f"an activation that is no function by its name ({str(config)[:60]}) is not read")
