"""The network of a SavedModel of TensorFlow 2: what its signature computes, operation by operation.

The graph is what TensorFlow itself runs, whichever Keras or hand wrote it. Formats: tensorflow/core/protobuf
(saved_model.proto, meta_graph.proto, saved_object_graph.proto) and tensorflow/core/framework (graph.proto,
function.proto, node_def.proto, tensor.proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hepad.errors import InputDataError
from hepad.io.exchange.keras.graph import CALLS, Function, Node, Operand, evaluate
from hepad.io.exchange.keras.limits import Budget, read_bounded
from hepad.io.exchange.keras.network import Array, Network, Value
from hepad.io.exchange.keras.operations import apply_operation
from hepad.io.exchange.keras.tensors import tensor
from hepad.io.exchange.keras.variables import Variables, shape_of
from hepad.io.exchange.keras.wire import Message

__all__ = ["saved_model"]

_SIGNATURES = ("serving_default", "serve")
_INTERNAL = "__saved_model_init_op"
_OURS = "SavedModels of TensorFlow 2 are read"


def saved_model(path: Path, variables: Path, image: tuple[int, ...] | None = None) -> tuple[bytes, tuple[str, ...]]:
    """The ONNX file of `saved_model.pb` and its folder of variables, and the operations it was made of.

    `image` as `Network` has it.
    """
    model = _Model(_served(Message(read_bounded(path))), variables)
    network = Network(image)
    value = network.input(model.input_shape)
    results, operations = evaluate(network, apply_operation, model.function, [value, *model.bound], model.functions)
    output = results.get(model.output)
    if not isinstance(output, Value):
        raise InputDataError(f"its signature {model.signature!r} gives no output that depends on its input")
    return network.to_bytes(output), operations


@dataclass(frozen=True)
class _Model:
    """A graph with its signature, functions and variables."""

    graph: Message
    variables: Path

    @cached_property
    def signature(self) -> str:
        signatures = self.graph.mapping(5)
        names = [name for name in signatures if name != _INTERNAL]
        found = next((name for name in _SIGNATURES if name in names), names[0] if len(names) == 1 else None)
        if found is None:
            known = f"signatures {', '.join(names)[:200]}" if names else "no signature (left out by save_traces=False)"
            raise InputDataError(f"it has {known}; needed is serving_default")
        return found

    @cached_property
    def _ends(self) -> tuple[Message, Message]:
        """The descriptions of the only input and the only output."""
        said = self.graph.mapping(5)[self.signature]
        ends = []
        for field, what in ((1, "inputs"), (2, "outputs")):
            found = said.mapping(field)
            if len(found) != 1:
                names = ", ".join(found)[:200] or "none"
                raise InputDataError(f"signature {self.signature!r} has {what} {names}; networks with one are read")
            ends.append(next(iter(found.values())))
        return ends[0], ends[1]

    @cached_property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of an event."""
        entry = self._ends[0]
        if entry.integer(2) != 1:
            raise InputDataError(f"its input has type {entry.integer(2)}, not single precision")
        shape = shape_of(entry.message(3))
        if any(size < 1 for size in shape[1:]):
            raise InputDataError(f"an input of shape {shape[1:]} has open sizes; hepad needs fixed ones")
        return shape[1:]

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.name: node for node in map(Node.of, self.graph.message(2).messages(1))}

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions of the graph by their names."""
        library = self.graph.message(2).message(2)
        return {function.name: function for function in map(Function.of, library.messages(1))}

    @cached_property
    def _call(self) -> Node:
        """The call that the signature's output is of, whose first input is that of the signature."""
        start, end = (entry.text(1).partition(":")[0] for entry in self._ends)
        call = self._nodes.get(end)
        if call is None or call.operation not in CALLS or not call.inputs or call.inputs[0].partition(":")[0] != start:
            raise InputDataError(f"its signature is no call of a function of the input: {_OURS}")
        return call

    @cached_property
    def function(self) -> Function:
        """What the signature calls."""
        name = self._call.function
        if name not in self.functions:
            raise InputDataError(f"function {name[:80]!r} is missing")
        return self.functions[name]

    @cached_property
    def output(self) -> str:
        """The name that the function has for the signature's output."""
        place = self._ends[1].text(1).partition(":")[2] or "0"
        names = self.function.outputs
        if not place.isdigit() or len(place) > 4 or int(place) >= len(names):
            raise InputDataError(f"output {place[:20]!r} of function {self.function.name[:80]!r} is missing")
        return names[int(place)]

    @cached_property
    def bound(self) -> list[Operand]:
        """The variables and constants that the function is given beside its input."""
        objects = self.graph.message(7)
        concrete = objects.mapping(2).get(self.function.name)
        if concrete is None:
            raise InputDataError(f"nothing tells which variables its function uses: {_OURS}")
        nodes = objects.messages(1)
        places = concrete.integers(2)
        if any(not 0 <= place < len(nodes) for place in places):
            raise InputDataError("its function uses an object that is missing")
        budget = Budget()
        variables = Variables(self.variables, budget)
        keys = _checkpoint_keys(nodes, variables.objects())
        return [self._bound(nodes[place], place, keys, variables) for place in places]

    def _bound(self, node: Message, place: int, keys: Mapping[int, str], variables: Variables) -> Operand:
        if 7 in node:  # a variable
            if place not in keys:
                raise InputDataError(f"variable {node.message(7).text(6)[:80]!r} has no value in the checkpoint")
            return _finite(variables.read(keys[place]), keys[place])
        name = node.message(9).text(1) or node.message(12).text(1).partition(":")[0]
        constant = self._nodes.get(name)
        if constant is None or constant.operation != "Const":
            raise InputDataError("its function uses an object that is neither a variable nor a constant")
        return tensor(constant.attribute("value").message(8))


def _served(model: Message) -> Message:
    graphs = model.messages(2)
    served = [graph for graph in graphs if "serve" in graph.message(1).texts(4)]
    if not served:
        raise InputDataError(f"it has no graph that is tagged 'serve': {_OURS}")
    return served[0]


def _checkpoint_keys(nodes: list[Message], objects: Message) -> dict[int, str]:
    """The names of variables in the checkpoint by their places among the model's objects.

    Both graphs of objects are walked together, from their roots, along children of the same names.
    """
    stored = objects.messages(1)
    keys: dict[int, str] = {}
    children: dict[int, dict[str, int]] = {}
    seen, todo = {0}, [(0, 0)]
    while todo:
        here, there = todo.pop()
        if here >= len(nodes) or there >= len(stored):
            raise InputDataError("its graph of objects is damaged")
        for attribute in stored[there].messages(2):
            if attribute.text(1) == "VARIABLE_VALUE":
                keys[here] = attribute.text(3)
        if there not in children:  # many may share one
            children[there] = {child.text(2): child.integer(1) for child in stored[there].messages(1)}
        others = children[there]
        for child in nodes[here].messages(1):
            place, name = child.integer(1), child.text(2)
            if place not in seen and name in others and place >= 0 and others[name] >= 0:
                seen.add(place)
                todo.append((place, others[name]))
    return keys


def _finite(array: Array, name: str) -> Array:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputDataError(f"variable {name!r} holds numbers that are not finite")
    return array
