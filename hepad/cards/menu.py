"""Menus of a trigger: seeds, each with thresholds on objects and a prescale."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, load_card
from hepad.cards.resolver import resolve
from hepad.cards.selection import BuildCard, CollectionsCard, ObjectRule, Requirement, SelectionCard

__all__ = ["MENUS_FOLDER", "MenuCard", "Seed", "load_menu"]

MENUS_FOLDER = "analyses/menus"


class Seed(Requirement):
    """A seed: any, or all, of its conditions, which may be bits of the file, a trigger's own decisions.

    `prescale` N keeps one of N crossings that it accepts; 0 switches it off.
    """

    name: CardName
    prescale: float = 1.0

    @model_validator(mode="after")
    def _keeps_some_or_none(self) -> Seed:
        if self.prescale != 0 and self.prescale < 1:
            raise ValueError(f"prescale {self.prescale:g} must be 0 (off) or at least 1")
        return self


class MenuCard(Card):
    """A menu of a trigger.

    `objects`, `collections` and `build` are those of a selection: which objects count. `limit_khz` is the rate that the
    whole menu may have.
    """

    schema_: Literal["menu/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    note: str | None = None
    objects: dict[Literal["jets", "electrons", "muons", "photons", "taus", "fatjets"], ObjectRule] = Field(
        default_factory=dict
    )
    collections: CollectionsCard | None = None
    build: BuildCard | None = None
    limit_khz: float | None = Field(default=None, gt=0)
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=512)

    @model_validator(mode="after")
    def _can_be_applied(self) -> MenuCard:
        names = [seed.name for seed in self.seeds]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two seeds are called {twice!r}")
        self._as_selection()  # its own checks: that what is looked at is built
        return self

    @property
    def objects_selection(self) -> SelectionCard:
        """The selection that makes the objects that the seeds look at, and keeps every event."""
        return self._as_selection().model_copy(update={"require": ()})

    @property
    def prescales(self) -> tuple[float, ...]:
        """Those of the seeds, in their order."""
        return tuple(seed.prescale for seed in self.seeds)

    def fields(self) -> dict[str, set[str]]:
        """The collections and their properties that must be read to apply this card."""
        return self._as_selection().fields()

    def _as_selection(self) -> SelectionCard:
        return SelectionCard(
            schema_="selection/1",
            name=self.name,
            title=self.title,
            reference=self.reference,
            objects=self.objects,
            collections=self.collections,
            build=self.build,
            require=self.seeds,
        )


def load_menu(name: str) -> MenuCard:
    """The menu card of a bundled name or a path."""
    return load_card(MenuCard, resolve(MENUS_FOLDER, name))
