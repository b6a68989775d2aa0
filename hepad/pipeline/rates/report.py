"""What `rates` finds: typed records, in JSON at the end."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.execution.run import Skipped
from hepad.stats.scores.acceptance import Acceptance
from hepad.trigger.beside import Difference
from hepad.trigger.rates import Rate

__all__ = [
    "BesideRates",
    "BesideRow",
    "Overlap",
    "PileupBin",
    "Point",
    "RateCurve",
    "RatesReport",
    "SampleRates",
    "SeedRow",
    "SignalCurve",
    "SignalRow",
    "TriggerRow",
]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Point:
    """A model's threshold at a working point; `wanted_khz` is None for one given by hand.

    `events` are the zero-bias events at or above it among those that it was set on, None for one given by hand.
    """

    model: str
    score: str
    point: str
    wanted_khz: float | None
    threshold: float
    events: int | None


@dataclass(frozen=True)
class TriggerRow:
    """A model at a working point, in a sample.

    Its rate, that of the crossings that no unprescaled seed accepts (`pure`), and that of those which no other model
    does either (`unique`); the menu and it together, and what it adds to the menu. What needs a menu is None without.
    """

    model: str
    point: str
    total: Rate
    pure: Rate | None
    unique: Rate
    with_menu: Rate | None
    added: Rate | None


@dataclass(frozen=True)
class SeedRow:
    """A seed of the menu, in a sample: what it accepts, and of it what no other unprescaled seed does; no prescale."""

    seed: str
    prescale: float
    total: Rate
    pure: Rate

    @property
    def kept(self) -> Rate:
        """The rate after the prescale."""
        return self.total.prescaled(self.prescale)


@dataclass(frozen=True)
class Overlap:
    """Triggers at a working point, models first: crossings that the one of the row and of the column both accept."""

    point: str
    triggers: tuple[str, ...]
    events: tuple[tuple[int, ...], ...]
    khz: tuple[tuple[float, ...], ...]

    def fractions(self) -> Floats:
        """What part (t, t) of the row's rate the column accepts too; NaN for a row without any."""
        rates = np.array(self.khz)
        own = np.diag(rates)[:, None]
        return np.asarray(np.divide(rates, own, out=np.full_like(rates, np.nan), where=own > 0), dtype=np.float64)


@dataclass(frozen=True)
class PileupBin:
    """Crossings with `low` to `high` reconstructed vertices: the rate that triggers would have if all were like these.

    `rates` are by `MODEL, POINT` and `menu`.
    """

    low: int
    high: int
    events: int
    rates: dict[str, Rate]


@dataclass(frozen=True)
class RateCurve:
    """Rates (g,) in kHz at or above falling thresholds (g,), with their 68.3 % intervals, of a model in a sample."""

    model: str
    sample: str
    kind: str
    threshold: Floats
    khz: Floats
    low_khz: Floats
    high_khz: Floats


@dataclass(frozen=True)
class SampleRates:
    """The rates in one zero-bias sample: the one that thresholds were `set on`, or another, the `test`.

    `menu` is the rate of the prescaled menu, `with_all` by working point that of the menu and all models.
    """

    sample: str
    files: tuple[str, ...]
    events: int
    menu: Rate | None
    with_all: dict[str, Rate]
    triggers: tuple[TriggerRow, ...]
    seeds: tuple[SeedRow, ...]
    overlaps: tuple[Overlap, ...]
    pileup: tuple[PileupBin, ...]


@dataclass(frozen=True)
class SignalRow:
    """What a model at a working point keeps of a signal, of all its events; the menu alone, with it, and the gain."""

    signal: str
    model: str
    point: str
    efficiency: Acceptance
    menu: Acceptance | None
    with_menu: Acceptance | None
    gained: Acceptance | None


@dataclass(frozen=True)
class BesideRates:
    """A model and the trigger `beside` it at the same rate, in a zero-bias sample: rates of each, both and either.

    `shared` is the rate of either at thresholds of a lower rate, the same for both, at which together they have the
    rate of the working point where they were set. Events at a threshold count by the part that makes rates equal.
    """

    model: str
    beside: str
    point: str
    sample: str
    own: Rate
    other: Rate
    both: Rate
    own_only: Rate
    other_only: Rate
    either: Rate
    shared: Rate


@dataclass(frozen=True)
class BesideRow:
    """The same of a signal, in fractions of all its events.

    `difference` is own less other, with the error of the signal's events, what is common cancelling; it changes by
    `threshold_error` as the thresholds move by their own uncertainty. `gain` is shared less own, `gain_on_other` shared
    less other: what the two, at the rate of one, have above either alone.
    """

    signal: str
    model: str
    beside: str
    point: str
    own: Acceptance
    other: Acceptance
    both: Acceptance
    own_only: Acceptance
    other_only: Acceptance
    either: Acceptance
    shared: Acceptance
    difference: Difference
    threshold_error: float
    gain: Difference
    gain_on_other: Difference


@dataclass(frozen=True)
class SignalCurve:
    """Efficiencies (g,) of a signal and their 68.3 % intervals at thresholds that give rates (g,), in kHz."""

    signal: str
    model: str
    khz: Floats
    efficiency: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class RatesReport:
    """The whole: crossings, working points, rates in each sample, efficiencies. `remarks` are for readers to know.

    `bunches` is None where events come from elsewhere than all crossings.
    `curves` and `signal_curves` are for figures. `complete_before` is the content of a report that was there already.
    """

    bunches: int | None
    crossings_khz: float
    pure: bool
    models: dict[str, str]
    menu: str | None
    limit_khz: float | None
    points: tuple[Point, ...]
    samples: tuple[SampleRates, ...]
    signals: tuple[SignalRow, ...]
    signal_events: dict[str, int]
    remarks: tuple[str, ...]
    curves: tuple[RateCurve, ...] = ()
    signal_curves: tuple[SignalCurve, ...] = ()
    beside: tuple[BesideRates, ...] = ()
    beside_signals: tuple[BesideRow, ...] = ()
    output: Path | None = None
    skipped: tuple[Skipped, ...] = ()
    complete_before: dict[str, Any] | None = None

    @property
    def measured(self) -> SampleRates:
        """The sample that rates are to be taken from: the test, if there is one."""
        return self.samples[-1]

    @property
    def events_come(self) -> str:
        """How often, in words."""
        if self.bunches is None:
            return f"{self.crossings_khz:g} kHz of input"
        return f"{self.crossings_khz / 1000:.2f} MHz of crossings"

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types."""
        if self.complete_before is not None:
            return {**self.complete_before, "output": str(self.output)}
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        plain = {"output", "complete_before", "curves", "signal_curves"}
        whole = {name: value for name, value in asdict(self).items() if name not in plain}
        return {**_plain(whole), "curves": [_curve(c) for c in self.curves]}


def _curve(curve: RateCurve) -> dict[str, Any]:
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in vars(curve).items()}


def _plain(value: Any) -> Any:
    """Tuples as lists."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value
