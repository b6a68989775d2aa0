"""What speaks against a hunt's result: scores that follow the mass, and a signal in the sidebands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.methods.base import MASS, Window
from hepad.pipeline.hunt.events import HuntEvents
from hepad.stats.scores.dependence import dependence, hump

__all__ = ["MassDependence", "Spill"]

CERTAIN = 0.01
"""A p-value below which it is said that a score follows the mass, or that a selection makes a hump."""

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class MassDependence:
    """The distance correlation of score and mass of `events` in the sidebands, and its p-value by `permutations`.

    `near` and `far` are the shares of the sidebands that are selected in their halves beside the window and away from
    it, and `hump` the standard deviations by which more is near: see `hepad.stats.scores.dependence`. None where the
    sidebands have too few events.
    """

    events: int
    distance_correlation: float
    p: float
    permutations: int
    near: float | None = None
    far: float | None = None
    hump: float | None = None
    hump_p: float | None = None

    @classmethod
    def of(
        cls,
        scores: npt.NDArray[np.floating[Any]],
        mass: npt.NDArray[np.float64],
        weight: npt.NDArray[np.float64],
        window: Window,
        *,
        selected: Mask | None = None,
        seed: int = 0,
    ) -> MassDependence:
        """Of events (n,): their score, mass and weight, and which are selected."""
        parts = window.parts(mass)
        rows = np.flatnonzero((parts["lower sideband"] | parts["upper sideband"]) & np.isfinite(scores))
        found = dependence(mass[rows], scores[rows].astype(np.float64), weight[rows], seed=seed)
        basic = cls(found.events, found.correlation, found.p, found.permutations)
        made = (
            None if selected is None else hump(selected, mass, window.low, window.high, window.sidebands, weight=weight)
        )
        if made is None:
            return basic
        return replace(basic, near=made.near, far=made.far, hump=made.z, hump_p=made.p)

    @property
    def follows(self) -> bool:
        """Whether the score depends on the mass beyond chance."""
        return self.p < CERTAIN

    @property
    def sculpts(self) -> bool:
        """Whether more is selected near the window than far from it, beyond chance."""
        return self.hump_p is not None and self.hump_p < CERTAIN

    @property
    def remark(self) -> str:
        """What is to be said of it, or nothing."""
        if self.sculpts:
            return (
                f"it sculpts: {100 * (self.near or 0):.3g} % of the sidebands are selected near the window and "
                f"{100 * (self.far or 0):.3g} % far from it ({self.hump:.1f} sigma), so an excess may be made up"
            )
        if self.follows:
            return (
                f"the score follows the mass (distance correlation {self.distance_correlation:.3f}, p = {self.p:.2g})"
            )
        return ""


@dataclass(frozen=True)
class Spill:
    """The shares of a simulated signal in the window, in each sideband, and elsewhere or without the mass.

    What is in the sidebands is taken for background.
    """

    window: float
    lower: float
    upper: float
    elsewhere: float

    @classmethod
    def of(cls, events: HuntEvents, window: Window) -> Spill:
        """Of the selected events of a signal."""
        weight = events.raw.weight
        parts = window.parts(events.raw.beside[MASS])
        lower, inside, upper = (float(weight[rows].sum() / weight.sum()) for rows in parts.values())
        return cls(inside, lower, upper, 1 - inside - lower - upper)

    @property
    def remark(self) -> str:
        """In words."""
        sides = 100 * (self.lower + self.upper)
        return f"{100 * self.window:.3g} % in the window, {sides:.3g} % in the sidebands, where it counts as background"
