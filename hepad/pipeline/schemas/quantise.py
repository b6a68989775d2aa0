"""`hepad quantise`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.pipeline.quantise.report import QuantisedPoint, Summary
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Cost(TypedDict):
    """Of designs that reach an AUC."""

    low: float | None
    """The interval over fine-tuning seeds; null without several."""
    mean: float
    high: float | None


class EqualCost(TypedDict):
    """What a model takes at an AUC that all models reach."""

    signal: str
    auc: float
    model: str
    lut: NotRequired[Cost]
    """Lookup tables."""
    latency_ns: NotRequired[Cost]


class Designs(TypedDict):
    """All designs, and what those of equal widths have in common."""

    points: list[QuantisedPoint]
    summary: list[Summary]
    equal_auc: list[EqualCost]
    operations: dict[str, dict[str, float]]
    """Of each model in floating point, an event, by kind."""
    variants: list[str]
    """The names of the bundles that were made."""


class Printed(Designs):
    """All designs, and where they were written."""

    output: str


class Written(Designs):
    """All designs, with the provenance."""

    provenance: Provenance
