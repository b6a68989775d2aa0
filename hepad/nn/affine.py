"""Affine layers in numpy whose sums have one order, whatever the number of rows, of threads and the matrix library."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["affine"]

_Float32 = npt.NDArray[np.float32]


def affine(weight: _Float32, bias: _Float32, columns: _Float32) -> _Float32:
    """`weight @ columns + bias`, shape (..., outputs, n), for columns of shape (..., inputs, n).

    Each sum starts at zero, goes along the inputs in single precision, and adds the bias last.
    """
    *leading, inputs, n = columns.shape
    total = np.zeros((*leading, len(weight), n), dtype=np.float32)
    term = np.empty_like(total)
    for i in range(inputs):
        np.multiply(columns[..., i, np.newaxis, :], weight[:, i, np.newaxis], out=term)
        total += term
    total += bias[:, np.newaxis]
    return total
