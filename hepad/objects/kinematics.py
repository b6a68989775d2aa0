"""Kinematics of named objects, with scikit-hep's vector."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import add, and_

import awkward as ak
import numpy as np
import numpy.typing as npt
import vector

from hepad.errors import UsageError
from hepad.objects.naming import parse_object

__all__ = ["MASS_FEATURES", "invariant_mass", "mass_fields", "parse_mass"]

vector.register_awkward()  # gives the Momentum4D and Momentum2D records of Events their behaviour

MASS_FEATURES = frozenset({"pt", "eta", "phi", "mass"})


def parse_mass(text: str) -> tuple[tuple[str, int], ...]:
    """The objects of `jet1+jet2`, as (collection, position from 0); `UsageError` if one is unknown or named twice."""
    objects = tuple(parse_object(part.strip()) for part in text.split("+"))
    if len(set(objects)) != len(objects):
        raise UsageError(f"mass {text!r} names an object twice")
    return objects


def mass_fields(objects: Sequence[tuple[str, int]]) -> dict[str, set[str]]:
    """What must be read to compute a mass."""
    return {name: set(MASS_FEATURES) for name, _ in objects}


def invariant_mass(
    events: ak.Array, objects: Sequence[tuple[str, int]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Invariant mass in GeV of the sum of objects, and a mask of shape (n,) of the events that have them all.

    The masses, of shape (m,), are those of the m events where the mask is True. Computed in double precision.
    """
    has_all = reduce(and_, [ak.to_numpy(ak.num(events[name]) > position) for name, position in objects])
    complete = events[has_all]
    vectors = [_double_precision(complete[name][:, position]) for name, position in objects]
    return ak.to_numpy(reduce(add, vectors).mass).astype(np.float64), has_all


def _double_precision(record: ak.Array) -> ak.Array:
    return ak.zip({f: ak.values_astype(record[f], np.float64) for f in sorted(MASS_FEATURES)}, with_name="Momentum4D")
