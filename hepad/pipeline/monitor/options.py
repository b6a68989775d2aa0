"""How runs are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.io.reader import DEFAULT_STEP_SIZE

__all__ = ["MonitorOptions"]


@dataclass(frozen=True, kw_only=True)
class MonitorOptions:
    """Options of `monitor`.

    A quantity of a run is called shifted if its p-value, adjusted for all tests of all runs, is below `alpha` and its
    distance from the reference is at least `min_distance`. `check` makes that a failure. `toys` are relabellings.
    """

    output: Path | None = None
    selection: str | None = None
    alpha: float = 0.01
    min_distance: float = 0.0
    toys: int = 2000
    check: bool = False
    seed: int = 1
    simulation: bool = False
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: Callable[[int], None] | None = None

    @property
    def folder(self) -> Path:
        """The output; `UsageError` if there is none."""
        if self.output is None:
            raise UsageError("give the folder that the report goes to")
        return self.output

    def verify(self) -> None:
        """`UsageError` for values out of bounds."""
        if not 0 < self.alpha < 1:
            raise UsageError(f"--alpha {self.alpha:g}: a probability between 0 and 1")
        if not 0 <= self.min_distance < 1:
            raise UsageError(f"--min-distance {self.min_distance:g}: from 0 to below 1")
        if self.toys < 100:
            raise UsageError(f"--toys {self.toys}: at least 100")
