"""Cut flows: how many events, raw and weighted, pass each step of a selection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["CutFlow", "CutStep"]


@dataclass(frozen=True)
class CutStep:
    """One step: raw events, sum of weights and sum of squared weights after it."""

    name: str
    events: int
    weight: float
    weight2: float

    @classmethod
    def of(cls, name: str, weights: npt.NDArray[np.float64]) -> CutStep:
        """The step that events with these weights, of shape (n,), have passed."""
        return cls(name, len(weights), float(weights.sum()), float(np.square(weights).sum()))


@dataclass(frozen=True)
class CutFlow:
    """The steps of a selection in order, the first before any cut; flows of chunks add up."""

    steps: tuple[CutStep, ...]

    def __add__(self, other: CutFlow) -> CutFlow:
        if [s.name for s in self.steps] != [s.name for s in other.steps]:
            raise ValueError("cut flows of different selections cannot be added")
        return CutFlow(
            tuple(
                CutStep(a.name, a.events + b.events, a.weight + b.weight, a.weight2 + b.weight2)
                for a, b in zip(self.steps, other.steps, strict=True)
            )
        )

    @classmethod
    def from_json(cls, steps: Sequence[Mapping[str, Any]]) -> CutFlow:
        """What `to_json` made."""
        return cls(tuple(CutStep(s["name"], s["events"], s["weight"], s["weight_error"] ** 2) for s in steps))

    @property
    def total(self) -> CutStep:
        """All events."""
        return self.steps[0]

    @property
    def selected(self) -> CutStep:
        """The events that pass every step."""
        return self.steps[-1]

    def __str__(self) -> str:
        return ", ".join(f"{step.name} {step.events}" for step in self.steps)

    def to_json(self) -> list[dict[str, Any]]:
        """A list of steps: name, events, weight, weight_error (root of the sum of squares)."""
        return [
            {"name": s.name, "events": s.events, "weight": s.weight, "weight_error": math.sqrt(s.weight2)}
            for s in self.steps
        ]
