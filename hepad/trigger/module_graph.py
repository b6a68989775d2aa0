"""A score that is one module of torch: as plain torch runs it, and as an ONNX graph."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hepad.errors import CardError, MissingExtraError
from hepad.trigger.onnx_graph import onnx_session

__all__ = ["graph_scores", "module_onnx", "module_scores"]

_OPSET = 17

_Arrays = Sequence[npt.NDArray[Any]]


def module_scores(module: nn.Module) -> Callable[[_Arrays], npt.NDArray[Any]]:
    """A function that scores arrays of first axis n with torch as it is."""

    def score(arrays: _Arrays) -> npt.NDArray[Any]:
        with torch.no_grad():
            return np.asarray(module(*map(torch.from_numpy, arrays)).numpy())

    return score


def _input_names(count: int) -> list[str]:
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
    names = _input_names(len(arrays))
    data: Any = io.BytesIO()
    try:
        with warnings.catch_warnings(), _silent(), torch.no_grad():
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


def graph_scores(data: bytes, *, threads: int = 1) -> Callable[[_Arrays], npt.NDArray[Any]]:
    """A function that scores arrays with a graph of `module_onnx`, by onnxruntime.

    It raises `CardError` where the graph cannot be run: some are of the number of events that they were made with.
    """
    session = onnx_session(data, threads=threads)

    def score(arrays: _Arrays) -> npt.NDArray[Any]:
        try:
            return np.asarray(session.run(["score"], dict(zip(_input_names(len(arrays)), arrays, strict=True)))[0])
        except Exception as error:  # its errors have no other common kind
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise CardError(f"the ONNX graph of this score does not run: {reason}") from error

    return score


@contextmanager
def _silent() -> Iterator[None]:
    """Without the whole graph on the standard output, where one cannot be made: torch turns its own switch on again."""
    name = "_jit_onnx_log"
    before = getattr(torch._C, name, None)  # noqa: SLF001  there is no public way
    if before is not None:
        setattr(torch._C, name, lambda *_: None)  # noqa: SLF001
    try:
        yield
    finally:
        if before is not None:
            setattr(torch._C, name, before)  # noqa: SLF001
