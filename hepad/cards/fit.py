"""Fit cards: which background function describes a spectrum, by a name from a table in the code."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, load_card
from hepad.cards.resolver import resolve

__all__ = ["FAMILIES", "FitCard", "load_fit"]

FAMILIES: dict[str, tuple[int, int]] = {
    "dijet": (3, 6),
    "dijet_root": (5, 5),
    "moddijet": (3, 5),
    "ua2": (3, 5),
    "power": (2, 5),
    "exponential": (2, 5),
}
"""Function families that a card can name, and the numbers of parameters that each allows."""


class FitCard(Card):
    """A background function: its family, its number of parameters and the collision energy that scales the mass."""

    schema_: Literal["fit/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    family: Literal["dijet", "dijet_root", "moddijet", "ua2", "power", "exponential"]
    parameters: int
    sqrt_s: float = Field(gt=0, description="collision energy in GeV; x = m / sqrt_s")

    @model_validator(mode="after")
    def _number_of_parameters(self) -> FitCard:
        low, high = FAMILIES[self.family]
        if not low <= self.parameters <= high:
            allowed = f"{low} to {high}" if low < high else f"{low}"
            raise ValueError(f"family {self.family} has {allowed} parameters, not {self.parameters}")
        return self


def load_fit(name: str) -> FitCard:
    """The fit card of a bundled name (`dijet4`) or a path; `CardError` lists the bundled names."""
    return load_card(FitCard, resolve("fits", name))
