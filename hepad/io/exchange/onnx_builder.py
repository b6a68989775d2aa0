"""ONNX graphs in the making, in operators that `hepad import-model` accepts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import MissingExtraError

__all__ = ["OPSET", "OnnxGraph"]

OPSET = 17


class OnnxGraph:
    """Nodes and numbers in the making; values are known by their names. `MissingExtraError` of `extra` without onnx."""

    def __init__(self, extra: str) -> None:
        try:
            from onnx import helper, numpy_helper
        except ImportError as error:
            raise MissingExtraError.of(error, "ONNX graphs need", "onnx", extra) from error
        self._make, self._from_array = helper.make_node, numpy_helper.from_array
        self.nodes: list[Any] = []
        self.numbers: list[Any] = []

    def add(self, operator: str, *inputs: str, name: str | None = None, **attributes: Any) -> str:
        """A node; the name of its output."""
        output = name or f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(self._make(operator, list(inputs), [output], **attributes))
        return output

    def number(self, value: npt.ArrayLike, dtype: str = "float32") -> str:
        """A constant."""
        name = f"c{len(self.numbers)}"
        self.numbers.append(self._from_array(np.asarray(value, dtype=dtype), name))
        return name

    def to_bytes(self, name: str, inputs: int, outputs: Mapping[str, tuple[int, ...]]) -> bytes:
        """The file of a graph of input `x`, float32 (events, inputs), and outputs by their shapes after the events'.

        The same graph gives the same bytes.
        """
        from onnx import TensorProto, helper

        def value(what: str, shape: tuple[int, ...]) -> Any:
            return helper.make_tensor_value_info(what, TensorProto.FLOAT, ["events", *shape])

        made = helper.make_graph(
            self.nodes,
            name,
            [value("x", (inputs,))],
            [value(what, shape) for what, shape in outputs.items()],
            self.numbers,
        )
        model = helper.make_model(
            made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="hepad"
        )
        return bytes(model.SerializeToString(deterministic=True))
