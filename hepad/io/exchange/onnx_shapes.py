"""How large the results within an ONNX graph are, told from the graph itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hepad.errors import CardError

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

__all__ = ["MAX_VALUES", "first_line", "inferred_shapes"]

MAX_VALUES = 1 << 27
"""Largest intermediate result for one block, in numbers: half a gigabyte in single precision."""


def inferred_shapes(model: ModelProto, name: str, block: int) -> dict[str, tuple[int, ...]]:
    """The shape of every value for one block of events; `CardError` if one is unknown or too large.

    The file's own statements about intermediate results are dropped first: they may say anything.
    """
    import onnx

    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    del trial.graph.value_info[:]
    for value in trial.graph.input:
        if value.name == name:
            value.type.tensor_type.shape.dim[0].dim_value = block
    for output in trial.graph.output:
        output.type.tensor_type.ClearField("shape")
    try:
        graph = onnx.shape_inference.infer_shapes(trial, check_type=True, strict_mode=True, data_prop=True).graph
    except (onnx.shape_inference.InferenceError, ValueError, TypeError) as error:
        raise CardError(f"its shapes do not fit together ({first_line(error)})") from error
    shapes = _known_shapes(graph)
    made = [output for node in graph.node for output in node.output if output]
    for result in (*made, *(output.name for output in graph.output)):
        if result not in shapes:
            raise CardError(f"the size of {result[:60]!r} cannot be told from the graph, so it cannot be bounded")
        if math.prod(shapes[result]) > MAX_VALUES:
            raise CardError(f"{result[:60]!r} has shape {shapes[result]} for {block} events: too large")
    if sum(map(math.prod, shapes.values())) > 16 * MAX_VALUES:
        raise CardError(f"its intermediate results are too large for {block} events")
    return shapes


def _known_shapes(graph: GraphProto) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        tensor = value.type.tensor_type
        sizes = [d.dim_value if d.HasField("dim_value") else None for d in tensor.shape.dim]
        if tensor.HasField("shape") and None not in sizes:
            shapes[value.name] = tuple(int(size) for size in sizes if size is not None)
    return shapes


def first_line(error: Exception) -> str:
    """The first line of what another package says is wrong, at most 200 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
