"""Functions of TensorFlow's graphs, evaluated: numbers that do not depend on the input at once, the rest as a network.

A number of events stands in shapes as -1, so that what Keras computes of a shape, it computes here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from hepad.errors import InputDataError
from hepad.io.exchange.keras.limits import Budget
from hepad.io.exchange.keras.network import Array, Network, Value
from hepad.io.exchange.keras.wire import Message

__all__ = ["CALLS", "Function", "Node", "Operand", "evaluate"]

Operand = Value | Array
CALLS = ("StatefulPartitionedCall", "PartitionedCall")
"""Operations that call a function of the graph."""
_MAX_NODES = 10_000
_MAX_DEPTH = 20


@dataclass(frozen=True)
class Node:
    """An operation: its inputs are names of nodes with what they give, `dense/BiasAdd:output:0`."""

    name: str
    operation: str
    inputs: tuple[str, ...]
    _message: Message

    @classmethod
    def of(cls, message: Message) -> Node:
        """The node of a NodeDef; what it only waits for is left out."""
        inputs = tuple(name for name in message.texts(3) if not name.startswith("^"))
        return cls(message.text(1), message.text(2), inputs, message)

    @cached_property
    def _attributes(self) -> Mapping[str, Message]:
        return self._message.mapping(5)

    def attribute(self, name: str) -> Message:
        """An AttrValue, an empty one if it is absent."""
        return self._attributes.get(name) or Message(b"")

    @property
    def function(self) -> str:
        """The name of the function that it calls."""
        return self.attribute("f").message(10).text(1)

    def text(self, name: str, default: str = "") -> str:
        """A text among its attributes."""
        return self.attribute(name).text(2) or default

    def flag(self, name: str, default: bool = False) -> bool:
        """A truth value."""
        return bool(self.attribute(name).integer(5, int(default)))

    def integer(self, name: str) -> int:
        """A whole number, 0 if absent."""
        return self.attribute(name).integer(3)

    def number(self, name: str, default: float) -> float:
        """A number."""
        found = self.attribute(name).fixed(4, "f")
        return found[-1] if found else default

    def integers(self, name: str) -> list[int]:
        """Whole numbers."""
        return self.attribute(name).message(1).integers(3)


@dataclass(frozen=True)
class Function:
    """A function: its arguments, its outputs in order, and which node gives each."""

    name: str
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]
    given: Mapping[str, str]
    _message: Message

    @classmethod
    def of(cls, message: Message) -> Function:
        """The function of a FunctionDef."""
        signature = message.message(1)
        return cls(
            signature.text(1),
            tuple(argument.text(1) for argument in signature.messages(2)),
            tuple(output.text(1) for output in signature.messages(3)),
            {entry.text(1): entry.text(2) for entry in message.messages(4)},
            message,
        )

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """Its nodes by their names."""
        if len(self._message.many(3)) > _MAX_NODES:
            raise InputDataError(f"function {self.name[:80]!r} has more than {_MAX_NODES} operations")
        return {node.name: node for node in map(Node.of, self._message.messages(3))}


Apply = Callable[[Network, Node, Sequence[Operand]], tuple[Operand, ...]]
"""What gives an operation's outputs, as `hepad.io.exchange.keras.operations.apply_operation` does."""


@dataclass
class _Evaluation:
    """What is shared by a function and those that it calls."""

    network: Network
    apply: Apply
    functions: Mapping[str, Function]
    budget: Budget = field(default_factory=Budget)
    operations: dict[str, None] = field(default_factory=dict)
    nodes: int = 0


def evaluate(
    network: Network,
    apply: Apply,
    function: Function,
    arguments: Sequence[Operand],
    functions: Mapping[str, Function],
) -> tuple[dict[str, Operand], tuple[str, ...]]:
    """What a function gives for its arguments, by the names of its outputs, and the operations on events it is made of.

    `InputDataError` names the operation that is not read.
    """
    shared = _Evaluation(network, apply, functions)
    results = _call(shared, function, arguments, 0)
    return results, tuple(shared.operations)


def _call(shared: _Evaluation, function: Function, arguments: Sequence[Operand], depth: int) -> dict[str, Operand]:
    if len(arguments) != len(function.arguments) or depth > _MAX_DEPTH:
        raise InputDataError(f"function {function.name[:80]!r} is called with {len(arguments)} arguments")
    done: dict[str, tuple[Operand, ...]] = {
        name: (value,) for name, value in zip(function.arguments, arguments, strict=True)
    }
    results = {}
    for output in function.outputs:
        reference = function.given.get(output, "")
        _complete(shared, function, _parts(reference)[0], done, depth)
        results[output] = _result(reference, done)
    return results


def _complete(
    shared: _Evaluation, function: Function, name: str, done: dict[str, tuple[Operand, ...]], depth: int
) -> None:
    """Evaluate a node after all that it depends on; without recursion, for graphs are deep."""
    todo = [name]
    waiting: set[str] = set()
    while todo:
        here = todo[-1]
        if here in done:
            todo.pop()
            continue
        node = function.nodes.get(here)
        if node is None:
            raise InputDataError(f"node {here[:80]!r} is missing")
        missing = [other for other in (_parts(one)[0] for one in node.inputs) if other not in done]
        if missing:
            if here in waiting:
                raise InputDataError(f"node {here[:80]!r} depends on itself")
            waiting.add(here)
            todo.extend(missing)
            continue
        shared.nodes += 1
        if shared.nodes > _MAX_NODES:
            raise InputDataError(f"more than {_MAX_NODES} operations")
        done[here] = _results(shared, node, [_result(one, done) for one in node.inputs], depth)
        todo.pop()


def _results(shared: _Evaluation, node: Node, inputs: list[Operand], depth: int) -> tuple[Operand, ...]:
    if node.operation in CALLS:
        function = shared.functions.get(node.function)
        if function is None:
            raise InputDataError(f"function {node.function[:80]!r} is missing")
        return tuple(_call(shared, function, inputs, depth + 1).values())
    if node.operation == "IdentityN":
        return tuple(inputs)
    try:
        results = shared.apply(shared.network, node, inputs)
    except InputDataError as error:
        raise InputDataError(f"operation {node.name[:100]!r} ({node.operation[:60]}): {error}") from error
    for result in results:
        if isinstance(result, Value):
            shared.operations[node.operation] = None
        else:
            shared.budget.take(result.nbytes, node.name)
    return results


def _result(reference: str, done: Mapping[str, tuple[Operand, ...]]) -> Operand:
    name, place = _parts(reference)
    results = done[name]
    if place >= len(results):
        raise InputDataError(f"{reference[:80]!r} is an output that is not read")
    return results[place]


def _parts(reference: str) -> tuple[str, int]:
    """The node and which of its outputs: `name:output:1`, or an argument's name alone."""
    name, *rest = reference.split(":")
    place = rest[-1] if rest else "0"
    return name, int(place) if place.isdigit() and len(place) < 4 else 999
