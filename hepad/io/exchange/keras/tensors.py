"""Numbers that a graph of TensorFlow holds in itself (tensorflow/core/framework/tensor.proto)."""

from __future__ import annotations

import math

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.network import Array
from hepad.io.exchange.keras.variables import TYPES, shape_of
from hepad.io.exchange.keras.wire import Message

__all__ = ["MAX_VALUES", "tensor"]

MAX_VALUES = 1 << 24
"""Most numbers of one array that is not a variable."""
_FLOATS = {1: (5, "f"), 2: (6, "d")}
_INTEGERS = {3: 7, 4: 7, 6: 7, 9: 10, 10: 11}


def tensor(message: Message) -> Array:
    """The numbers of a TensorProto: bytes, or values of which the last one stands for all that are missing."""
    kind, shape = message.integer(1), shape_of(message.message(2))
    count = math.prod(shape)
    if kind not in TYPES or min(shape, default=0) < 0 or count > MAX_VALUES:
        raise InputDataError(f"a constant of type {kind} and shape {shape} is not read")
    dtype = np.dtype(TYPES[kind])
    content = message.raw(4)
    if content:
        if len(content) != count * dtype.itemsize:
            raise InputDataError(f"a constant of shape {shape} has {len(content)} bytes")
        return np.frombuffer(content, dtype=dtype).reshape(shape)
    values: list[float] | list[int]
    if kind in _FLOATS:
        values = message.fixed(*_FLOATS[kind])
    elif kind in _INTEGERS:
        values = message.integers(_INTEGERS[kind])
    else:
        raise InputDataError(f"a constant of type {kind} is not read")
    if len(values) > count:
        raise InputDataError(f"a constant of shape {shape} has {len(values)} numbers")
    array = np.zeros(count, dtype=dtype)
    if values and count:
        try:
            array[: len(values)] = values
        except OverflowError as error:
            raise InputDataError("a constant is too large for its type") from error
        array[len(values) :] = array[len(values) - 1]
    return array.reshape(shape)
