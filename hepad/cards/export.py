"""The card of an export: what a folder of Verilog, ONNX or the like was made from, and how it was checked."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["ExportCard", "ExportParity", "ExportRegion", "InputScale"]


class InputScale(Card):
    """One input: the network sees `gain` * x + `offset` (x in GeV or radians), 0 for an empty slot.

    For logic it is then rounded half up to `fraction` bits after the point, with `integer` bits before it and a sign
    where `signed`, and saturates. The port holds it at bits `first` to `last`.
    """

    column: str
    gain: float
    offset: float
    signed: bool | None = None
    integer: int | None = None
    fraction: int | None = None
    first: int | None = None
    last: int | None = None


class ExportRegion(Card):
    """A region: the model's threshold, and for logic the smallest raw output at or above it.

    Few bits shift scores. `raw_threshold_same_rate` is where as many of the test vectors' events pass as by the model:
    the threshold to use, if they are background.
    """

    score: str
    threshold: float
    raw_threshold: int | None = None
    raw_threshold_same_rate: int | None = None


class ExportParity(Card):
    """What the export was held against: events, how many differ, by which tool.

    `largest_difference` is relative to the score, for formats of floating point. `decisions` gives for each region the
    fraction of events whose decision is not the model's at its threshold, `decisions_same_rate` where as many pass.
    """

    tool: str
    events: int = Field(ge=1)
    mismatches: int = Field(ge=0)
    largest_difference: float | None = None
    random_inputs: bool
    decisions: dict[str, float] = Field(default_factory=dict)
    decisions_same_rate: dict[str, float] = Field(default_factory=dict)


class ExportCard(Card):
    """`export.json`. `version` is made of the hashes of all files: two exports that differ have different versions.

    The model's score is `score_scale` times the number at the output; a raw output counts steps of 2^-`raw_fraction`.
    """

    schema_: Literal["export/1"] = Field(alias="schema")
    format: str
    model: str
    bundle_sha256: str
    version: str
    score: str
    part: Literal["full", "encoder"]
    score_scale: float
    raw_fraction: int | None = None
    bits: dict[str, int] | None = None
    shallow: bool | None = None
    clock_edges: int | None = None
    inputs: tuple[InputScale, ...]
    regions: dict[str, ExportRegion]
    parity: ExportParity
    tools: dict[str, str]
    provenance: dict[str, Any]
    hashes: dict[str, str]
