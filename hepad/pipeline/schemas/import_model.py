"""`hepad import-model`."""

from __future__ import annotations

from typing_extensions import NotRequired, TypedDict

from hepad.cards.bundle import Compared, RegionCard
from hepad.pipeline.schemas.parts import CutStep

__all__ = ["Printed"]


class Printed(TypedDict):
    """What was imported, and how it was checked."""

    model: str
    file: str
    """The name of the network's file or folder."""
    sha256: str
    opset: int | None
    """Of an ONNX file."""
    operators: list[str]
    """Of an ONNX file; of a library its kinds of layers."""
    calibration_events: int
    parity_checked: bool
    """Whether it was held against vectors of its author."""
    parity: list[Compared]
    cutflow: list[CutStep] | None
    """Of the background; null without one."""
    regions: dict[str, RegionCard]
    analysis: NotRequired[str]
    """The search that it was made the network of."""
    fidelity: NotRequired[str]
    """Of that search now."""
    output: str
