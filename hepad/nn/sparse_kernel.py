"""Product of rows that are mostly zero with a matrix, as a compiled loop."""

from __future__ import annotations

from typing import Any

from numba import float32, types

from hepad.jit import compiled

__all__ = ["sparse_product"]

_matrix = types.Array(float32, 2, "C", readonly=True)


@compiled(types.void(_matrix, _matrix, float32[:, ::1]))
def sparse_product(x: Any, weight: Any, out: Any) -> None:
    """Fill `out`, shape (n, outputs), with `x` (n, inputs) times `weight` (inputs, outputs); zeros of x cost nothing.

    Each sum goes along the inputs, so that a row's result does not depend on the other rows.
    """
    for i in range(len(x)):
        own = out[i]
        own[:] = 0
        for j in range(len(weight)):
            value = x[i, j]
            if value != 0:
                row = weight[j]
                for k in range(len(own)):
                    own[k] += value * row[k]
