"""Test vectors of an analysis: a small event file, and what the analysis makes of each event in it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, parse_card
from hepad.cards.document import each_key_once
from hepad.errors import CardError

__all__ = ["VECTORS", "CategoryVectors", "EventsFile", "Step", "VectorsCard", "Yield", "load_vectors"]

VECTORS = "vectors.json"

MAX_BYTES = 64 << 20

Entry = Annotated[int, Field(ge=0)]


class EventsFile(Card):
    """The event file, beside the vectors: its name, size in bytes, sha256 and number of events."""

    file: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,99}$")
    bytes: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    entries: int = Field(ge=1)


class Step(Card):
    """A step of a cut flow: events and sum of weights after it."""

    name: str
    events: int = Field(ge=0)
    weight: float


class Yield(Card):
    """What is in a region: events, sum of weights, and its fraction of the weights of all events."""

    events: int = Field(ge=0)
    weight: float
    acceptance: float


class CategoryVectors(Card):
    """One category. `selected` and `regions` hold entries of events, rising; the others one number an event selected.

    `scores` by name, `masses` in GeV by channel with null where the event lacks the objects.
    """

    selected: tuple[Entry, ...]
    scores: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    masses: dict[str, tuple[float | None, ...]] = Field(default_factory=dict)
    regions: dict[str, tuple[Entry, ...]] = Field(default_factory=dict)
    cutflow: tuple[Step, ...]
    yields: dict[str, Yield] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_together(self) -> CategoryVectors:
        for name, entries in (("selected", self.selected), *self.regions.items()):
            if any(b <= a for a, b in pairwise(entries)):
                raise ValueError(f"entries of {name} must rise")
        for name, values in (*self.scores.items(), *self.masses.items()):
            if len(values) != len(self.selected):
                raise ValueError(f"{name} has {len(values)} numbers for {len(self.selected)} selected events")
        return self


class VectorsCard(Card):
    """`vectors.json`. `tolerance` is relative; `cards` maps what the numbers were made with to its sha256."""

    schema_: Literal["vectors/1"] = Field(alias="schema")
    analysis: str
    events: EventsFile
    tolerance: float = Field(gt=0, lt=1)
    categories: dict[str, CategoryVectors] = Field(min_length=1)
    cards: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, Any]


def load_vectors(path: Path) -> VectorsCard:
    """Read and check a file of vectors; `CardError` if it is none."""
    try:
        if not path.is_file():
            raise CardError(f"{path} does not exist; write vectors with 'hepad analysis vectors'")
        if path.stat().st_size > MAX_BYTES:
            raise CardError(f"{path} has more than {MAX_BYTES} bytes")
        content = json.loads(path.read_bytes(), object_pairs_hook=each_key_once)
    except (OSError, ValueError, RecursionError) as error:
        raise CardError(f"{path} is not valid JSON ({error})") from error
    return parse_card(VectorsCard, content, str(path))
