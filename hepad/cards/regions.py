"""Cards of signal regions: observed events and background, for tables of model-independent limits."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from hepad.cards.base import Card, load_card

__all__ = ["RegionCount", "RegionsCard", "load_regions"]


class RegionCount(Card):
    """Observed events, expected background and its absolute error, in events."""

    observed: float = Field(ge=0)
    background: float = Field(ge=0)
    background_error: float = Field(default=0.0, ge=0)


class RegionsCard(Card):
    """`regions/1`: regions by name, and the luminosity in fb-1 if visible cross sections are wanted."""

    schema_: Literal["regions/1"] = Field(alias="schema")
    luminosity_fb: float | None = Field(default=None, gt=0)
    regions: dict[str, RegionCount] = Field(min_length=1)


def load_regions(path: Path) -> RegionsCard:
    """The card in a YAML file; `CardError` names the key at fault."""
    return load_card(RegionsCard, path)
