"""`hepad rates`."""

from __future__ import annotations

from typing_extensions import TypedDict

from hepad.execution.run import Skipped
from hepad.pipeline.rates.report import BesideRates, BesideRow, Point, SampleRates, SignalRow
from hepad.pipeline.schemas.parts import Provenance

__all__ = ["Printed", "Written"]


class Curve(TypedDict):
    """Rates of a model in a sample, against its threshold."""

    model: str
    sample: str
    kind: str
    """What rate it is: all of the model, or the pure part."""
    threshold: list[float]
    """Falling."""
    khz: list[float]
    low_khz: list[float]
    """The 68.3 % interval."""
    high_khz: list[float]


class Rates(TypedDict):
    """Rates of models and of a menu, and what they keep of signals."""

    bunches: int | None
    """Colliding bunches; null where events come from elsewhere than all crossings."""
    crossings_khz: float
    pure: bool
    """Whether thresholds are set on the rate that no seed of the menu has."""
    models: dict[str, str]
    """The score of each, by the name."""
    menu: str | None
    limit_khz: float | None
    """The rate of the menu and all models that is allowed."""
    points: list[Point]
    samples: list[SampleRates]
    signals: list[SignalRow]
    signal_events: dict[str, int]
    remarks: list[str]
    beside: list[BesideRates]
    beside_signals: list[BesideRow]
    skipped: list[Skipped]
    """Files that were left out."""
    curves: list[Curve]


class Printed(Rates):
    """Rates of models and of a menu, and where they were written."""

    output: str | None


class Written(Rates):
    """Rates of models and of a menu, with the provenance."""

    provenance: Provenance
