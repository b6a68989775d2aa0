"""The line search of fits that are made for many pseudo-experiments at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["halve_steps"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def halve_steps(
    theta: FloatArray,
    values: FloatArray,
    *,
    active: IntArray,
    step: FloatArray,
    cost: Callable[[FloatArray, IntArray], FloatArray],
    restrict: Callable[[FloatArray, IntArray], None],
    slack: float,
    halvings: int,
) -> IntArray:
    """Halve the steps (k, P) of the `active` fits (k,) until their cost does not rise; the fits that moved.

    Updates parameters `theta` (T, P) and costs `values` (T,). `cost` takes trial parameters (j, P) and which fits they
    are of (j,); `restrict` takes the same and keeps them within their bounds, in place. `slack` is the
    rise, relative to one plus the cost, that rounding may make; `halvings` is how many step lengths are tried.
    """
    pending = np.arange(len(active))
    length = 1.0
    for _ in range(halvings):
        rows = active[pending]
        trial = theta[rows] + length * step[pending]
        restrict(trial, rows)
        value = cost(trial, rows)
        better = value <= values[rows] + slack * (1 + np.abs(values[rows]))
        theta[rows[better]], values[rows[better]] = trial[better], value[better]
        pending = pending[~better]
        if len(pending) == 0:
            break
        length /= 2
    return np.delete(active, pending)
