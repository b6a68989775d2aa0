"""How rates are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.trigger.rates import BUNCHES, Crossings

__all__ = ["GIVEN", "RATES_KHZ", "RatesOptions", "point_name"]

RATES_KHZ = (1.0, 3.0, 5.0, 10.0)
"""Working points unless others are asked for."""
GIVEN = "given"
"""The working point of thresholds that were given by hand."""


@dataclass(frozen=True)
class RatesOptions:
    """Options of `rates`.

    `rates_khz` are the working points: each threshold is the lowest that keeps no more of the zero-bias events, or with
    `pure` no more of those that no unprescaled seed of the menu accepts. `thresholds` by model make one more point.
    `every_crossing` leaves out the requirements of the models' selections, so that all crossings are scored.
    """

    output: Path | None = None
    menu: str | None = None
    rates_khz: tuple[float, ...] = RATES_KHZ
    thresholds: Mapping[str, float] = field(default_factory=dict)
    pure: bool = False
    bunches: int = BUNCHES
    selection: str | None = None
    every_crossing: bool = False
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: Callable[[int], None] | None = None

    def __post_init__(self) -> None:
        top = self.crossings.khz
        wrong = next((rate for rate in self.rates_khz if not 0 < rate <= top), None)
        if wrong is not None:
            raise UsageError(f"--rate {wrong:g}: rates are in kHz, above 0 and up to that of all crossings, {top:.6g}")
        if self.pure and self.menu is None:
            raise UsageError("--pure: a rate is pure of the seeds of a menu; give one with --menu")

    @property
    def crossings(self) -> Crossings:
        """The crossings that zero bias is drawn from."""
        return Crossings(self.bunches)

    @property
    def points(self) -> tuple[str, ...]:
        """The names of the working points, rates from low to high, then that of given thresholds."""
        rates = tuple(point_name(rate) for rate in sorted(set(self.rates_khz)))
        return (*rates, GIVEN) if self.thresholds else rates


def point_name(khz: float) -> str:
    """What a working point is called."""
    return f"{khz:g} kHz"
