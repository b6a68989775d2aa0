"""How rates are asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.execution.run import OnEvents
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
    With `input_khz` events are drawn from what comes at that rate, of the level-1 trigger say, in place of the
    crossings of `bunches`. `beside` is a trigger, a model's name or a bundle, that the models are held beside at
    exactly equal rates.
    `every_crossing` leaves out the requirements of the models' selections, so that all crossings are scored.
    """

    output: Path | None = None
    menu: str | None = None
    rates_khz: tuple[float, ...] = RATES_KHZ
    thresholds: Mapping[str, float] = field(default_factory=dict)
    pure: bool = False
    bunches: int = BUNCHES
    input_khz: float | None = None
    beside: str | None = None
    selection: str | None = None
    every_crossing: bool = False
    simulation: bool = True
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None

    def __post_init__(self) -> None:
        if self.input_khz is not None and not 0 < self.input_khz < float("inf"):
            raise UsageError(f"--input-rate {self.input_khz:g}: a rate in kHz is above 0")
        if self.beside is not None and self.pure:
            raise UsageError("--beside holds triggers side by side at total rates: leave out --pure")
        if self.beside is not None and not self.rates_khz:
            raise UsageError("--beside holds triggers side by side at equal rates: give one with --rate")
        top = self.crossings.khz
        wrong = next((rate for rate in self.rates_khz if not 0 < rate <= top), None)
        if wrong is not None:
            raise UsageError(f"--rate {wrong:g}: rates are in kHz, above 0 and up to that of all events, {top:.6g}")
        if self.pure and self.menu is None:
            raise UsageError("--pure: a rate is pure of the seeds of a menu; give one with --menu")

    @property
    def crossings(self) -> Crossings:
        """The crossings that zero bias is drawn from."""
        return Crossings(self.bunches, self.input_khz)

    @property
    def points(self) -> tuple[str, ...]:
        """The names of the working points, rates from low to high, then that of given thresholds."""
        rates = tuple(point_name(rate) for rate in sorted(set(self.rates_khz)))
        return (*rates, GIVEN) if self.thresholds else rates


def point_name(khz: float) -> str:
    """What a working point is called."""
    return f"{khz:g} kHz"
