"""Cards of hunts in a plane: a resonance that decays to a known particle and one of any mass, both of them jets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, check_edges, parse_card, read_yaml
from hepad.cards.cite import CiteCard
from hepad.cards.hunt import HUNTS_FOLDER, HuntCard, bins_within
from hepad.cards.resolver import resolve

__all__ = ["KnownCard", "PlaneCard", "UnknownCard", "load_any_hunt"]

_SCHEMA = "plane/1"

Bounds = tuple[float | None, float | None]


class KnownCard(Card):
    """The known particle: of the candidates whose `mass`, a property in GeV, is in `range` that nearest to `nearest`.

    `require` has bounds on more of its properties, such as those of a tagger.
    """

    mass: str = "sdmass"
    range: tuple[float, float]
    nearest: float
    require: dict[str, Bounds] = Field(default_factory=dict)


class UnknownCard(Card):
    """The other candidate: its `mass` is a property in GeV.

    Windows of it span `span` steps of the `edges` each and begin at every one of them, so that they overlap.
    """

    mass: str = "sdmass"
    edges: Annotated[tuple[float, ...], Field(min_length=2)]
    span: int = Field(default=2, ge=1)

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """The windows (low, high) in GeV."""
        return tuple(zip(self.edges[: -self.span], self.edges[self.span :], strict=True))


class PlaneCard(Card):
    """Where a resonance is looked for whose decay has a known particle and another of any mass, each one jet.

    `candidates` are two objects, and `mass` is of both. `regions` are sets of bounds on properties of the unknown one:
    each is looked at on its own. `require` has bounds on features of the event. In each region and window of the
    unknown's mass the spectrum of `mass`, in `bins`, is fitted with the first of `functions` that the next does not
    improve in all windows together, and a resonance of `shape` at many masses. A property, `sdmass`, is the feature
    `fatjet1_sdmass` of events, or the column of that name of a table. Bounds are from the first to below the second.
    """

    schema_: Literal["plane/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    cite: CiteCard | None = None
    fidelity: Literal["exact", "approximate", "inspired"]
    fidelity_note: str = ""
    selection: str
    mass: str
    candidates: tuple[str, str]
    known: KnownCard
    unknown: UnknownCard
    regions: dict[CardName, dict[str, Bounds]] = Field(min_length=1)
    require: dict[str, Bounds] = Field(default_factory=dict)
    bins: Annotated[tuple[float, ...], Field(min_length=6)]
    functions: tuple[str, ...] = Field(min_length=1)
    shape: str = "gauss:0.05"

    @model_validator(mode="after")
    def _is_consistent(self) -> PlaneCard:
        check_edges({"unknown": self.unknown.edges, "bins": self.bins, "known": self.known.range})
        if not self.unknown.windows:
            raise ValueError(f"unknown.span {self.unknown.span} is as long as all edges: no window is left")
        if self.candidates[0] == self.candidates[1]:
            raise ValueError("the candidates are two different objects")
        return self

    def within(self, limits: tuple[float, float] | None) -> PlaneCard:
        """The same with spectra of the bins within limits in GeV; `UsageError` if fewer than 5 are left."""
        if limits is None:
            return self
        return self.model_copy(update={"bins": bins_within(self.bins, limits)})

    def features(self, region: str) -> tuple[str, ...]:
        """What is read of an event for a region, each once."""
        known = (self.known.mass, *self.known.require)
        properties = dict.fromkeys((*known, self.unknown.mass, *self.regions[region]))
        return tuple(dict.fromkeys([*(f"{c}_{p}" for c in self.candidates for p in properties), *self.require]))


def load_any_hunt(name: str) -> HuntCard | PlaneCard:
    """The hunt of a bundled name or a path, in windows of one mass or in a plane."""
    path = resolve(HUNTS_FOLDER, name)
    content: object = read_yaml(path)
    if isinstance(content, dict) and content.get("schema") == _SCHEMA:
        return parse_card(PlaneCard, content, str(path))
    return parse_card(HuntCard, content, str(path))
