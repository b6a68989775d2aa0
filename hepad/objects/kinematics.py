"""Kinematics of named objects.

Masses are those of scikit-hep's vector but for rounding; tests compare the two. To import it, and with it sympy, takes
longer than most commands need for all else.
"""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import reduce
from operator import add, and_
from typing import Literal

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.condition import DERIVED
from hepad.errors import UsageError
from hepad.objects.naming import parse_object

__all__ = [
    "MASS_FEATURES",
    "MET",
    "invariant_mass",
    "mass_fields",
    "named_objects",
    "object_fields",
    "object_records",
    "parse_mass",
    "separation",
]

MASS_FEATURES = frozenset({"pt", "eta", "phi", "mass"})
MET = "met"
"""The missing momentum, which every event has one of, among the objects of `separation` in phi."""
_BTAGGED = {"bjets": True, "lightjets": False}


def parse_mass(text: str) -> tuple[tuple[str, int], ...]:
    """The objects of `jet1+jet2`, as (collection, position from 0); `UsageError` if one is unknown or named twice.

    With the missing momentum among them, `jet1+jet2+met`, it is a transverse mass: see `invariant_mass`.
    """
    parts = [part.strip() for part in text.split("+")]
    objects = tuple((MET, 0) if part == MET else parse_object(part) for part in parts)
    if len(set(objects)) != len(objects):
        raise UsageError(f"mass {text!r} names an object twice")
    if objects == ((MET, 0),):
        raise UsageError("the missing momentum alone has no mass: name objects beside it, for instance jet1+jet2+met")
    return objects


def mass_fields(objects: Sequence[tuple[str, int]]) -> dict[str, set[str]]:
    """What must be read to compute a mass; the selection reads what it builds other collections of."""
    missing = {MET: {"pt", "phi"}} if any(name == MET for name, _ in objects) else {}
    return {**object_fields([name for name, _ in objects if name != MET], MASS_FEATURES), **missing}


def object_fields(collections: Sequence[str], features: AbstractSet[str]) -> dict[str, set[str]]:
    """What must be read to know features of the objects of `named_objects`."""
    fields: dict[str, set[str]] = {}
    for name in collections:
        if name in DERIVED:
            continue
        tagged = name in _BTAGGED
        fields.setdefault("jets" if tagged else name, set()).update(features | ({"btag"} if tagged else set()))
    return fields


def named_objects(events: ak.Array, name: str) -> ak.Array:
    """A collection by name, jagged: one of Events, or `bjets` and `lightjets`, the jets with and without a b-tag.

    `UsageError` for a collection that a selection must build and this one did not.
    """
    if name in DERIVED and name not in events.fields:
        raise UsageError(f"no {name}: the selection must build them, under its key 'build'")
    return events.jets[events.jets.btag == _BTAGGED[name]] if name in _BTAGGED else events[name]


def invariant_mass(
    events: ak.Array, objects: Sequence[tuple[str, int]]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Invariant mass in GeV of the sum of objects, and a mask of shape (n,) of the events that have them all.

    The masses, of shape (m,), are those of the m events where the mask is True. Computed in double precision. With the
    missing momentum among the objects it is the transverse mass of the sum of the others, V, and it:
    mT^2 = (ET(V) + MET)^2 - |pT(V) + MET|^2, where ET(V)^2 = m(V)^2 + pT(V)^2.
    """
    records, has_all = object_records(events, [one for one in objects if one[0] != MET])
    if len(records) < len(objects):
        return _transverse_mass(records, events[has_all].met), has_all
    if len(records) == 1:
        return _column(records[0], "mass"), has_all
    with np.errstate(all="ignore"):  # of absurd momenta, whose mass is not finite
        x, y, z, t = (reduce(add, parts) for parts in zip(*map(_cartesian, records), strict=True))
        square = t**2 - (x**2 + y**2 + z**2)
        return np.copysign(np.sqrt(np.abs(square)), square), has_all


def _transverse_mass(records: Sequence[ak.Array], missing: ak.Array) -> npt.NDArray[np.float64]:
    """The transverse mass (m,) of the sum of objects and the missing momentum, which has no mass."""
    met, phi = _column(missing, "pt"), _column(missing, "phi")
    with np.errstate(all="ignore"):
        x, y, z, t = (reduce(add, parts) for parts in zip(*map(_cartesian, records), strict=True))
        visible = np.sqrt(np.maximum(t**2 - z**2, 0.0))
        square = (visible + met) ** 2 - (x + met * np.cos(phi)) ** 2 - (y + met * np.sin(phi)) ** 2
        return np.asarray(np.sqrt(np.maximum(square, 0.0)), dtype=np.float64)


def separation(
    events: ak.Array, objects: Sequence[tuple[str, int]], feature: Literal["eta", "phi"]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """The distance of two objects in eta, or in phi (radians, 0 to pi), and a mask as of `invariant_mass`."""
    records, has_all = object_records(events, objects)
    first, second = (ak.to_numpy(record[feature]).astype(np.float64) for record in records)
    distance = np.abs(first - second)
    return (np.minimum(distance, np.abs(2 * np.pi - distance)) if feature == "phi" else distance), has_all


def object_records(
    events: ak.Array, objects: Sequence[tuple[str, int]]
) -> tuple[list[ak.Array], npt.NDArray[np.bool_]]:
    """The objects of the events that have them all, one record an event, and the mask of shape (n,) of these events."""
    counted = [(name, position) for name, position in objects if name != MET]
    has_all = reduce(and_, [ak.to_numpy(ak.num(named_objects(events, name)) > position) for name, position in counted])
    complete = events[has_all]
    return [complete.met if name == MET else named_objects(complete, name)[:, i] for name, i in objects], has_all


def _cartesian(record: ak.Array) -> tuple[npt.NDArray[np.float64], ...]:
    """Momentum along x, y and z, and energy: (m,) each."""
    pt, eta, phi, mass = (_column(record, feature) for feature in ("pt", "eta", "phi", "mass"))
    shrunk = np.exp(-eta)
    momentum = pt**2 * (0.5 * (1 + shrunk**2) / shrunk) ** 2
    energy = np.sqrt(np.maximum(np.copysign(mass**2, mass) + momentum, 0))
    return pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy


def _column(record: ak.Array, feature: str) -> npt.NDArray[np.float64]:
    return np.asarray(ak.to_numpy(record[feature]), dtype=np.float64)
