"""Cuts on single objects: which of a collection pass."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.condition import ObjectCuts, Range
from hepad.io.detector.columns import Objects

__all__ = ["inside", "passing"]

_Mask = npt.NDArray[np.bool_]


def passing(objects: Objects, cuts: ObjectCuts) -> _Mask | None:
    """Flat mask of the objects that pass all cuts; None if there are no cuts."""
    masks: list[_Mask] = []
    for feature in ("pt", "eta", "mass"):
        bounds = getattr(cuts, feature)
        if bounds is not None:
            masks.append(inside(objects.columns[feature], bounds))
    if cuts.abs_eta is not None:
        masks.append(inside(abs(objects.columns["eta"]), cuts.abs_eta))
    if cuts.btag is not None:
        masks.append(objects.columns["btag"] == cuts.btag)
    return reduce(np.logical_and, masks) if masks else None


def inside(values: Any, bounds: Range) -> Any:
    """The mask of the values within an open range."""
    if bounds.min is None:
        return values < bounds.max
    if bounds.max is None:
        return values > bounds.min
    return (values > bounds.min) & (values < bounds.max)
