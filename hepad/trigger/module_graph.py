"""A score that is one module of torch: as plain torch runs it, and as an ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hepad.errors import CardError, MissingExtraError

__all__ = ["input_names", "module_onnx", "module_scores"]

_OPSET = 17

_Arrays = Sequence[npt.NDArray[Any]]


def module_scores(module: nn.Module) -> Callable[[_Arrays], npt.NDArray[Any]]:
    """A function that scores arrays of first axis n with torch as it is."""

    def score(arrays: _Arrays) -> npt.NDArray[Any]:
        with torch.no_grad():
            return np.asarray(module(*map(torch.from_numpy, arrays)).numpy())

    return score


def input_names(count: int) -> list[str]:
    """What the inputs of a graph are called: `x`, and `x1`, `x2`, ... where there are more."""
    return ["x", *(f"x{place}" for place in range(1, count))]


def module_onnx(module: nn.Module, arrays: _Arrays) -> bytes:
    """A graph with the arrays as inputs, whose first axis has any length, and the output `score` (events,).

    `arrays` are examples. `MissingExtraError` without onnx, `CardError` for a module that the graph cannot be made of.
    """
    try:
        import_module("onnx")
    except ImportError as error:
        raise MissingExtraError.of(error, "ONNX graphs need", "onnx", "trigger") from error
    names = input_names(len(arrays))
    data: Any = io.BytesIO()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # of what is constant: `len` of a batch would be, and is looked for
            torch.onnx.export(
                module,
                tuple(map(torch.from_numpy, arrays)),
                data,
                input_names=names,
                output_names=["score"],
                dynamic_axes={name: {0: "events"} for name in [*names, "score"]},
                opset_version=_OPSET,
                dynamo=False,
            )
    except (RuntimeError, TypeError, ValueError, torch.onnx.OnnxExporterError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise CardError(f"no ONNX graph can be made of this score: {reason}") from error
    return bytes(data.getvalue())
