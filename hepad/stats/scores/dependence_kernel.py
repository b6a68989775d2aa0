"""The sum over pairs of events that a distance covariance needs, in n log n steps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.jit import compiled

__all__ = ["sum_over_pairs"]


@compiled("f8(f8[::1], f8[::1], i8[::1])")
def sum_over_pairs(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64], rank: npt.NDArray[np.int64]) -> float:
    """The sum of |x_i - x_j| |y_i - y_j| over all pairs, for rising x (n,) and the ranks (n,) of y, from 1 on.

    |dx| |dy| is dx dy where y rises with x and else its negative. Trees of partial sums (Fenwick's) over the ranks of
    y give how many of the events before have a smaller one, and the sums of their x, y and x y.
    """
    n = len(x)
    tree = np.zeros((n + 1, 4))
    total = 0.0
    count, sum_x, sum_y, sum_xy = 0.0, 0.0, 0.0, 0.0
    for j in range(n):
        below, below_x, below_y, below_xy = 0.0, 0.0, 0.0, 0.0
        place = rank[j]
        while place > 0:
            below += tree[place, 0]
            below_x += tree[place, 1]
            below_y += tree[place, 2]
            below_xy += tree[place, 3]
            place -= place & -place
        rising = x[j] * y[j] * below - x[j] * below_y - y[j] * below_x + below_xy
        every = x[j] * y[j] * count - x[j] * sum_y - y[j] * sum_x + sum_xy
        total += 2 * rising - every
        count += 1.0
        sum_x += x[j]
        sum_y += y[j]
        sum_xy += x[j] * y[j]
        place = rank[j]
        while place <= n:
            tree[place, 0] += 1.0
            tree[place, 1] += x[j]
            tree[place, 2] += y[j]
            tree[place, 3] += x[j] * y[j]
            place += place & -place
    return total
