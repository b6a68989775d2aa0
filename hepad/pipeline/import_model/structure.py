"""A trigger's network from the headers of its C++ library: layers, types and numbers as hls4ml names them.

The structure is told by the order of the types in `defines.h`: each layer has a type of its sums, one of its output,
those of its weights and biases, and then that of its activation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.exchange.hls_headers import AdderGraph, HlsArray, HlsHeaders
from hepad.nn.fixed_point import FixedType, fraction_of

__all__ = ["LibraryNetwork", "networks_of"]

_SCORE = "ap_ufixed<18,14>"
"""The type in which AXOL1TL's score is compared with the thresholds, which are 16 times as large."""
_UNSCALED = "ap_fixed<18,13>"
_REGIONS = (18, 14)
"""CICADA's image of calorimeter regions: phi and eta."""
_NOT_LAYERS = {"input_t", "unscaled_t", "ad_shift_t", "ad_offset_t", "resultsq_t", "model_default_t"}


@dataclass(frozen=True)
class LibraryNetwork:
    """The settings of a model `fixed`, its tensors, the kind of input that it takes and how many numbers of it."""

    config: dict[str, Any]
    tensors: dict[str, npt.NDArray[np.float64]]
    kind: str
    inputs: int


@dataclass
class _Dense:
    """A layer with weights, as far as the types tell: `number` is that of its arrays, `w3` and `b3`."""

    number: int
    accumulator: str
    output: str
    scale: str | None = None  # the type of a normalisation's output
    activation: str | None = None


@dataclass
class _Made:
    """Layers of a model `fixed` and their tensors, as they are put together."""

    layers: list[dict[str, Any]] = field(default_factory=list)
    tensors: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def add(self, layer: dict[str, Any], **tensors: npt.NDArray[np.float64]) -> None:
        for name, values in tensors.items():
            self.tensors[f"{len(self.layers)}.{name}"] = values
        self.layers.append(layer)


def networks_of(headers: HlsHeaders) -> Iterator[LibraryNetwork]:
    """The network that the headers describe; two, if nothing tells whether its weights lie by rows or by columns.

    `InputDataError` that names the header's line for what does not fit together.
    """
    shifts = headers.arrays.get("ad_shift")
    inputs = headers.sizes.get("N_INPUT_1_1") if shifts is None else len(shifts.numbers)
    if inputs is None or "input_t" not in headers.types:
        missing = "input_t" if inputs else "N_INPUT_1_1"
        raise InputDataError(f"{headers.files[0]}: {missing} is missing; is this the folder of one version?")
    layers = _layers(headers)
    by_input = _network(headers, layers, inputs, by_output=False)
    yield by_input
    by_output = _network(headers, layers, inputs, by_output=True)
    if any(not np.array_equal(values, by_output.tensors[name]) for name, values in by_input.tensors.items()):
        yield by_output


def _layers(headers: HlsHeaders) -> list[_Dense]:
    """The layers in their order, from the names of the types and of the arrays or graphs."""
    numbers = sorted({int(n[1:]) for n in headers.arrays if re.fullmatch(r"w\d+", n)} | headers.graphs.keys())
    weights = {headers.arrays[f"w{n}"].type for n in numbers if f"w{n}" in headers.arrays}
    biases = {headers.arrays[f"b{n}"].type for n in numbers if f"b{n}" in headers.arrays}
    others = _NOT_LAYERS | biases | ({"result_t"} if _difference(headers) else set())
    names = [name for name in headers.types if name not in others and not name.endswith(("_index", "_table_t"))]
    following = dict(pairwise(names))
    for name in names:
        _typed(headers, name)
    default, sums = headers.types.get("model_default_t"), ""
    found: list[_Dense] = []
    for name in names:
        if name.endswith("_accum_t"):
            sums = name
        elif name in weights or name.startswith(("subtract", "dot_")):
            sums = ""
        elif following.get(name) in weights or (sums and headers.graphs):
            if len(found) == len(numbers):
                raise InputDataError(f"{headers.files[0]}: {name} is the type of a layer without weights")
            accumulator = headers.types[sums] if sums else default or headers.types[name]
            found.append(_Dense(numbers[len(found)], accumulator, headers.types[name]))
            sums = ""
        elif found and following.get(name, "").endswith("_scale_t"):
            found[-1].scale = headers.types[name]
        elif found and not name.endswith(("_scale_t", "_bias_t")) and found[-1].activation is None:
            found[-1].activation = headers.types[name]
    if len(found) != len(numbers) or not found:
        raise InputDataError(
            f"{headers.files[0]}: has types of {len(found)} layers, the headers numbers of {len(numbers)}"
        )
    return found


def _network(headers: HlsHeaders, layers: list[_Dense], inputs: int, *, by_output: bool) -> LibraryNetwork:
    made, numbers, outputs = _Made(), inputs, []
    kind = _typed(headers, "input_t")
    for layer in layers:
        conv = f"OUT_HEIGHT_{layer.number}" in headers.sizes
        numbers = (
            _convolution(headers, layer, made)
            if conv
            else _dense(headers, layer, made, inputs=numbers, by_output=by_output, kind=kind)
        )
        if layer.scale is not None:
            scale, bias = (_numbers(headers, f"{what}{_after(headers, layer.number)}", numbers) for what in "sb")
            made.add({"kind": "affine", "output": layer.scale}, scale=scale, bias=bias)
        kind = FixedType.parse(layer.scale or layer.output)
        if layer.activation is not None:
            kind = FixedType.parse(layer.activation)
            made.add({"kind": "cast" if kind.signed else "relu", "output": layer.activation})
        outputs.append((len(made.layers) - 1, numbers))
    scaled = "ad_shift" in headers.arrays
    config: dict[str, Any] = {
        "input": headers.types.get("unscaled_t", _UNSCALED) if scaled else headers.types["input_t"]
    }
    if scaled:
        made.tensors["scale.shift"] = _numbers(headers, "ad_shift", inputs)
        made.tensors["scale.offset"] = _numbers(headers, "ad_offsets", inputs)
        config["scaling"] = {"inner": config["input"], "output": headers.types["input_t"]}
    config |= {"layers": made.layers, "score": _score(headers, layers[-1], outputs)}
    return LibraryNetwork(config, made.tensors, "l1_hardware" if scaled else "calo_regions", inputs)


def _dense(headers: HlsHeaders, layer: _Dense, made: _Made, *, inputs: int, by_output: bool, kind: FixedType) -> int:
    if layer.number in headers.graphs:
        graph = headers.graphs[layer.number]
        _check_graph(graph, inputs, kind)
        weight, bias = graph.weight, graph.bias
        fraction = max(kind.fraction + fraction_of(weight), fraction_of(bias))
        accumulator = f"ap_fixed<48,{48 - fraction}>"  # its sums lose nothing
    else:
        weight, bias = _matrix(headers, layer.number, inputs, by_output)
        accumulator = layer.accumulator
    made.add({"kind": "dense", "accumulator": accumulator, "output": layer.output}, weight=weight, bias=bias)
    return len(bias)


def _matrix(
    headers: HlsHeaders, number: int, inputs: int, by_output: bool
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    bias = _numbers(headers, f"b{number}", headers.sizes.get(f"N_LAYER_{number}"))
    weights = _numbers(headers, f"w{number}", inputs * len(bias))
    shape, by_input = headers.arrays[f"w{number}"].shape, (inputs, len(bias))
    if shape is not None and inputs != len(bias):  # a comment says how they lie
        by_output = shape == by_input[::-1] if shape in {by_input, by_input[::-1]} else by_output
    return (weights.reshape(len(bias), inputs).T if by_output else weights.reshape(inputs, len(bias))), bias


def _convolution(headers: HlsHeaders, layer: _Dense, made: _Made) -> int:
    """A convolution of the regions with stride 2; its weights lie by filter, row and column."""
    n, sizes = layer.number, headers.sizes
    try:
        down, across, filters = sizes[f"OUT_HEIGHT_{n}"], sizes[f"OUT_WIDTH_{n}"], sizes[f"N_FILT_{n}"]
    except KeyError as error:
        raise InputDataError(f"{headers.files[0]}: {error.args[0]} is missing") from error
    bias = _numbers(headers, f"b{n}", filters)
    weights = headers.arrays[f"w{n}"]
    side = round(np.sqrt(len(weights.numbers) / max(filters, 1)))
    if (down, across) != tuple((length - side) // 2 + 1 for length in _REGIONS):
        raise InputDataError(f"{weights.where}: filters {side} x {side} give no image {down} x {across} with stride 2")
    weight = _numbers(headers, f"w{n}", filters * side * side).reshape(filters, side, side)
    card = {"kind": "convolution", "image": list(_REGIONS), "stride": 2, "accumulator": layer.accumulator}
    made.add({**card, "output": layer.output}, weight=weight, bias=bias)
    return down * across * filters


def _score(headers: HlsHeaders, last: _Dense, outputs: list[tuple[int, int]]) -> dict[str, Any]:
    """The score: the output; the sum of its squares; or the squared distance from what the second layer gave."""
    types = headers.types
    result = types.get("result_t") or last.activation or last.output
    if outputs[-1][1] == 1:
        return {"kind": "output", "result": result, "output": result}
    square = types.get("resultsq_t", _SCORE)
    difference = _difference(headers)
    if difference is None:
        return {"kind": "squares", "accumulator": square, "result": square, "output": square, "per_unit": 16}
    accumulator = types.get("dot_accum_t") or types.get("model_default_t")
    other = next((place for place, size in outputs[:-1] if size == outputs[-1][1]), None)
    if other is None or accumulator is None:
        raise InputDataError(f"{headers.files[0]}: a distance of layers of equal size and a type of its sum are needed")
    score = {"kind": "distance", "difference": difference, "compared_to": other, "accumulator": accumulator}
    return {**score, "result": result, "output": square, "per_unit": 16}


def _difference(headers: HlsHeaders) -> str | None:
    """The type of the difference from the embedding, if the score is made of it."""
    return headers.types.get("subtract_t") or headers.types.get("subtract_result_t")


def _numbers(headers: HlsHeaders, name: str, length: int | None) -> npt.NDArray[np.float64]:
    """The numbers of an array as its type holds them, which is what C++ makes of the decimal numbers."""
    array = _array(headers, name)
    if length is not None and len(array.numbers) != length:
        raise InputDataError(f"{array.where}: {name} has {len(array.numbers)} numbers, not {length}")
    return _typed(headers, array.type).cast(array.numbers)


def _array(headers: HlsHeaders, name: str) -> HlsArray:
    if name not in headers.arrays:
        raise InputDataError(f"{headers.files[0].parent}: no header holds the array {name}")
    return headers.arrays[name]


def _typed(headers: HlsHeaders, name: str) -> FixedType:
    try:
        return FixedType.parse(headers.types.get(name, name))
    except ValueError as error:
        raise InputDataError(f"{headers.files[0]}: type {name}: {error}") from error


def _after(headers: HlsHeaders, number: int) -> int:
    """The number of the normalisation that follows a layer."""
    found = [int(name[1:]) for name in headers.arrays if re.fullmatch(r"s\d+", name) and int(name[1:]) > number]
    if not found:
        raise InputDataError(f"{headers.files[0].parent}: no header holds the scales of the normalisation")
    return min(found)


def _check_graph(graph: AdderGraph, inputs: int, kind: FixedType) -> None:
    """Raise `InputDataError` unless every type of an adder graph holds its value for all inputs of their type."""
    if len(graph.weight) != inputs:
        raise InputDataError(f"{graph.where}: takes {len(graph.weight)} numbers, the layer before gives {inputs}")
    for text, row, where in graph.steps:
        factors, constant = row[:-1], row[-1]
        low = float(np.minimum(factors * kind.low, factors * kind.high).sum() + constant)
        high = float(np.maximum(factors * kind.low, factors * kind.high).sum() + constant)
        step = 2.0**-kind.fraction
        held = FixedType.parse(text)
        whole = np.all(np.ldexp(factors * step, held.fraction) % 1 == 0) and np.ldexp(constant, held.fraction) % 1 == 0
        if not whole or not held.holds(low, high, held.fraction):
            raise InputDataError(f"{where}: {text} does not hold its value, which hepad does not compute")
