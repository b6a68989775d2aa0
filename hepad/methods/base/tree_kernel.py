"""The loop over events and trees."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.jit import compiled

__all__ = ["sum_of_trees"]


@compiled("f8[:](f4[:,::1], f8[:,::1], i8[::1], f8)")
def sum_of_trees(
    x: npt.NDArray[np.float32], nodes: npt.NDArray[np.float64], starts: npt.NDArray[np.int64], baseline: float
) -> npt.NDArray[np.float64]:
    """The baseline and what the trees add to it in their order, for events (n, d); see `hepad.methods.base.trees`."""
    total = np.empty(len(x), dtype=np.float64)
    for row in range(len(x)):
        value = baseline
        for start in starts:
            node = start
            while nodes[node, 0] >= 0:
                at = x[row, np.int64(nodes[node, 0])]
                node = np.int64(nodes[node, 2]) if at <= nodes[node, 1] else np.int64(nodes[node, 3])
            value += nodes[node, 4]
        total[row] = value
    return total
