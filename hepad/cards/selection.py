"""Selection cards: object cuts, counts and event requirements; nothing to execute."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, load_card
from hepad.cards.resolver import resolve

__all__ = [
    "COLLECTIONS",
    "Condition",
    "ObjectCuts",
    "ObjectRule",
    "Range",
    "Requirement",
    "SelectionCard",
    "load_selection",
]

COLLECTIONS = ("jets", "electrons", "muons", "photons", "taus", "fatjets")
"""Object collections that a card can cut on; each is sorted by falling pT."""


class Range(Card):
    """An open interval: `min` < value < `max`, as papers write their cuts."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> Range:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min {self.min:g} must be below max {self.max:g}")
        return self


class ObjectCuts(Card):
    """Cuts on single objects: pT and mass in GeV, `btag` for jets only."""

    pt: Range | None = None
    eta: Range | None = None
    abs_eta: Range | None = None
    mass: Range | None = None
    btag: bool | None = None

    def features(self) -> set[str]:
        """The object properties that these cuts look at."""
        used = {name for name in ("pt", "eta", "mass", "btag") if getattr(self, name) is not None}
        return used | ({"eta"} if self.abs_eta is not None else set())


class ObjectRule(ObjectCuts):
    """Cuts that define a collection, and how many of its leading objects are kept."""

    max_count: int | None = Field(default=None, ge=1)


class Condition(Card):
    """How many objects of one collection must pass extra cuts, or a range of MET or scalar H_T in GeV."""

    jets: ObjectCuts | None = None
    electrons: ObjectCuts | None = None
    muons: ObjectCuts | None = None
    photons: ObjectCuts | None = None
    taus: ObjectCuts | None = None
    fatjets: ObjectCuts | None = None
    met: Range | None = None
    scalar_ht: Range | None = None
    min_count: int | None = Field(default=None, ge=1)
    max_count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _names_one_quantity(self) -> Condition:
        named = [name for name in (*COLLECTIONS, "met", "scalar_ht") if getattr(self, name) is not None]
        if len(named) != 1:
            raise ValueError(
                f"a condition names exactly one of {', '.join((*COLLECTIONS, 'met', 'scalar_ht'))}, found {named}"
            )
        counted = self.min_count is not None or self.max_count is not None
        if counted != (named[0] in COLLECTIONS):
            raise ValueError("min_count or max_count goes with a collection of objects, and only with one")
        return self

    @property
    def quantity(self) -> str:
        """The collection, `met` or `scalar_ht`."""
        return next(name for name in (*COLLECTIONS, "met", "scalar_ht") if getattr(self, name) is not None)


class Requirement(Card):
    """One step of the cut flow: any, or all, of its conditions."""

    name: str = Field(min_length=1)
    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()

    @model_validator(mode="after")
    def _has_conditions(self) -> Requirement:
        if bool(self.any) == bool(self.all):
            raise ValueError("give a list of conditions under either any or all")
        return self


class SelectionCard(Card):
    """A selection: which objects count, and which events are kept."""

    schema_: Literal["selection/1"] = Field(alias="schema")
    name: str
    title: str
    reference: str
    objects: dict[Literal["jets", "electrons", "muons", "photons", "taus", "fatjets"], ObjectRule] = Field(
        default_factory=dict
    )
    require: tuple[Requirement, ...] = ()

    @model_validator(mode="after")
    def _step_names_differ(self) -> SelectionCard:
        names = [step.name for step in self.require]
        if len(set(names)) != len(names) or "all events" in names:
            raise ValueError("requirements need different names, none of them 'all events'")
        return self

    def fields(self) -> dict[str, set[str]]:
        """The collections and their properties that must be read to apply this card."""
        needed: dict[str, set[str]] = {name: {"pt"} | rule.features() for name, rule in self.objects.items()}
        for step in self.require:
            for condition in (*step.any, *step.all):
                name = condition.quantity
                cuts = getattr(condition, name)
                features = {"pt"} | cuts.features() if isinstance(cuts, ObjectCuts) else set()
                needed.setdefault(name, set()).update(features or {"ht" if name == "scalar_ht" else "pt"})
        return needed


def load_selection(name: str) -> SelectionCard:
    """The selection card of a bundled name or a path."""
    return load_card(SelectionCard, resolve("selections", name))
