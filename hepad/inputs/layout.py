"""What one event is to a network: a vector of named slots, a set of objects, or an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from hepad.errors import CardError

__all__ = ["IMAGE", "SET", "VECTOR", "Layout", "Slot", "check_momenta"]

VECTOR = ("slot",)
SET = ("object", "feature")
IMAGE = ("channel", "eta", "phi")

_OBJECT = re.compile(r"([a-z]+?)([1-9][0-9]*)?_([a-z][a-z0-9]*)")


@dataclass(frozen=True)
class Slot:
    """A number of an event: the feature of an object, `position` counted from 1, or 0 for what there is one of."""

    object: str
    position: int
    feature: str

    @property
    def owner(self) -> str:
        """The object that the number belongs to: `jet1`, `met`."""
        return f"{self.object}{self.position or ''}"

    @property
    def name(self) -> str:
        """The name of the column: `jet1_pt`, `met_phi`; the object alone where it has no features."""
        return f"{self.owner}_{self.feature}" if self.feature else self.owner

    @classmethod
    def of(cls, name: str) -> Slot:
        """The slot that is called `name`; a name of another form is an object without features."""
        match = _OBJECT.fullmatch(name)
        return cls(name, 0, "") if match is None else cls(match[1], int(match[2] or 0), match[3])


@dataclass(frozen=True)
class Layout:
    """The shape of an event, what its axes are and what its numbers are called.

    `axes` and `shape` have the same length: `VECTOR` (d,), `SET` (objects, features) or `IMAGE` (channels, eta, phi).
    `features` are the names along the axis that has any: the slots of a vector, the features of an object, the channels
    of an image. `slots` says for a vector which object a number belongs to.
    """

    axes: tuple[str, ...]
    shape: tuple[int, ...]
    features: tuple[str, ...]
    slots: tuple[Slot, ...] = ()

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape) or min(self.shape, default=0) < 1:
            raise CardError(f"an input of axes {', '.join(self.axes)} cannot have the shape {self.shape}")
        named = {VECTOR: 0, SET: 1, IMAGE: 0}.get(self.axes)
        if named is None:
            raise CardError(f"no input has the axes {', '.join(self.axes)}")
        if self.shape[named] != len(self.features) or (self.slots and len(self.slots) != len(self.features)):
            raise CardError(f"an input of shape {self.shape} cannot have {len(self.features)} names")

    @classmethod
    def vector(cls, slots: Sequence[Slot | str]) -> Layout:
        """A fixed number of named numbers, of shape (d,)."""
        made = tuple(slot if isinstance(slot, Slot) else Slot.of(slot) for slot in slots)
        if not made:
            raise CardError("an input needs at least one column")
        return cls(VECTOR, (len(made),), tuple(slot.name for slot in made), made)

    @classmethod
    def latent(cls, dimension: int) -> Layout:
        """The latent numbers of a model: a vector of `z1`, `z2`, ..., of shape (dimension,)."""
        return cls.vector([f"z{place}" for place in range(1, dimension + 1)])

    @classmethod
    def set(cls, objects: int, features: Sequence[str]) -> Layout:
        """Up to `objects` objects of the same features, in no order, of shape (objects, features)."""
        return cls(SET, (objects, len(features)), tuple(features))

    @classmethod
    def image(cls, channels: Sequence[str], eta: int, phi: int) -> Layout:
        """Sums in bins of eta and phi, of shape (channels, eta, phi); phi is periodic."""
        return cls(IMAGE, (len(channels), eta, phi), tuple(channels))

    @property
    def size(self) -> int:
        """How many numbers an event has."""
        return prod(self.shape)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a vector's numbers; `CardError` for a set or an image, whose numbers have none."""
        if self.axes != VECTOR:
            raise CardError(f"an input of axes {', '.join(self.axes)} has no columns")
        return self.features

    @property
    def objects(self) -> dict[str, dict[str, int]]:
        """The objects of a vector by name, `jet1`, `met`: of each the places of its features. A set's have no names."""
        found: dict[str, dict[str, int]] = {}
        for place, slot in enumerate(self.slots):
            found.setdefault(slot.owner, {})[slot.feature] = place
        return found

    @property
    def summary(self) -> str:
        """How to call it in a table: `19`, `3 x 72 x 58`."""
        return " x ".join(map(str, self.shape))

    def to_json(self) -> dict[str, Any]:
        """The layout in JSON types."""
        return {"axes": list(self.axes), "shape": list(self.shape), "features": list(self.features)}


def check_momenta(layout: Layout, model: str) -> None:
    """Raise `CardError` that names the model unless each column is pt, eta or phi of an object that has a pt."""
    if not layout.slots:
        raise CardError(f"{model} takes a vector of objects")
    if other := next((slot.name for slot in layout.slots if slot.feature not in {"pt", "eta", "phi"}), None):
        raise CardError(f"{model} takes columns such as jet1_pt, muon2_eta or met_phi, not {other!r}")
    if lacking := next((owner for owner, columns in layout.objects.items() if "pt" not in columns), None):
        raise CardError(f"{model} needs the pt of {lacking}")
