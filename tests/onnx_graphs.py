"""ONNX graphs for tests: small ones by hand, and our dense autoencoder as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hepad.bundles.files import read_bundle
from hepad.cards.resolver import resolve

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

PARTS = [("encoder.0", True), ("encoder.2", True), ("encoder.4", False),
         ("decoder.0", True), ("decoder.2", True), ("decoder.4", False)]  # fmt: skip


def model(
    nodes: list[Any],
    initializers: list[Any],
    *,
    width: int = 19,
    outputs: dict[str, list[Any]] | None = None,
    element: int = TensorProto.FLOAT,
    batch: str | int = "N",
    opset: int = 17,
) -> Any:
    """A graph with the input `x` and, by default, the output `y` of the same shape."""
    inputs = [helper.make_tensor_value_info("x", element, [batch, width])]
    made = [
        helper.make_tensor_value_info(name, element, shape)
        for name, shape in (outputs or {"y": [batch, width]}).items()
    ]
    graph = helper.make_graph(nodes, "network", inputs, made, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def dense(weights: dict[str, np.ndarray], *, dtype: str = "float32", batch: str | int = "N") -> Any:
    """Our dense autoencoder: Gemm and Relu."""
    nodes, initializers, value = [], [], "x"
    for i, (part, relu) in enumerate(PARTS):
        for kind in ("weight", "bias"):
            array = weights[f"model.{part}.{kind}"].astype(dtype)
            initializers.append(numpy_helper.from_array(array, f"{part}.{kind}"))
        end = "y" if i == len(PARTS) - 1 else f"h{i}"
        names = [value, f"{part}.weight", f"{part}.bias"]
        nodes.append(helper.make_node("Gemm", names, [f"{end}_lin" if relu else end], transB=1))
        if relu:
            nodes.append(helper.make_node("Relu", [f"{end}_lin"], [end]))
        value = end
    element = TensorProto.FLOAT if dtype == "float32" else TensorProto.DOUBLE
    return model(nodes, initializers, element=element, batch=batch)


def bundled_dense(**options: Any) -> Any:
    """The bundled `dnn_ae`."""
    return dense(read_bundle(resolve("bundles", "dnn_ae"))[1], **options)


CARD = """schema: analysis/1
name: foreign
title: A dense autoencoder that was trained elsewhere
reference: none
fidelity: inspired
selection: adc2021
input: {kind: l1_vector, features: [pt], order: [jets, muons, electrons, met], scale: max_with_floor}
model: {name: onnx, score: SCORE}
regions: {cut: {threshold: 0.001}}
"""


def write_inputs(folder: Path, score: str = "mse", **options: Any) -> dict[str, Path]:
    """`network`, `card` and `scale`: the bundled dense autoencoder as a stranger would send it."""
    tensors = read_bundle(resolve("bundles", "dnn_ae"))[1]
    paths = {"network": folder / "model.onnx", "card": folder / "card.yaml", "scale": folder / "scale.npz"}
    paths["network"].write_bytes(dense(tensors, **options).SerializeToString())
    paths["card"].write_text(CARD.replace("SCORE", score))
    np.savez(paths["scale"], gain=tensors["input.gain"], offset=tensors["input.offset"])
    return paths
