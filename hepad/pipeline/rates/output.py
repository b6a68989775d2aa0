"""The report of rates on one page: tables for people, figures, JSON, in a folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text, to_markdown
from hepad.output.figure_context import simulated
from hepad.output.figures import save_figures
from hepad.output.json_text import json_text
from hepad.pipeline.rates.figures import CAPTIONS, rates_figures
from hepad.pipeline.rates.report import RatesReport, SampleRates, SignalRow
from hepad.stats.scores.acceptance import Acceptance
from hepad.trigger.beside import Difference
from hepad.trigger.rates import Rate

__all__ = ["beside_rates_table", "beside_table", "gains_table", "points_table", "seeds_table", "signals_table"]
__all__ += ["triggers_table", "write_report"]

_FILES = (("report.md", "this page for a terminal"), ("report.json", "all numbers, and the provenance"))
_NUMBERS = 2
"""Models, and signals, whose numbers are in the answer."""
_BESIDE = (
    "Thresholds are set to exactly the same rate: of events of just the threshold's score, of which a number of tracks "
    "has many, a fraction counts, as if these were prescaled. Model, the other, both, either: at this rate each. "
    "Together: either, at a lower rate of each, the same for both, at which together they have the rate of the working "
    "point; so much is gained above the one alone and above the other. The error of the difference has the statistics "
    "of the signal's events, of which what both keep cancels, and of those that the thresholds were set on; that of a "
    "gain the first only."
)


def write_report(report: RatesReport, output: Path, *, simulation: bool, record: Mapping[str, Any]) -> None:
    """Write report.md, report.html, report.json with its provenance `record`, and the figures to a folder."""
    with atomic_folder(output, verb="rates") as folder:
        page = _page(report, save_figures(rates_figures(report, context=simulated(simulation)), folder))
        (folder / "report.md").write_text(to_markdown(page), encoding="utf-8")
        write_page(folder, page, record, _FILES)
        content = {**report.content(), "provenance": record}
        (folder / "report.json").write_text(json_text("rates/report.json", content), encoding="utf-8")


def points_table(report: RatesReport) -> Table:
    """The thresholds, the zero-bias events behind each, and the rate where it is measured."""
    rates = {(row.model, row.point): row.total for row in report.measured.triggers}
    rows = [
        [
            p.model,
            p.score,
            p.point,
            f"{p.threshold:.6g}",
            "by hand" if p.events is None else f"{p.events}{_few(p.events)}",
            _rate(rates[p.model, p.point]),
        ]
        for p in report.points
    ]
    measured = "measured in test [kHz]" if len(report.samples) > 1 else "measured [kHz]"
    return Table(["model", "score", "working point", "threshold", "set on events", measured], rows, numbers_from=3)


def triggers_table(sample: SampleRates) -> Table:
    """Total, pure and unique rates of the models in a sample, and what they add to the menu."""
    menu = sample.menu is not None
    header = ["model", "working point", "events", "total [kHz]", *(["pure"] if menu else []), "unique"]
    header += ["added to the menu", "menu and it"] if menu else []
    rows = []
    for row in sample.triggers:
        cells = [row.model, row.point, f"{row.total.events}", _rate(row.total)]
        cells += [_rate(row.pure)] if row.pure is not None else []
        cells.append(_rate(row.unique))
        cells += [_rate(rate) for rate in (row.added, row.with_menu) if rate is not None]
        rows.append(cells)
    return Table(header, rows, numbers_from=2)


def seeds_table(sample: SampleRates, *, brief: bool = False) -> Table:
    """The seeds of the menu; `brief` leaves out those that accept nothing."""
    rows = [
        [
            seed.seed,
            f"{seed.total.events}",
            _rate(seed.total),
            _prescale(seed.prescale),
            _rate(seed.kept),
            _rate(seed.pure),
        ]
        for seed in sample.seeds
        if seed.total.events or not brief
    ]
    return Table(["seed", "events", "accepts [kHz]", "prescale", "after it", "pure"], rows)


def signals_table(report: RatesReport, *, brief: bool = False) -> Table:
    """Efficiency in per cent of each signal by each model, a column a working point, beside that of the menu alone.

    `brief` leaves out intervals, and has what the model adds to the menu in brackets.
    """

    def shown(row: SignalRow) -> str:
        if not brief:
            return _percent(row.efficiency)
        added = "" if row.gained is None else f" (+{100 * row.gained.value:.1f})"
        return f"{100 * row.efficiency.value:.1f}{added}"

    return _by_point(report, shown, lambda row: _percent(row.menu, brief=brief) if row.menu is not None else None)


def gains_table(report: RatesReport) -> Table:
    """What each model adds to the menu, in per cent of all events of a signal and in events."""

    def shown(row: SignalRow) -> str:
        assert row.gained is not None  # noqa: S101  with a menu
        return f"{_percent(row.gained)}; {row.gained.value * report.signal_events[row.signal]:.3g}"

    return _by_point(report, shown, lambda _: None)


def _by_point(
    report: RatesReport, shown: Callable[[SignalRow], str], beside: Callable[[SignalRow], str | None]
) -> Table:
    """A row a signal and model, a column a working point."""
    points = list(dict.fromkeys(row.point for row in report.signals))
    found: dict[tuple[str, str], dict[str, SignalRow]] = {}
    for row in report.signals:
        found.setdefault((row.signal, row.model), {})[row.point] = row
    rows = []
    for (signal, model), cells in found.items():
        more = beside(next(iter(cells.values())))
        own = [shown(cells[point]) if point in cells else "-" for point in points]
        rows.append([signal, model, *([] if more is None else [more]), *own])
    extra = ["menu alone"] if rows and len(rows[0]) > 2 + len(points) else []
    return Table(["signal", "model", *extra, *points], rows, numbers_from=2)


def beside_rates_table(report: RatesReport) -> Table:
    """Rates in kHz of each model and the trigger beside it, in zero bias."""
    header = ["model", "working point", "in", "model [kHz]", _other(report), "both", "either", "together"]
    rows = [
        [row.model, row.point, row.sample, *map(_rate, (row.own, row.other, row.both, row.either, row.shared))]
        for row in report.beside
    ]
    return Table(header, rows, numbers_from=3)


def beside_table(report: RatesReport, *, brief: bool = False) -> Table:
    """What each model and the trigger beside it keep of signals, in per cent; `brief` has less, for a terminal."""
    other = _other(report)
    header = ["signal", "model", "working point", "model", other, "difference"]
    header += [] if brief else ["both"]
    header += ["model only", f"{other} only", *([] if brief else ["either"])]
    header += ["together", "above model", f"above {other}"]
    rows = []
    for row in report.beside_signals:
        parts = (row.own, row.other, row.both, row.own_only, row.other_only, row.either, row.shared)
        own, beside, both, own_only, other_only, either, shared = (_percent(part, brief=brief) for part in parts)
        error = math.hypot(row.difference.error, row.threshold_error)
        cells = [
            row.signal,
            row.model,
            row.point,
            own,
            beside,
            f"{100 * row.difference.value:+.1f} ± {100 * error:.1f}",
        ]
        cells += [own_only, other_only] if brief else [both, own_only, other_only, either]
        rows.append([*cells, shared, _gain(row.gain), _gain(row.gain_on_other)])
    return Table(header, rows, numbers_from=3)


def _other(report: RatesReport) -> str:
    return report.beside[0].beside


def _gain(gain: Difference) -> str:
    return f"{100 * gain.value:+.1f} ± {100 * gain.error:.1f}"


def _page(report: RatesReport, figures: list[str]) -> list[Block]:
    first = next((name for name in ("efficiency_rate", "rate_threshold") if name in figures), None)

    def shown(name: str) -> list[Block]:
        return [Figure(f"{name}.png", CAPTIONS[name])] if name in figures and name != first else []

    sample = report.measured
    blocks: list[Block] = [
        Heading("Trigger rates", 1),
        _answer(report, None if first is None else Figure(f"{first}.png", CAPTIONS[first])),
        *([Notes([f"{remark}." for remark in report.remarks])] if report.remarks else []),
        Text(_crossings(report)),
        *(Text(f"Left out: {skipped.reason}") for skipped in report.skipped),
        Heading("Working points"),
        points_table(report),
        *shown("rate_threshold"),
        Heading(f"Rates in {', '.join(sample.files)}"),
        Text(_meaning(report)),
        triggers_table(sample),
        *shown("overlap"),
    ]
    if report.signals:
        blocks += [Heading("Signals"), Text("Efficiency of all events, in per cent."), signals_table(report)]
        blocks += shown("efficiency_rate")
    if report.signals and report.menu is not None:
        said = "Accepted by menu or model and not by the menu alone: in per cent of all events, and in events."
        blocks += [Heading("What the models add to the menu"), Text(said), gains_table(report)]
    if report.beside:
        blocks += [
            Heading(f"Beside {report.beside[0].beside} at equal rate"),
            Text(_BESIDE),
            beside_rates_table(report),
        ]
    if report.beside_signals:
        said = "Of signals, in per cent of all events:"
        blocks += [Text(said), beside_table(report), *shown("beside")]
    if sample.pileup:
        blocks += [Heading("Pile-up"), *shown("rate_pileup")]
    if sample.seeds:
        blocks += [Heading(f"Menu {report.menu}"), Text(_menu(report)), seeds_table(sample)]
    return blocks


def _answer(report: RatesReport, figure: Figure | None) -> Answer:
    """The rates of the first working point, and what it keeps of signals."""
    rows = report.measured.triggers
    point = rows[0].point
    said = [f"{row.model} has {_rate(row.total)} kHz" for row in rows if row.point == point]
    numbers = [(f"{_rate(row.total)} kHz", f"{row.model}, {point}") for row in rows if row.point == point][:_NUMBERS]
    kept = [row for row in report.signals if row.point == point]
    numbers += [(f"{_percent(row.efficiency)} %", f"of {row.signal} by {row.model}") for row in kept[:_NUMBERS]]
    words = f"At the working point {point} {', '.join(said)} in {report.measured.sample}"
    if kept:
        best = max(kept, key=lambda row: row.efficiency.value)
        words += f"; most is kept of {best.signal} by {best.model}"
    return Answer(f"{words}.", numbers, figure)


def _crossings(report: RatesReport) -> str:
    counts = ", ".join(f"{s.sample} {s.events} events ({', '.join(s.files)})" for s in report.samples)
    one = report.crossings_khz / report.measured.events
    come = f"{report.bunches} bunches give {report.crossings_khz:.6g} kHz of crossings"
    if report.bunches is None:
        come = f"Such events come at {report.crossings_khz:g} kHz"
    return (
        f"{'Events' if report.bunches is None else 'Zero bias'}: {counts}. {come}, so that one "
        f"event of the last is {one:.3g} kHz. Working points are {'pure' if report.pure else 'total'} rates in the "
        "first sample; rates are with 68 % Clopper-Pearson intervals, and an upper limit at 95 % where there is no "
        "event. * marks what rests on fewer than 10 events."
    )


def _meaning(report: RatesReport) -> str:
    if report.menu is None:
        return "Unique: no other model at the same working point accepts the crossing."
    return (
        "Pure: no unprescaled seed of the menu accepts the crossing; unique: no other model at the same working point "
        "either. Added: what menu and model together have above the menu, whose prescaled seeds keep one in N."
    )


def _menu(report: RatesReport) -> str:
    rate = report.measured.menu
    limit = "" if report.limit_khz is None else f"; it may have {report.limit_khz:g} kHz"
    return f"The menu after prescales: {'-' if rate is None else _rate(rate)} kHz{limit}."


def _rate(rate: Rate) -> str:
    if rate.khz == 0:
        return f"< {rate.upper_95_khz:.3g}*"
    return f"{rate.khz:.3g} [{rate.low_khz:.3g}, {rate.high_khz:.3g}]{_few(rate.events)}"


def _few(events: int) -> str:
    from hepad.trigger.rates import FEW

    return "*" if events < FEW else ""


def _prescale(prescale: float) -> str:
    return f"{prescale:g}" if prescale else "off"


def _percent(part: Acceptance, *, brief: bool = False) -> str:
    if brief:
        return f"{100 * part.value:.1f}"
    if part.value == 0:
        return f"< {100 * part.upper_95:.2g}"
    return f"{100 * part.value:.3g} [{100 * part.low:.3g}, {100 * part.high:.3g}]"
