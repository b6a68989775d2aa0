"""How runs are compared."""

from __future__ import annotations

from dataclasses import dataclass

from hepad.errors import UsageError
from hepad.samples.described import DescribedOptions

__all__ = ["MonitorOptions"]


@dataclass(frozen=True, kw_only=True)
class MonitorOptions(DescribedOptions):
    """Options of `monitor`.

    A quantity of a run is called shifted if its p-value, adjusted for all tests of all runs, is below `alpha` and its
    distance from the reference is at least `min_distance`. `check` makes that a failure. `toys` are relabellings.
    """

    alpha: float = 0.01
    min_distance: float = 0.0
    toys: int = 2000
    check: bool = False

    def verify(self) -> None:
        """`UsageError` for values out of bounds."""
        if not 0 < self.alpha < 1:
            raise UsageError(f"--alpha {self.alpha:g}: a probability between 0 and 1")
        if not 0 <= self.min_distance < 1:
            raise UsageError(f"--min-distance {self.min_distance:g}: from 0 to below 1")
        if self.toys < 100:
            raise UsageError(f"--toys {self.toys}: at least 100")
