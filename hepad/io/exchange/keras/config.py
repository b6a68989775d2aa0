"""Models of Keras from their descriptions: layers in a row, or a graph of layers with one input and one output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from hepad.errors import InputDataError
from hepad.io.exchange.keras.layer import Layer, check_of_keras
from hepad.io.exchange.keras.layers import apply_layer, check_known
from hepad.io.exchange.keras.network import Array, Network, Value

__all__ = ["Weights", "build_model"]

_FUNCTIONAL = ("Functional", "Model")
_MAX_DEPTH = 20


class Weights(Protocol):
    """Where the weights are; asked once a layer, in the order of the model's description."""

    def of(self, kind: str, name: str, settings: Mapping[str, Any]) -> Mapping[str, Array]:
        """Those of a layer, by their names."""
        ...

    def inner(self, kind: str, name: str) -> Weights:
        """Those of a model that is a layer."""
        ...


def build_model(
    description: Any, weights: Weights, *, keras: int, image: tuple[int, ...] | None = None
) -> tuple[bytes, tuple[str, ...]]:
    """The ONNX file of a described model, and the classes of its layers; `image` as `Network` has it."""
    builder = _Builder(keras, Network(image))
    model = _mapping(description, "the model")
    value = builder.network.input(_input_shape(model))
    output = builder.model(model, weights, value, 0)
    return builder.network.to_bytes(output), tuple(dict.fromkeys(builder.kinds))


class _Builder:
    def __init__(self, keras: int, network: Network) -> None:
        self.network = network
        self.keras = keras
        self.kinds: list[str] = []

    def model(self, model: Mapping[str, Any], weights: Weights, value: Value, depth: int) -> Value:
        """What a model gives for a value."""
        if depth > _MAX_DEPTH:
            raise InputDataError("models within models, too many")
        kind, layers = str(model.get("class_name")), _layers(model)
        makers = [self._maker(layer, weights, depth) for layer in layers]
        if kind == "Sequential":
            for make in makers:
                value = make([value])
            return value
        return _evaluated(_mapping(model.get("config"), "the model"), layers, makers, value)

    def _maker(self, layer: Mapping[str, Any], weights: Weights, depth: int) -> Any:
        """A function of a layer's inputs; weights are read at once, for they lie in the order of the layers."""
        kind, settings = str(layer.get("class_name")), _settings(layer)
        name = _name(layer)
        if kind == "Sequential" or kind in _FUNCTIONAL:
            inner = weights.inner(kind, name)
            return lambda values: self.model(layer, inner, _only(values, name), depth + 1)
        try:
            check_known(kind)
            check_of_keras(layer)
            if settings.get("quantization_config") is not None:
                raise InputDataError("quantised weights are not read")
            own = weights.of(kind, name, settings)
        except InputDataError as error:
            raise InputDataError(f"layer {name[:60]!r} ({kind[:60]}): {error}") from error
        if kind != "InputLayer":
            self.kinds.append(kind)
        made = Layer(kind, name, settings, self.keras, own)
        return lambda values: apply_layer(self.network, made, values)


def _evaluated(
    config: Mapping[str, Any], layers: Sequence[Mapping[str, Any]], makers: Sequence[Any], value: Value
) -> Value:
    """The output of a graph of layers, of its only input."""
    start, end = (_only_name(config.get(key), key) for key in ("input_layers", "output_layers"))
    done = {start: value}
    todo = {}
    for layer, make in zip(layers, makers, strict=True):
        name = _name(layer)
        if name != start:
            todo[name] = (_inputs(layer), make)
    while todo:
        ready = [name for name, (inputs, _) in todo.items() if all(one in done for one in inputs)]
        if not ready:
            raise InputDataError(f"layer {next(iter(todo))[:60]!r} has an input that no layer gives")
        for name in ready:
            inputs, make = todo.pop(name)
            done[name] = make([done[one] for one in inputs])
    if end not in done:
        raise InputDataError(f"the output {end[:60]!r} is no layer")
    return done[end]


def _inputs(layer: Mapping[str, Any]) -> list[str]:
    """The names of the layers that a layer takes its inputs from."""
    name, nodes = _name(layer), layer.get("inbound_nodes")
    if not isinstance(nodes, list) or len(nodes) != 1:
        count = len(nodes) if isinstance(nodes, list) else 0
        raise InputDataError(f"layer {name[:60]!r} is used {count} times; only once is read")
    (node,) = nodes
    found: list[str] = []
    if isinstance(node, Mapping):  # Keras 3
        settings = node.get("kwargs") or {}
        for one in _flat(node.get("args")):
            history = one.get("config", {}).get("keras_history") if isinstance(one, Mapping) else None
            found.append(_reference(history, name))
    else:
        settings = {}
        for one in node if isinstance(node, list) else [None]:
            found.append(_reference(one, name))
            extra = one[3] if isinstance(one, list) and len(one) > 3 else None
            settings |= extra if isinstance(extra, Mapping) else {}
    if not isinstance(settings, Mapping) or any(value not in (None, False) for value in settings.values()):
        raise InputDataError(f"layer {name[:60]!r} is called with {str(settings)[:60]}, which is not read")
    return found


def _flat(args: Any) -> list[Any]:
    found: list[Any] = []
    for one in args if isinstance(args, list) else [args]:
        found.extend(one if isinstance(one, list) else [one])
    return found


def _reference(history: Any, name: str) -> str:
    if isinstance(history, list) and len(history) >= 3 and isinstance(history[0], str) and history[2] == 0:
        return history[0]
    raise InputDataError(f"layer {name[:60]!r} has an input that is no layer's only output ({str(history)[:60]})")


def _only(values: Sequence[Value], name: str) -> Value:
    if len(values) != 1:
        raise InputDataError(f"model {name[:60]!r} has {len(values)} inputs; one is read")
    return values[0]


def _only_name(layers: Any, what: str) -> str:
    """The name of the only input or output."""
    if isinstance(layers, list) and len(layers) == 1 and isinstance(layers[0], list):
        (layers,) = layers
    if isinstance(layers, list) and layers and isinstance(layers[0], str):
        return layers[0]
    raise InputDataError(f"models with one input and one output are read; {what} is {str(layers)[:80]}")


def _layers(model: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    kind, config = str(model.get("class_name")), _mapping(model.get("config"), "the model")
    if kind != "Sequential" and kind not in _FUNCTIONAL:
        raise InputDataError(
            f"a model of class {kind[:60]!r} is Python code, which the file does not hold: save it as a SavedModel "
            "(model.export in Keras 3), which holds what it computes"
        )
    check_of_keras(model)
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers:
        raise InputDataError(f"a model of class {kind} without layers")
    return [_mapping(layer, "a layer") for layer in layers]


def _input_shape(model: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of the input, without the events."""
    layers = _layers(model)
    config = _mapping(model.get("config"), "the model")
    if model.get("class_name") != "Sequential":
        start = _only_name(config.get("input_layers"), "input_layers")
        layers = [layer for layer in layers if _name(layer) == start] or layers
    first = _settings(layers[0])
    if "layers" in first:
        return _input_shape(layers[0])
    build = model.get("build_config")
    choices = (
        first.get("batch_shape"),
        first.get("batch_input_shape"),
        config.get("build_input_shape"),
        build.get("input_shape") if isinstance(build, Mapping) else None,
    )
    shape = next((one for one in choices if isinstance(one, list)), None)
    if shape is None:
        raise InputDataError("the shape of its input is not in the file: build the model before it is saved")
    if any(not isinstance(size, int) or size < 1 for size in shape[1:]):
        raise InputDataError(f"an input of shape {shape[1:]} has open sizes; hepad needs fixed ones")
    return tuple(shape[1:])


def _settings(layer: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(layer.get("config"), "a layer's config")


def _name(layer: Mapping[str, Any]) -> str:
    return str(layer.get("name") or _settings(layer).get("name"))


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputDataError(f"{what} is not described as Keras does ({str(value)[:60]})")
    return value
