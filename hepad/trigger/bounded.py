"""Outputs of a decoder within their limits, and of objects that are there: tables of hyperbolic tangents, and masks."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
import numpy.typing as npt

from hepad.trigger.fixed import Floats, Format, Numbers, at_most, lookup, positive_part

__all__ = ["bounded", "if_there"]

_REACH = 2
"""A hyperbolic tangent is taken as 1 beyond 2^2, where it is 0.9993."""


def bounded(values: Numbers, limits: Floats, fraction: int) -> Numbers:
    """limit * tanh(value), with argument and result of so many bits after the point; as they come for infinite limits.

    Columns of the same limit share a table.
    """
    kinds, which = np.unique(limits, return_inverse=True)
    groups = [np.flatnonzero(which == kind) for kind in range(len(kinds))]
    parts = [_bounded(values[..., g], float(kind), fraction) for g, kind in zip(groups, kinds, strict=True)]
    return np.concatenate(parts, axis=-1)[..., np.argsort(np.concatenate(groups))]


def _bounded(values: Numbers, limit: float, fraction: int) -> Numbers:
    if not np.isfinite(limit):
        return values
    middle = 2.0**_REACH
    moved = at_most(positive_part(values + (middle + 2.0 ** -(fraction + 1))), Format(False, _REACH + 1, fraction))
    form = Format(True, max(int(np.ceil(np.log2(limit + 2.0**-fraction))), 0), fraction)
    return lookup(moved, lambda v: limit * np.tanh(v - middle), form)


def if_there(values: Numbers, x: Numbers, together: npt.NDArray[np.bool_]) -> Numbers:
    """The values whose inputs are not all 0, 0 for the others; `together` (outputs, inputs) says which those are."""
    rows, which = np.unique(together, axis=0, return_inverse=True)
    groups = [np.flatnonzero(which.ravel() == row) for row in range(len(rows))]
    parts = [_if_any(values[..., g], x[..., row]) for g, row in zip(groups, rows, strict=True)]
    return np.concatenate(parts, axis=-1)[..., np.argsort(np.concatenate(groups))]


def _if_any(values: Numbers, x: Numbers) -> Numbers:
    if x.shape[-1] == 0:
        return values * 0.0
    if isinstance(x, np.ndarray):
        return np.where((x != 0).any(axis=-1, keepdims=True), values, 0.0)
    bits = x.to_bool("any")
    return np.where(reduce(or_, [bits[i : i + 1] for i in range(len(bits))]), values, 0.0)
