"""`rates`: thresholds and rates of anomaly triggers on zero bias, beside a menu."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.api.events import as_files
from hepad.api.models import Model, as_model
from hepad.api.record import Record, Row
from hepad.bundles.systems import Training
from hepad.errors import UsageError
from hepad.pipeline.rates.options import RATES_KHZ, RatesOptions
from hepad.pipeline.rates.report import BesideRates, BesideRow, Point, RatesReport, SampleRates, SignalRow
from hepad.trigger.rates import BUNCHES, Rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["RatesRecord", "rates"]


@dataclass(frozen=True, repr=False)
class RatesRecord(Record):
    """Thresholds of models at working points, and their rates; what they keep of signals, and add to a menu."""

    report: RatesReport

    @property
    def points(self) -> tuple[Point, ...]:
        """The thresholds, each with the number of zero-bias events that it was set on."""
        return self.report.points

    @property
    def samples(self) -> tuple[SampleRates, ...]:
        """The rates where thresholds were set, and in the test events if there are any."""
        return self.report.samples

    @property
    def signals(self) -> tuple[SignalRow, ...]:
        """Efficiencies of all events of a signal, with 68.3 % intervals."""
        return self.report.signals

    @property
    def beside(self) -> tuple[BesideRates, ...]:
        """Models beside another trigger at equal rates: what both, one alone and either accept of zero bias."""
        return self.report.beside

    @property
    def beside_signals(self) -> tuple[BesideRow, ...]:
        """The same of signals, with differences and what the two together gain."""
        return self.report.beside_signals

    def rate(self, model: str, point: str) -> Rate:
        """The rate of a model at a working point, `"10 kHz"` say, in the test events if there are any.

        `KeyError` for what was not set.
        """
        return {(row.model, row.point): row.total for row in self.report.measured.triggers}[model, point]

    def to_json(self) -> dict[str, Any]:
        """As `hepad rates --json`; `output` is null."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.remarks

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        from hepad.pipeline.rates.output import points_table

        table = points_table(self.report)
        return f"Trigger rates at {self.report.events_come}", table.header, table.rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.rates.figures import rate_lines, rate_marks
        from hepad.plot.rates import draw_rates

        first = next(iter(self.report.models))
        lines, marks = rate_lines(self.report), rate_marks(self.report)
        draw_rates(ax, [x for x in lines if x.model == first], [x for x in marks if x.model == first])
        ax.set(ylabel="Rate [kHz]", title=first)
        ax.legend(loc="best", frameon=False)


def rates(
    zero_bias: Any,
    model: str | Path | Model | Mapping[str, str | Path | Model],
    *,
    test: Any = None,
    signals: Mapping[str, Any] | None = None,
    menu: str | None = None,
    rates_khz: float | Sequence[float] = RATES_KHZ,
    thresholds: Mapping[str, float] | None = None,
    pure: bool = False,
    bunches: int = BUNCHES,
    input_khz: float | None = None,
    beside: str | None = None,
    selection: str | None = None,
    every_crossing: bool = False,
    max_events: int | None = None,
) -> RatesRecord:
    """Set thresholds of anomaly triggers on zero bias, at rates in kHz, and measure them there and on other events.

    `zero_bias`, `test` (other zero bias) and each of the `signals`, by name, are files or arrays in memory as in
    `hepad.load_events`. `model` is one model, or a mapping of names to several. `menu` is a bundled one (`hepad list
    menus`) or a card; with `pure`, rates are those of crossings that none of its unprescaled seeds accepts.
    `thresholds` by model are one more working point. `bunches` times 11.2456 kHz is the rate of crossings; `input_khz`
    is that of the events of a later stage in its place. `beside` names one of the models, that the others are held
    beside at exactly equal rates: see `RatesRecord.beside_signals`.
    `every_crossing` leaves out what the models' selections require of events. The scores of all crossings are kept in
    memory.

    `UsageError` if no threshold gives any of the rates, `InputDataError` for events that cannot be used or of which
    none is selected.

    >>> import hepad
    >>> found = hepad.rates("examples/data/w_lnu.root", "gelato_l1", rates_khz=2000)  # though no zero bias
    >>> rate = found.rate("gelato_l1", "2000 kHz")
    >>> 1990 < rate.khz <= 2000 and not rate.few
    True
    """
    from hepad.pipeline.rates.run import rates_in_memory

    named = model if isinstance(model, Mapping) else {as_model(model).name: model}
    if beside is not None and beside not in named:
        raise UsageError(f"beside: no model {beside!r}; there are {', '.join(named)}")
    options = RatesOptions(
        menu=menu,
        rates_khz=tuple(rates_khz) if isinstance(rates_khz, Sequence) else (float(rates_khz),),
        thresholds=dict(thresholds or {}),
        pure=pure,
        bunches=bunches,
        input_khz=input_khz,
        beside=beside,
        selection=selection,
        every_crossing=every_crossing,
        max_events=max_events,
    )
    report = rates_in_memory(
        as_files(zero_bias),
        [Training(name, name, as_model(one).bundle) for name, one in named.items()],
        signals={name: as_files(given) for name, given in (signals or {}).items()},
        test=() if test is None else as_files(test),
        options=options,
    )
    return RatesRecord(report)
