"""ONNX files of strangers: what is accepted, and what is refused before anything runs it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import CardError
from hepad.io.exchange import onnx_file
from hepad.io.exchange.onnx_file import check_onnx, read_onnx

from ...onnx_graphs import bundled_dense, model, onnx

helper, numpy_helper = onnx.helper, onnx.numpy_helper
RELU = helper.make_node("Relu", ["x"], ["y"])


def check(proto: Any) -> onnx_file.OnnxFile:
    return check_onnx(proto.SerializeToString(), "it")


def test_what_is_known_of_a_graph() -> None:
    graph = check(bundled_dense())
    assert (graph.input, graph.width, graph.batch, graph.dtype) == ("x", 19, None, "float32")
    assert graph.outputs == {"y": (onnx_file.BLOCK, 19)}
    assert (graph.opset, graph.operators) == (17, ("Gemm", "Relu"))
    assert check(bundled_dense(dtype="float64", batch=7)).outputs == {"y": (7, 19)}


def external(proto: Any, location: str) -> Any:
    tensor = proto.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    tensor.ClearField("raw_data")
    return proto


@pytest.mark.parametrize("location", ["/etc/passwd", "../../secret", "weights.bin"])
def test_data_in_other_files_are_never_opened(location: str) -> None:
    with pytest.raises(CardError, match="is in another file"):
        check(external(bundled_dense(), location))


def test_data_in_other_files_hidden_in_a_constant() -> None:
    tensor = numpy_helper.from_array(np.ones(19, dtype=np.float32))
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    nodes = [helper.make_node("Constant", [], ["c"], value=tensor), helper.make_node("Add", ["x", "c"], ["y"])]
    with pytest.raises(CardError, match="is in another file"):
        check(model(nodes, []))


@pytest.mark.parametrize(
    ("operator", "domain", "attributes"),
    [
        ("RandomNormalLike", "", {}),
        ("Bernoulli", "", {}),
        ("NonZero", "", {}),
        ("DynamicQuantizeLinear", "", {}),
        ("Loop", "", {}),
        ("Relu", "com.example", {}),
        ("FusedMatMul", "com.microsoft", {}),
        ("SequenceEmpty", "", {}),
    ],
)
def test_operators_that_are_not_accepted(operator: str, domain: str, attributes: dict[str, Any]) -> None:
    why = "it is not one of ONNX's own" if domain else "hepad's list of .* lacks it"
    with pytest.raises(CardError, match=f"operator '.*{operator}' is not accepted: {why}"):
        check(model([helper.make_node(operator, ["x"], ["y"], domain=domain, **attributes)], []))


def test_the_list_of_operators_is_documented() -> None:
    text = (Path(__file__).parents[3] / "docs" / "sharing.md").read_text(encoding="utf-8")
    listed = text.partition("The operators that are accepted, opset 7 or later: ")[2].partition(".")[0]
    assert listed.replace("\n", " ").split(", ") == sorted(onnx_file.OPERATORS)


@pytest.mark.parametrize("operator", ["Expand", "Tile", "ConstantOfShape"])
def test_sizes_that_a_graph_makes_up(operator: str) -> None:
    """A few bytes that ask for much memory, by a constant or by a number that is computed from the events."""
    wanted = numpy_helper.from_array(np.array([1 << 15, 1 << 15], dtype=np.int64), "wanted")
    axes = numpy_helper.from_array(np.array([0], dtype=np.int64), "axes")
    one = numpy_helper.from_array(np.ones((1, 1), dtype=np.float32), "one")
    inputs = ["wanted"] if operator == "ConstantOfShape" else ["one", "wanted"]
    end = helper.make_node("ReduceMax", ["big"], ["y"], keepdims=0)
    with pytest.raises(CardError, match=r"'big' has shape .* too large"):
        check(model([helper.make_node(operator, inputs, ["big"]), end], [wanted, one], outputs={"y": []}))
    nodes = [
        helper.make_node("ReduceMax", ["x"], ["m"], keepdims=0),
        helper.make_node("Cast", ["m"], ["i"], to=onnx.TensorProto.INT64),
        helper.make_node("Unsqueeze", ["i", "axes"], ["n"]),
        helper.make_node("Concat", ["n", "n"], ["wanted"], axis=0),
        helper.make_node(operator, inputs, ["big"]),
        end,
    ]
    with pytest.raises(CardError, match="the size of 'big' cannot be told"):
        check(model(nodes, [axes, one], outputs={"y": []}))


def test_a_graph_within_an_attribute_is_refused() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    node.attribute.append(helper.make_attribute("body", bundled_dense().graph))
    with pytest.raises(CardError, match="'body' of Relu is not a plain value"):
        check(model([node], []))


def test_functions_and_old_opsets_are_refused() -> None:
    proto = model([RELU], [])
    proto.functions.append(helper.make_function("d", "f", ["a"], ["b"], [], [helper.make_opsetid("", 17)]))
    with pytest.raises(CardError, match="functions"):
        check(proto)
    with pytest.raises(CardError, match="opset 6 is older"):
        check(model([RELU], [], opset=6))
    proto = model([RELU], [])
    del proto.opset_import[:]
    with pytest.raises(CardError, match="import ONNX's own operators once"):
        check(proto)


def test_a_size_that_the_data_do_not_have() -> None:
    proto = bundled_dense()
    proto.graph.initializer[0].dims[0] = 1 << 40
    with pytest.raises(CardError, match="more than the file can hold"):
        check(proto)
    proto = bundled_dense()
    proto.graph.initializer[0].dims[0] += 1
    with pytest.raises(CardError, match=r"says it has \d+ numbers and holds"):
        check(proto)
    proto = bundled_dense()
    proto.graph.initializer[0].dims[0] = -1
    with pytest.raises(CardError, match="negative"):
        check(proto)


def test_intermediate_results_that_would_fill_the_memory() -> None:
    column = numpy_helper.from_array(np.zeros((1 << 14, 1), dtype=np.float32), "column")
    row = numpy_helper.from_array(np.zeros((1, 1 << 14), dtype=np.float32), "row")
    nodes = [
        helper.make_node("MatMul", ["column", "row"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["one"], keepdims=0),
        helper.make_node("Add", ["x", "one"], ["y"]),
    ]
    with pytest.raises(CardError, match="'huge' has shape"):
        check(model(nodes, [column, row]))


def test_what_the_file_says_of_its_own_sizes_is_not_believed() -> None:
    column = numpy_helper.from_array(np.zeros((1 << 14, 1), dtype=np.float32), "column")
    row = numpy_helper.from_array(np.zeros((1, 1 << 14), dtype=np.float32), "row")
    proto = model([helper.make_node("MatMul", ["column", "row"], ["y"])], [column, row])
    proto.graph.value_info.append(helper.make_tensor_value_info("y", 1, [1, 1]))
    with pytest.raises(CardError, match="too large"):
        check(proto)


@pytest.mark.parametrize(
    ("proto", "message"),
    [
        (lambda: model([RELU], [], element=onnx.TensorProto.INT64), "takes INT64"),
        (lambda: model([RELU], [], batch=1 << 20), "events at a time"),
        (lambda: model([helper.make_node("Relu", ["other"], ["y"])], []), "not a valid ONNX network"),
        (lambda: model([helper.make_node("Relu", ["x"], ["z"])], []), "not a valid ONNX network|'y' cannot be told"),
        (onnx.ModelProto, "its graph is empty"),
    ],
)
def test_graphs_that_make_no_sense(proto: Callable[[], Any], message: str) -> None:
    with pytest.raises(CardError, match=message):
        check(proto())


def test_a_second_input_is_named() -> None:
    proto = model([helper.make_node("Add", ["x", "z"], ["y"])], [])
    proto.graph.input.append(helper.make_tensor_value_info("z", 1, ["N", 19]))
    with pytest.raises(CardError, match="one input, it has 'x', 'z'"):
        check(proto)


def test_an_input_that_is_no_row_of_columns() -> None:
    proto = model([RELU], [])
    proto.graph.input[0].type.tensor_type.shape.dim.add().dim_value = 3
    with pytest.raises(CardError, match=r"must have shape \(events, columns\), it has \(\?, 19, 3\)"):
        check(proto)


def test_weights_that_are_no_numbers() -> None:
    weights = numpy_helper.from_array(np.full(19, np.nan, dtype=np.float32), "w")
    with pytest.raises(CardError, match="not finite"):
        check(model([helper.make_node("Add", ["x", "w"], ["y"])], [weights]))


def test_files_that_are_too_large_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_file, "MAX_BYTES", 100)
    (tmp_path / "m.onnx").write_bytes(bytes(101))
    with pytest.raises(CardError, match="101 bytes"):
        read_onnx(tmp_path / "m.onnx")
    with pytest.raises(CardError, match="101 bytes"):
        check_onnx(bytes(101), "it")
    with pytest.raises(CardError, match="does not exist"):
        read_onnx(tmp_path / "none.onnx")
    with pytest.raises(CardError, match="is not a file"):
        read_onnx(tmp_path)


BYTES = bundled_dense().SerializeToString()


@given(st.integers(0, len(BYTES) - 1))
def test_a_truncated_file_is_refused(length: int) -> None:
    with pytest.raises(CardError, match=r"^it: "):
        check_onnx(BYTES[:length], "it")


@given(st.integers(0, len(BYTES) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_is_a_number(place: int, change: int) -> None:
    """Whatever the byte, the check ends with a graph or a `CardError`, nothing else."""
    data = bytearray(BYTES)
    data[place] ^= change
    with suppress(CardError):
        check_onnx(bytes(data), "it")


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(CardError, match=r"^it: "):
        check_onnx(data, "it")
