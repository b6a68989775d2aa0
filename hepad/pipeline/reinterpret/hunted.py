"""Hold a signal against an analysis whose methods learn from the data: a hunt in mock data with the signal in them.

What such a method keeps of a signal depends on how much of it there is, so that there is no acceptance but a curve, and
a limit is where the cross section, with the efficiency that it has itself, exceeds it. All points are those of
`hepad study`, of the study that names the hunt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hepad.cards.hunt import HUNTS_FOLDER, HuntCard, load_hunt
from hepad.cards.resolver import bundled_names, resolve
from hepad.cards.sensitivity import SensitivityCard, SensitivitySignal, load_any_study
from hepad.errors import CardError, InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.output.latex import TABLES
from hepad.pipeline.hunt.windows import windows_of
from hepad.pipeline.hunt.windows_scan import peak_of_masses, responsible
from hepad.pipeline.study.output import check_output
from hepad.pipeline.study.sensitivity.results import Curve, Found, SensitivityResults
from hepad.pipeline.study.sensitivity.run import Prepared, SensitivityOptions, count_points, prepare
from hepad.provenance import command_line, provenance, sha256_bytes

__all__ = ["FILES", "VERB", "HuntedOptions", "HuntedReport", "MethodRow", "PointRow", "reinterpret_hunt"]

VERB = "reinterpret"
FILES = ("report.html", TABLES, "reinterpret.json", "methods.csv", "points.csv")
_SIGNAL = "signal"
_FB = 1e3


@dataclass(frozen=True, kw_only=True)
class HuntedOptions:
    """Options of `reinterpret_hunt`.

    `background` are files of simulation, of which mock data are made. `methods` are those of the hunt, else others.
    `study` is the card that says how mock data are made; None is the one that ships and names the hunt.
    """

    background: Sequence[str]
    output: Path | None = None
    cross_section_pb: float | None = None
    methods: Sequence[str] = ()
    study: str | None = None
    step_size: int = DEFAULT_STEP_SIZE
    execution: Execution = field(default_factory=Execution)
    on_point: Callable[[int, int], None] | None = None


@dataclass(frozen=True)
class PointRow:
    """With so much signal in the mock data, cross section of all its events in pb, a method keeps this of all of it.

    `efficiency` is that of window and method, times the share of events that reach the hunt; the median over seeds,
    with the least and the largest. `limit_pb` is the median expected limit at 95 % CL if it is kept so, `excluded` the
    cross section over it.
    """

    method: str
    cross_section_pb: float
    events: float
    efficiency: float | None
    efficiency_low: float | None
    efficiency_high: float | None
    limit_pb: float | None
    excluded: float | None


@dataclass(frozen=True)
class MethodRow:
    """What a method says of the signal: the expected limit in pb (95 % CL, CLs), with `bound` "<" or ">" where it lies
    beyond what was injected, its range over seeds, and the efficiency at that cross section.

    `efficiency_without` is what is kept if next to nothing of it is in the data. `excluded` is the cross section asked
    for over the limit at its own efficiency, None without one.
    """

    method: str
    learns: bool
    limit_pb: float | None
    bound: str
    limit_low_pb: float | None
    limit_high_pb: float | None
    efficiency_at_limit: float | None
    efficiency_without: float | None
    efficiency_at_cross_section: float | None
    excluded: float | None


@dataclass(frozen=True)
class HuntedReport:
    """The answer. `share` is the part of all events of the files that reach the hunt, `peak_gev` where they are.

    `window_gev` are the edges of the lower sideband, the window and the upper sideband.
    """

    hunt: HuntCard
    results: SensitivityResults
    share: float
    peak_gev: float
    window_gev: tuple[float, float, float, float]
    cross_section_pb: float | None
    methods: tuple[MethodRow, ...]
    points: tuple[PointRow, ...]
    provenance: Mapping[str, Any]
    made: int
    output: Path | None

    @property
    def luminosity_fb(self) -> float:
        """Of the mock data, in fb-1."""
        return self.results.luminosity

    @property
    def best(self) -> MethodRow | None:
        """The method of the lowest expected limit that is no bound."""
        known = [row for row in self.methods if row.limit_pb is not None and row.bound == ""]
        return min(known, key=lambda row: row.limit_pb or math.inf, default=None)

    def verdict(self) -> str:
        """What may be said: mock data exclude nothing, they say what would be expected."""
        best = self.best
        if best is None or best.limit_pb is None:
            return "cannot say: no method has a limit within what was injected"
        text = f"the strongest expected limit is {best.limit_pb:.3g} pb, of {best.method}"
        if self.cross_section_pb is None:
            return f"cannot say: no cross section (--xsec); {text}"
        out = [row.method for row in self.methods if row.excluded is not None and row.excluded >= 1]
        said = (
            f"{self.cross_section_pb:g} pb would be excluded by {', '.join(out)}"
            if out
            else (f"{self.cross_section_pb:g} pb would be excluded by none of the methods")
        )
        return f"cannot say: mock data are no data; {said}; {text}"

    def to_json(self) -> dict[str, Any]:
        """All numbers in JSON types, and where they were written to."""
        return {**self.content(), "made": self.made, "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """All numbers in JSON types, wherever they are written to."""
        return {
            "analysis": self.hunt.name,
            "reference": self.hunt.reference,
            "fidelity": self.hunt.fidelity,
            "fidelity_note": self.hunt.fidelity_note,
            "study": self.results.card.name,
            "luminosity_per_fb": self.luminosity_fb,
            "cross_section_pb": self.cross_section_pb,
            "share_in_hunt": self.share,
            "peak_gev": self.peak_gev,
            "window_gev": list(self.window_gev),
            "verdict": self.verdict(),
            "methods": [dict(vars(row)) for row in self.methods],
            "points": [dict(vars(row)) for row in self.points],
            "left_out": dict(self.results.failed),
            "provenance": dict(self.provenance),
        }


def reinterpret_hunt(files: Sequence[str], analysis: str, *, options: HuntedOptions) -> HuntedReport:
    """The efficiency of a signal under each method of a hunt, at each cross section, and the expected limits.

    `files` are one sample: tables as those of the background, or events. `CardError` if no study belongs to the hunt,
    `InputDataError` for a signal that is in no window, or whose events have weights that differ: they are counted.
    """
    section = options.cross_section_pb
    if section is not None and not 0 < section < math.inf:
        raise UsageError(f"--xsec must be above 0 pb and finite, found {section:g}")
    hunt = load_hunt(analysis)
    if not options.background:
        raise UsageError(
            f"the methods of {analysis} learn from data: give simulated background, of which mock data are made, "
            "with --background"
        )
    expand_files(files)  # a file that is not there is told before anything is read
    if options.output is not None:
        check_output(options.output, FILES, verb=VERB)
    name, study = _study_of(hunt, analysis, options.study)
    with ExitStack() as stack:
        folder = options.output or Path(stack.enter_context(TemporaryDirectory())) / "out"
        how = SensitivityOptions(
            output=folder,
            background=tuple(options.background),
            signals={_SIGNAL: list(files)},
            methods=tuple(options.methods or hunt.methods),
            step_size=options.step_size,
            execution=options.execution,
            on_point=options.on_point,
        )
        prepared = prepare(_changed(study, analysis), how)
        prepared, peak = _placed(prepared, section)
        results, made = count_points(prepared, how)
        report = _report(prepared, results, (peak, section, made), options, _cards(name, study, hunt, analysis))
        if options.output is not None:
            from hepad.pipeline.reinterpret.hunted_page import write_hunted

            write_hunted(report)
    return report


def _study_of(hunt: HuntCard, analysis: str, given: str | None) -> tuple[str, SensitivityCard]:
    """The study that says how mock data for a hunt are made, and its name."""
    names = [given] if given is not None else bundled_names("analyses/studies")
    for name in names:
        card = load_any_study(name)
        if isinstance(card, SensitivityCard) and (given is not None or load_hunt(card.hunt).name == hunt.name):
            return name, card
    if given is not None:
        raise CardError(f"{given} is no study of sensitivity, whose schema is sensitivity/1")
    raise CardError(f"no study that ships names the hunt {analysis}: give one with --study")


def _changed(study: SensitivityCard, analysis: str) -> SensitivityCard:
    """The study with the hunt that was asked for; what its signals are published with is of other signals."""
    return study.model_copy(update={"hunt": analysis, "signals": {}})


def _placed(prepared: Prepared, section: float | None) -> tuple[Prepared, float]:
    """The study with the window that the signal is looked for in, and a point at its cross section; and its peak."""
    if prepared.pools.uneven:
        raise InputDataError("the events of the signal have weights that differ: a hunt counts events")
    card, pool = prepared.card, prepared.pools.signals[_SIGNAL]
    peak = peak_of_masses(pool.mass, np.ones(len(pool)))
    windows = {f"{n} {w.low:g}:{w.high:g}": (w.sidebands[0], w.low, w.high, w.sidebands[1]) for n, w in _of(prepared)}
    name = None
    for known in (dict(card.windows), windows):
        place = responsible(peak, [(low, high) for _, low, high, _ in known.values()])
        if place is not None:
            name, windows = list(known)[place], known
            break
    if name is None:
        every = [(low, high) for _, low, high, _ in (*card.windows.values(), *windows.values())]
        reach = f"{min(low for low, _ in every):g} to {max(high for _, high in every):g} GeV"
        raise InputDataError(
            f"no window has the peak of the signal, {peak:.0f} GeV: those of study {card.name} and hunt "
            f"{prepared.hunt.name} with bins around them reach from {reach}"
        )
    more: dict[str, Any] = {"windows": windows, "signals": {_SIGNAL: SensitivitySignal(files=("*",), window=name)}}
    if section is not None:
        events = section * _FB * prepared.luminosity * prepared.pools.shares[_SIGNAL]
        more["events"] = tuple(sorted({*card.events, events}))
        more["classical_events"] = tuple(n for n in card.classical_events if n > more["events"][-1])
    return replace(prepared, card=card.model_copy(update=more)), peak


def _of(prepared: Prepared) -> Sequence[tuple[str, Any]]:
    """The windows of the hunt that have bins around them; none if none has."""
    try:
        return windows_of(prepared.hunt)[0]
    except InputDataError:
        return ()


def _report(
    prepared: Prepared,
    results: SensitivityResults,
    numbers: tuple[float, float | None, int],
    options: HuntedOptions,
    cards: Mapping[str, str],
) -> HuntedReport:
    peak, section, made = numbers
    share, card = prepared.pools.shares[_SIGNAL], prepared.card
    per_event = 1 / (_FB * prepared.luminosity * share)
    curves = results.curves[_SIGNAL]
    rows = [_method_row(name, curve, card, (per_event, share, section)) for name, curve in curves.items()]
    points = [row for name, curve in curves.items() for row in _point_rows(name, curve, per_event, share)]
    command = command_line(
        "reinterpret",
        analysis=prepared.hunt.name,
        xsec=section,
        study=None if options.study is None else card.name,
        method=[Path(method).name for method in options.methods],
    )
    record = provenance(command, inputs=prepared.records, cards=dict(cards))
    window = card.windows[card.signals[_SIGNAL].window]
    made_of = (prepared.hunt, results, share, peak, window, section)
    return HuntedReport(*made_of, tuple(rows), tuple(points), record, made, options.output)


def _method_row(
    name: str, curve: Curve, card: SensitivityCard, numbers: tuple[float, float, float | None]
) -> MethodRow:
    """Of a signal whose event is so many pb, of whose events this share reaches the hunt."""
    per_event, share, section = numbers
    limit = curve.limit()

    def efficiency(events: float) -> float | None:
        return _number(share * curve.at(lambda one: one.efficiency, events))

    asked = None if section is None else section / per_event
    excluded = None if asked is None else _number(_excluded(curve, asked))
    return MethodRow(
        name,
        learns=name not in card.classical,
        limit_pb=_number(limit.value.value * per_event),
        bound=limit.value.bound,
        limit_low_pb=_bounded(limit, per_event)[0],
        limit_high_pb=_bounded(limit, per_event)[1],
        efficiency_at_limit=efficiency(limit.value.value),
        efficiency_without=efficiency(min((n for n in curve.events if n > 0), default=math.nan)),
        efficiency_at_cross_section=None if asked is None else efficiency(asked),
        excluded=excluded,
    )


def _bounded(limit: Found, per_event: float) -> tuple[float | None, float | None]:
    return _number(limit.low.value * per_event), _number(limit.high.value * per_event)


def _excluded(curve: Curve, events: float) -> float:
    """By how much so many events exceed the limit at the efficiency that they have: the median over seeds."""
    place = int(np.argmin(np.abs(np.array(curve.events) - events)))  # they are equal but for rounding
    known = [row[place] for row in curve.counted.values()]
    values = [one.excluded(events) for one in known if one is not None]
    return float(np.median(values)) if values else math.nan


def _point_rows(name: str, curve: Curve, per_event: float, share: float) -> list[PointRow]:
    kept = curve.band(lambda one: one.efficiency)
    limits = curve.band(lambda one: one.limit / one.efficiency if one.efficiency else math.nan)
    rows = []
    for i, events in enumerate(curve.events):
        limit = _number(float(limits.median[i]) * per_event)
        rows.append(
            PointRow(
                name,
                events * per_event,
                events,
                _number(share * float(kept.median[i])),
                _number(share * float(kept.low[i])),
                _number(share * float(kept.high[i])),
                limit,
                None if limit is None else events * per_event / limit,
            )
        )
    return rows


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _cards(name: str, study: SensitivityCard, hunt: HuntCard, analysis: str) -> dict[str, str]:
    """The sha256 of the cards."""
    paths = {
        f"study {study.name}": resolve("analyses/studies", name),
        f"hunt {hunt.name}": resolve(HUNTS_FOLDER, analysis),
    }
    return {what: sha256_bytes(path.read_bytes()) for what, path in paths.items()}
