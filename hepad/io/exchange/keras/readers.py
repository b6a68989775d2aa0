"""Readers of TensorFlow's operations by their names, and what they are given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from hepad.errors import InputDataError
from hepad.io.exchange.keras.graph import Node, Operand
from hepad.io.exchange.keras.network import Array, Network, Value

__all__ = ["Reader", "array_of", "integers_of", "registered", "value_of"]

Reader = Callable[[Network, Node, Sequence[Operand]], Operand | tuple[Operand, ...]]
"""What an operation gives, its first output or all, from the network that it becomes part of, its node and inputs."""
_F = TypeVar("_F", bound=Reader)


def registered(readers: dict[str, Reader], *names: str) -> Callable[[_F], _F]:
    """Make a function the reader of operations."""

    def register(reader: _F) -> _F:
        readers.update(dict.fromkeys(names, reader))
        return reader

    return register


def value_of(operand: Operand) -> Value:
    """An input that depends on the event."""
    if not isinstance(operand, Value):
        raise InputDataError("it is given numbers where values of events are read")
    return operand


def array_of(operand: Operand) -> Array:
    """An input that does not."""
    if isinstance(operand, Value):
        raise InputDataError("a weight, size or axis depends on the event, which is not read")
    return operand


def integers_of(operand: Operand) -> list[int]:
    """A few whole numbers, such as sizes or axes."""
    array = array_of(operand)
    if array.dtype.kind not in "iu" or array.size > 64:
        raise InputDataError("it needs a few whole numbers")
    return [int(one) for one in array.reshape(-1)]
