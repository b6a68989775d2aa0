"""Evaluating a network so that an event's score does not depend on the events around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.nn.reproducible import single_thread

__all__ = ["BLOCK", "evaluate"]

BLOCK = 1024
"""Rows per pass. Matrix libraries pick their kernel, and so the rounding, by the shape of the input and some by its
place in memory; blocks of one shape, which torch allocates at whole cache lines, make a row's result the same however a
caller splits the events. A contract test holds this bit for bit; it was run with MKL's kernels for AVX2, for AVX-512
and for any processor. benchmarks/bench_models.py measures the compromise: larger blocks score 10^5 events little
faster, and a single event costs a whole block."""


def evaluate(
    module: nn.Module,
    function: Callable[..., tuple[Tensor, ...]],
    arrays: Sequence[npt.NDArray[Any]],
    outputs: int,
    *,
    block: int = BLOCK,
    device: str = "cpu",
) -> list[npt.NDArray[np.float32]]:
    """Apply `function` to the rows of `arrays` in zero-padded blocks of `block` rows, in evaluation mode.

    `arrays` share their first axis, of length n; `function` takes their blocks as float32 tensors and gives
    `outputs` tensors whose first axis is the rows'. Returns these for all n rows as float32. `module` is left on
    `device`; only on the processor are the results the same bit for bit wherever that is.
    """
    rows = len(arrays[0])
    padded = [torch.zeros((block, *array.shape[1:])) for array in arrays]
    parts: list[list[npt.NDArray[np.float32]]] = [[] for _ in range(outputs)]
    module.to(device).eval()
    with single_thread(), torch.inference_mode():
        for start in range(0, max(rows, 1), block):  # one block even without rows: it gives the outputs' shapes
            filled = min(block, rows - start)
            for place, array in zip(padded, arrays, strict=True):
                values = place.numpy()
                values[:filled] = array[start : start + filled]
                values[filled:] = 0
            results = function(*(place.to(device) for place in padded))
            for part, result in zip(parts, results, strict=True):
                part.append(result[:filled].to(torch.float32).cpu().numpy().copy())
    return [np.concatenate(part) for part in parts]
