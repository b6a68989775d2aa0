"""`hepad train`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.schemas.parts import CutStep

__all__ = ["Printed"]


class SetRegion(TypedDict):
    """A region as it was set on background held out of the training."""

    threshold: float
    score: str
    """The score that is cut on."""
    efficiency: float
    """The weighted fraction of held-out events at or above the threshold."""
    efficiency_error: float
    """Statistical."""


class Printed(TypedDict):
    """What was read and how the training went."""

    model: str
    events: int
    """Events that were read."""
    selected: int
    """Events that pass the selection."""
    cutflow: list[CutStep]
    split: dict[str, int]
    """How many events each part of the selected ones has."""
    epochs: int
    best_epoch: int
    """The epoch, from 1, with the least loss of validation."""
    stopped_early: bool
    train_loss: float
    """Of the last epoch, in units of the model's loss."""
    validation_loss: float
    """Of the last epoch."""
    regions: dict[str, SetRegion]
    """By name."""
    skipped: list[Skipped]
    """Files that were left out."""
    output: str | None
    """The folder of the bundle."""
