"""The mass that is hunted in: of objects of the events, or a column of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.input import InputCard
from hepad.errors import UsageError
from hepad.inputs.table import TableFeaturesCard
from hepad.io.events import COLUMNS
from hepad.objects.expressions import Expression
from hepad.objects.kinematics import invariant_mass, mass_fields, parse_mass

__all__ = ["HuntMass", "mass_of"]


class HuntMass(Protocol):
    """A mass in GeV."""

    @property
    def content(self) -> Any:
        """What it is, in JSON types."""
        ...

    def fields(self) -> dict[str, set[str]]:
        """What must be read."""
        ...

    def of(self, events: ak.Array) -> npt.NDArray[np.float64]:
        """The mass (n,) of events, NaN for those that lack its objects."""
        ...


@dataclass(frozen=True)
class _OfObjects:
    objects: tuple[tuple[str, int], ...]

    @property
    def content(self) -> list[list[Any]]:
        return [list(one) for one in self.objects]

    def fields(self) -> dict[str, set[str]]:
        return mass_fields(self.objects)

    def of(self, events: ak.Array) -> npt.NDArray[np.float64]:
        masses, there = invariant_mass(events, self.objects)
        mass = np.full(len(events), np.nan)
        mass[there] = masses
        return mass


@dataclass(frozen=True)
class _OfColumns:
    expression: Expression

    @property
    def content(self) -> str:
        return self.expression.text

    def fields(self) -> dict[str, set[str]]:
        return {COLUMNS: set(self.expression.columns)}

    def of(self, events: ak.Array) -> npt.NDArray[np.float64]:
        mass = self.expression.of({n: ak.to_numpy(events[COLUMNS][n]) for n in self.expression.columns})
        return np.where(np.isfinite(mass), mass, np.nan)


def mass_of(text: str, card: InputCard, *, allowed: bool = False) -> HuntMass:
    """The mass of that name, for events of an input; `UsageError` for one that is not understood, or a feature of it.

    With `allowed`, what the networks see may hold the mass.
    """
    found: HuntMass
    if isinstance(card, TableFeaturesCard):
        mass = card.expression(text)
        found = _OfColumns(mass)
        own = [name for name in card.features if card.expression(name).columns & mass.columns]
    else:
        found = _OfObjects(parse_mass(text))
        own = [name for name in getattr(card, "features", ()) if _is_mass(name, set(found.objects))]
    if own and not allowed:
        raise UsageError(
            f"the feature {own[0]} is the mass that is hunted in: it tells the window by itself (--allow-mass takes it)"
        )
    return found


def _is_mass(feature: str, objects: set[tuple[str, int]]) -> bool:
    """Whether a feature is the invariant mass of these objects, in whatever order it names them."""
    of, _, what = feature.rpartition("_")
    parts = of.split("+")
    return what == "mass" and len(parts) == len(objects) > 1 and set(parse_mass(of)) == objects
