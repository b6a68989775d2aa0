"""What hepad accepts of an ONNX file that a stranger wrote: one plain feed-forward graph of bounded size.

Refused are external data (files that a graph names), operators and functions outside the standard's domain, control
flow, random numbers, strings, and whatever makes a small file use much time or memory. Sizes are those of one block of
events, inferred from the graph and not from what the file says of itself.

ONNX: https://github.com/onnx/onnx/blob/main/docs/IR.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.errors import CardError, MissingExtraError
from hepad.io.exchange.onnx_shapes import first_line, inferred_shapes

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto, ValueInfoProto

__all__ = ["BLOCK", "MAX_BYTES", "OPERATORS", "OnnxFile", "check_onnx", "read_onnx"]

MAX_BYTES = 128 << 20
"""Largest file in bytes: ten times the network of 1287 inputs that ATLAS used."""
MAX_NODES = 10_000
MIN_OPSET = 7
"""What onnxruntime promises to run, https://onnxruntime.ai/docs/reference/compatibility.html."""
BLOCK = 512
"""Events at a time, where the graph leaves it open."""

# fmt: off
OPERATORS = frozenset({
    "Abs", "Acos", "Acosh", "Add", "And", "ArgMax", "ArgMin", "Asin", "Asinh", "Atan", "Atanh", "AveragePool",
    "BatchNormalization", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Concat", "Constant", "ConstantOfShape",
    "Conv", "ConvTranspose", "Cos", "Cosh", "CumSum", "DepthToSpace", "DequantizeLinear", "Div", "Dropout",
    "Elu", "Equal", "Erf", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements", "GatherND", "Gelu",
    "Gemm", "GlobalAveragePool", "GlobalLpPool", "GlobalMaxPool", "Greater", "GreaterOrEqual",
    "GroupNormalization", "HardSigmoid", "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf",
    "IsNaN", "LRN", "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax",
    "LpNormalization", "LpPool", "MatMul", "Max", "MaxPool", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not",
    "Or", "PRelu", "Pad", "Pow", "QLinearConv", "QLinearMatMul", "QuantizeLinear", "RMSNormalization",
    "Reciprocal", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean",
    "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "Relu", "Reshape", "Round", "Selu", "Shape",
    "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Size", "Slice", "Softmax", "Softplus", "Softsign",
    "SpaceToDepth", "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Tile",
    "TopK", "Transpose", "Trilu", "Unsqueeze", "Where", "Xor",
})
# fmt: on
"""Operators of feed-forward networks, each a function of its inputs alone, and of no more memory than they show.

Not among them: control flow, sequences, random numbers, what depends on the values of other events by design
(DynamicQuantizeLinear), and results whose size hangs on values (NonZero, Unique, Compress).
"""

_ELEMENTS = {
    "FLOAT": 4, "DOUBLE": 8, "FLOAT16": 2, "BOOL": 1,
    "INT64": 8, "INT32": 4, "INT16": 2, "INT8": 1, "UINT16": 2, "UINT8": 1,
}  # fmt: skip
"""Bytes a number, by the name of the element type."""
_INPUTS = {"FLOAT": "float32", "DOUBLE": "float64"}


@dataclass(frozen=True)
class OnnxFile:
    """An accepted graph: `input` has shape (`batch`, `width`) and numpy type `dtype`.

    `batch` is None if the number of events is open. `outputs` maps each output's name to its shape for one block, the
    first being the number of events in it. `operators` are those it uses.
    """

    input: str
    width: int
    batch: int | None
    dtype: str
    outputs: dict[str, tuple[int, ...]]
    opset: int
    operators: tuple[str, ...]

    @property
    def block(self) -> int:
        """Events a run."""
        return self.batch or BLOCK


def read_onnx(path: Path) -> bytes:
    """The bytes of a file that is not too large to be accepted."""
    try:
        if not path.is_file():
            raise CardError(f"{path} is not a file" if path.exists() else f"{path} does not exist")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise CardError(f"{path} has {size} bytes; networks up to {MAX_BYTES} bytes are accepted")
        return path.read_bytes()
    except OSError as error:
        raise CardError(f"{path} cannot be read ({error.strerror})") from error


def check_onnx(data: bytes, origin: str) -> OnnxFile:
    """Check all of a graph before anything runs it; `CardError` names `origin` and what is not accepted."""
    if len(data) > MAX_BYTES:
        raise CardError(f"{origin}: {len(data)} bytes; networks up to {MAX_BYTES} bytes are accepted")
    try:
        model = _parsed(data)
        opset = _check_model(model)
        graph = model.graph
        if len(graph.node) > MAX_NODES:
            raise CardError(f"{len(graph.node)} operators, more than {MAX_NODES}")
        _check_nodes(graph)
        for tensor in _tensors(graph):
            _check_tensor(tensor)
        value = _only_input(graph)
        batch, width = _input_shape(value)
        _check_standard(model)
        shapes = inferred_shapes(model, value.name, batch or BLOCK)
    except CardError as error:
        raise CardError(f"{origin}: {error}") from error
    outputs = {output.name: shapes[output.name] for output in graph.output}
    operators = tuple(sorted({node.op_type for node in graph.node}))
    return OnnxFile(value.name, width, batch, _INPUTS[_element(value)], outputs, opset, operators)


def _parsed(data: bytes) -> ModelProto:
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ImportError as error:
        raise MissingExtraError.of(error, "ONNX networks need", "onnx", "onnx") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise CardError(f"not a complete ONNX file ({error}); get it again") from error
    if not model.graph.node:
        raise CardError("not an ONNX network: its graph is empty")
    return model


def _check_model(model: ModelProto) -> int:
    """The opset, of a model that is nothing but one graph of the standard's operators."""
    if model.functions or model.training_info or model.graph.sparse_initializer:
        raise CardError("functions, training graphs and sparse tensors are not accepted")
    own = [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]
    if len(own) != 1:
        raise CardError("it must import ONNX's own operators once")
    if own[0] < MIN_OPSET:
        raise CardError(f"opset {own[0]} is older than {MIN_OPSET}; export the network again")
    return int(own[0])


def _check_nodes(graph: GraphProto) -> None:
    from onnx import AttributeProto

    plain = {
        AttributeProto.FLOAT, AttributeProto.INT, AttributeProto.STRING, AttributeProto.TENSOR,
        AttributeProto.FLOATS, AttributeProto.INTS,
    }  # fmt: skip
    for node in graph.node:
        if node.domain not in {"", "ai.onnx"} or node.op_type not in OPERATORS:
            raise CardError(_not_accepted(node.domain, node.op_type))
        if node.op_type == "Dropout" and len(node.input) > 2:
            raise CardError("operator 'Dropout' may draw random numbers; export the network for inference")
        for attribute in node.attribute:
            if attribute.type not in plain or attribute.ref_attr_name:
                raise CardError(f"attribute {attribute.name[:60]!r} of {node.op_type} is not a plain value")


def _not_accepted(domain: str, operator: str) -> str:
    name = repr(f"{domain}.{operator}".lstrip(".")[:60])
    if domain not in {"", "ai.onnx"}:
        return f"operator {name} is not accepted: it is not one of ONNX's own; export without fused or custom operators"
    return (
        f"operator {name} is not accepted: hepad's list of {len(OPERATORS)} operators of feed-forward networks "
        "(docs/sharing.md) lacks it; export the network for inference, without it"
    )


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _check_tensor(tensor: TensorProto) -> None:
    """Refuse data in other files, sizes that are not those of the data, and numbers that are none."""
    import numpy as np
    from onnx import TensorProto, numpy_helper

    name = tensor.name[:60]
    if tensor.external_data or tensor.data_location == TensorProto.EXTERNAL:
        raise CardError(f"tensor {name!r} is in another file; save the network with all its data in one file")
    kind = _element_name(tensor.data_type)
    if kind not in _ELEMENTS:
        raise CardError(f"tensor {name!r} holds {kind}; accepted are {', '.join(_ELEMENTS)}")
    if any(size < 0 for size in tensor.dims):
        raise CardError(f"tensor {name!r} has a negative size")
    count = math.prod(tensor.dims)
    if count > MAX_BYTES:
        raise CardError(f"tensor {name!r} says it has {count} numbers, more than the file can hold")
    values: Any = tensor.raw_data
    there = len(values) / _ELEMENTS[kind]
    if not tensor.HasField("raw_data"):
        field = {"FLOAT": "float_data", "DOUBLE": "double_data", "INT64": "int64_data"}.get(kind, "int32_data")
        there = len(getattr(tensor, field))
    if there != count:
        raise CardError(f"tensor {name!r} says it has {count} numbers and holds {there:g}")
    array = numpy_helper.to_array(tensor)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CardError(f"tensor {name!r} holds numbers that are not finite")


def _only_input(graph: GraphProto) -> ValueInfoProto:
    stored = {tensor.name for tensor in graph.initializer}  # old files name these among the inputs too
    inputs = [value for value in graph.input if value.name not in stored]
    if len(inputs) != 1:
        names = ", ".join(repr(value.name[:40]) for value in inputs[:5]) or "none"
        raise CardError(f"it must have one input, it has {names}")
    if not graph.output:
        raise CardError("it has no output")
    value: ValueInfoProto = inputs[0]
    return value


def _input_shape(value: ValueInfoProto) -> tuple[int | None, int]:
    """Events (None: open) and columns of the input."""
    if _element(value) not in _INPUTS:
        raise CardError(f"input {value.name!r} takes {_element(value)}; accepted are {', '.join(_INPUTS)}")
    sizes = [d.dim_value if d.HasField("dim_value") else None for d in value.type.tensor_type.shape.dim]
    if len(sizes) != 2 or sizes[1] is None or sizes[1] < 1:
        raise CardError(f"input {value.name!r} must have shape (events, columns), it has {_shown(sizes)}")
    batch = sizes[0] if sizes[0] is not None and sizes[0] > 0 else None
    if batch is not None and batch > 1 << 16:
        raise CardError(f"input {value.name!r} takes {batch} events at a time, more than {1 << 16}")
    return batch, sizes[1]


def _check_standard(model: ModelProto) -> None:
    """The checks of the ONNX package: known operators, their attributes, names that are given once."""
    import onnx

    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, TypeError) as error:
        raise CardError(f"not a valid ONNX network ({first_line(error)})") from error


def _element(value: ValueInfoProto) -> str:
    return _element_name(value.type.tensor_type.elem_type)


def _element_name(number: int) -> str:
    from onnx import TensorProto

    known = {int(code): str(name) for name, code in TensorProto.DataType.items()}
    return known.get(number, f"type {number}")


def _shown(sizes: list[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in sizes) + ")"
