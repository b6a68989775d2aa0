"""Rates of anomaly triggers: thresholds set on zero bias, rates there and on other events, efficiencies of signals."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from hepad.bundles.systems import Training, load_trainings, trained_on
from hepad.cards.menu import MenuCard, load_menu
from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import InputDataError, UsageError
from hepad.execution.making import Making
from hepad.execution.parts import Part
from hepad.execution.run import Run, Skipped
from hepad.execution.store import MemoryStore, Store
from hepad.io.reader import expand_files, open_events
from hepad.output.atomic import check_folder
from hepad.output.complete import card_hash, made_with, selection_hash
from hepad.paths import InputPath
from hepad.pipeline.rates.beside import beside_rates, beside_rows, count_pairs, set_pairs
from hepad.pipeline.rates.job import RatesJob
from hepad.pipeline.rates.measure import (
    Asked,
    Tails,
    WorkingPoints,
    count_sample,
    count_signal,
    rate_curve,
    read_tails,
    scanned,
    set_points,
    signal_curve,
    triggers_of,
)
from hepad.pipeline.rates.options import RatesOptions, point_name
from hepad.pipeline.rates.output import write_report
from hepad.pipeline.rates.report import (
    BesideRates,
    BesideRow,
    RateCurve,
    RatesReport,
    SampleRates,
    SignalCurve,
    SignalRow,
)
from hepad.pipeline.rates.summary import sample_rates, signal_rows
from hepad.provenance import command_line, provenance

__all__ = ["rates", "rates_in_memory"]

Stream = Callable[[], Iterator[Part]]

SET_ON, TEST = "set on", "test"
_SIGNAL = "signal "
_NO_VERTICES = (
    "no rate against pile-up: the zero-bias files do not all have the number of vertices (Delphes' branch Vertex, "
    "NanoAOD's PV_npvs)"
)


def rates(
    files: Sequence[str],
    models: Sequence[str],
    *,
    signals: Mapping[str, Sequence[str]] | None = None,
    test: Sequence[str] = (),
    options: RatesOptions,
) -> RatesReport:
    """Set thresholds on zero bias, measure rates there and on other zero bias (`test`), and write a report folder.

    Of `signals` (files by name) the efficiency at each working point is measured, with a menu also what a model adds to
    it. An interrupted run is kept in `OUTPUT.run` and goes on with the same call; a complete report stays.
    """
    if options.output is None:
        raise UsageError("give the folder that the report goes to")
    output = options.output
    check_folder(output, verb="rates")
    asked, paths = _asked(_with_beside(models, options), options), _paths(files, signals or {}, test)
    described = partial(_provenance, asked=asked, paths=paths, options=options)
    every = [path for group in paths.values() for path in group]
    making = Making.of(output, every, described, again=options.execution.force)
    if before := making.before(read=partial(_stored, options=options)):
        return before
    with making.run_folder() as folder:
        vertices = _has_vertices(paths)
        key = made_with(**_cards(asked), vertices=vertices)
        names = {sample: f"sample{i}" for i, sample in enumerate(paths)}
        # All of them first: the folder stays as long as one is not complete. Zero bias is gone through again.
        stores = {sample: folder.store(name, key) for sample, name in names.items()}
        streams = _Streams(
            asked, paths, options, vertices, lambda sample: stores.pop(sample, None) or folder.store(names[sample], key)
        )
        report = _measure(asked, paths, streams, options)
        records = making.records.wait({each.file: each.reason for each in report.skipped}, streams.whole)
        report = _with_remarks(report, trained_on(asked.trainings, records))
        write_report(report, output, simulation=options.simulation, record=described(records))
    return report


def rates_in_memory(
    files: Sequence[str | InputPath],
    trainings: Sequence[Training],
    *,
    signals: Mapping[str, Sequence[str | InputPath]] | None = None,
    test: Sequence[str | InputPath] = (),
    options: RatesOptions,
) -> RatesReport:
    """What `rates` does, but nothing is written, and the scores of all crossings are kept in memory."""
    asked, paths = _asked(trainings, options), _paths(files, signals or {}, test)
    return _measure(asked, paths, _Streams(asked, paths, options, _has_vertices(paths)), options)


@dataclass
class _Streams:
    """The parts of each sample, as often as they are asked for; `skipped` are the files left out, with their places.

    `whole` says by these places why files were read as a whole.
    """

    asked: Asked
    paths: Mapping[str, Sequence[InputPath]]
    options: RatesOptions
    vertices: bool
    store: Callable[[str], Store] | None = None
    skipped: list[Skipped] = field(default_factory=list)
    whole: dict[int, str] = field(default_factory=dict)
    _seen: dict[str, list[Part] | None] = field(default_factory=dict)

    def parts(self, sample: str) -> Iterator[Part]:
        """The parts of a sample in order: made, or taken from where they are kept."""
        kept = self._seen.get(sample)
        if kept is not None:
            yield from kept
            return
        again, o = sample in self._seen, self.options
        vertices = self.vertices and not sample.startswith(_SIGNAL)
        job = RatesJob(self.asked.trainings, self.asked.selections, self.asked.menu, vertices)
        store = MemoryStore() if self.store is None else self.store(sample)
        run = Run(
            job, self.paths[sample], o.step_size, o.max_events, o.execution, store, None if again else o.on_events
        )
        memory: list[Part] | None = [] if self.store is None else None
        for piece in run:
            if memory is not None:
                memory.append(piece.part)
            yield piece.part
        self._seen[sample] = memory
        if not again:
            before = sum(len(group) for group in list(self.paths.values())[: list(self.paths).index(sample)])
            self.skipped += [replace(left_out, file=before + left_out.file) for left_out in run.skipped]
            self.whole |= {before + file: why for file, why in run.whole.items()}


def _measure(
    asked: Asked, paths: Mapping[str, Sequence[InputPath]], streams: _Streams, options: RatesOptions
) -> RatesReport:
    khz = options.crossings.khz
    tails = read_tails(streams.parts(SET_ON), asked)
    points = set_points(tails, asked, options)
    names = [name for name in options.points if any(point.point == name for point in points.points)]
    triggers = triggers_of(asked, points, names)
    samples: list[SampleRates] = []
    curves: list[RateCurve | None] = []
    for sample in (SET_ON, TEST):
        if sample in paths:
            counts, own = count_sample(streams.parts(sample), asked, triggers)
            files = [path.name for path in paths[sample]]
            samples.append(sample_rates(counts, asked, points, names, options.crossings, sample=sample, files=files))
            curves += [rate_curve(tail, m, sample, "total", khz) for tail, m in zip(own, asked.names, strict=True)]
    if asked.menu is not None:
        curves += [rate_curve(tail, m, SET_ON, "pure", khz) for tail, m in zip(tails.pure, asked.names, strict=True)]
    rows: list[SignalRow] = []
    signal_curves: list[SignalCurve] = []
    events: dict[str, int] = {}
    scans = [scanned(tail, khz, 0.0) for tail in tails.all]
    for sample in (name for name in paths if name.startswith(_SIGNAL)):
        signal = sample.removeprefix(_SIGNAL)
        counts, found = count_signal(streams.parts(sample), asked, triggers, [s for s, _ in scans], f"signal {signal}")
        rows += signal_rows(counts, asked, points, names, signal)
        events[signal] = counts.total.events
        signal_curves += [
            signal_curve(curve, scan[1], counts, (signal, model))
            for curve, scan, model in zip(found, scans, asked.names, strict=True)
            if len(scan[1])
        ]
    beside, beside_signals, not_beside = _beside(streams, tails, asked, options)
    return RatesReport(
        options.bunches if options.input_khz is None else None,
        khz,
        options.pure,
        {training.name: asked.score(i) for i, training in enumerate(asked.trainings)},
        None if asked.menu is None else asked.menu.name,
        None if asked.menu is None else asked.menu.limit_khz,
        points.points,
        tuple(samples),
        tuple(rows),
        events,
        (*points.remarks, *_remarks(samples, tails, points, asked), *not_beside),
        tuple(curve for curve in curves if curve is not None),
        tuple(signal_curves),
        beside,
        beside_signals,
        options.output,
        tuple(streams.skipped),
    )


def _beside(
    streams: _Streams, tails: Tails, asked: Asked, options: RatesOptions
) -> tuple[tuple[BesideRates, ...], tuple[BesideRow, ...], list[str]]:
    """The models beside another trigger, in each sample of zero bias and each signal; nothing if there is none.

    The last says at which rates they cannot be.
    """
    pairs = set_pairs(lambda: streams.parts(SET_ON), tails, asked, options)
    there = {point for _, point in pairs}
    wanted = [point_name(rate) for rate in sorted(set(options.rates_khz))] if options.beside is not None else []
    left_out = [
        f"no model stands beside {asked.beside} at {point}: that is less than one crossing, or more than all in which "
        "each of the triggers has a score"
        for point in wanted
        if point not in there
    ]
    if not pairs:
        return (), (), left_out
    counts = {sample: count_pairs(streams.parts(sample), pairs, asked) for sample in streams.paths}
    rates: list[BesideRates] = []
    rows: list[BesideRow] = []
    for sample, found in counts.items():
        if sample.startswith(_SIGNAL):
            rows += beside_rows(found, counts[SET_ON], asked, sample.removeprefix(_SIGNAL))
        else:
            rates += beside_rates(found, asked, options, sample)
    return tuple(rates), tuple(rows), left_out


def _remarks(samples: Sequence[SampleRates], tails: Tails, points: WorkingPoints, asked: Asked) -> list[str]:
    """What a reader of the rates must know."""
    found = []
    for model, flow in zip(asked.names, tails.flows, strict=True):
        if flow.selected.events < flow.total.events:
            found.append(
                f"{model} is asked in {flow.selected.events} of {flow.total.events} crossings only: the others do not "
                "pass its selection"
            )
    few = sum(row.total.few for row in samples[-1].triggers)
    if few:
        found.append(f"{few} of {len(points.points)} rates of models rest on fewer than 10 crossings: they are marked")
    menu = asked.menu
    if menu is not None and menu.limit_khz is not None and (rate := samples[-1].menu) and rate.low_khz > menu.limit_khz:
        found.append(
            f"menu {menu.name} has {rate.khz:.4g} kHz in these events, more than its limit of {menu.limit_khz:g} kHz: "
            "its thresholds are of other objects or another pile-up, and what it keeps of signals is too much"
        )
    if not samples[0].pileup:
        found.append(_NO_VERTICES)
    return found


def _with_remarks(report: RatesReport, warnings: Sequence[str]) -> RatesReport:
    return replace(report, remarks=(*warnings, *report.remarks))


def _with_beside(models: Sequence[str], options: RatesOptions) -> list[Training]:
    """The trainings of models, and last that of the trigger beside them if it is none of these by name."""
    trainings = load_trainings(models)
    if options.beside is None or options.beside in [training.name for training in trainings]:
        return trainings
    every, system = load_trainings([*models, options.beside]), load_trainings([options.beside])[0].system
    place = max(i for i, training in enumerate(every) if training.system == system)  # others may come after its system
    return [*every[:place], *every[place + 1 :], every[place]]


def _asked(trainings: Sequence[Training], options: RatesOptions) -> Asked:
    if not trainings:
        raise UsageError("give at least one --model")
    menu: MenuCard | None = None if options.menu is None else load_menu(options.menu)
    other = None if options.selection is None else load_selection(options.selection)
    selections = [other or training.bundle.card.selection for training in trainings]
    if options.every_crossing:
        selections = [selection.model_copy(update={"require": ()}) for selection in selections]
    beside = None
    if options.beside is not None:
        names = [training.name for training in trainings]
        beside = options.beside if options.beside in names else names[-1]
        if len(names) < 2:
            raise UsageError(f"--beside {options.beside}: give another model, that it stands beside")
    return Asked(tuple(trainings), tuple(selections), menu, beside)


def _paths(
    files: Sequence[str | InputPath], signals: Mapping[str, Sequence[str | InputPath]], test: Sequence[str | InputPath]
) -> dict[str, list[InputPath]]:
    paths = {SET_ON: expand_files(files)}
    if test:
        paths[TEST] = expand_files(test)
        same = [path for path in paths[TEST] if path in paths[SET_ON]]
        if same:
            raise UsageError(f"{same[0]} is given to set thresholds and to test them: a test needs other events")
    return {**paths, **{f"{_SIGNAL}{name}": expand_files(group) for name, group in signals.items()}}


def _has_vertices(paths: Mapping[str, Sequence[InputPath]]) -> bool:
    """Whether all zero-bias files say how many vertices there are; what is wrong with a file is told later."""
    for path in (path for name in (SET_ON, TEST) for path in paths.get(name, ())):
        try:
            with closing(open_events(path)) as source:
                if "vertices" not in source.available():
                    return False
        except InputDataError:
            continue
    return True


def _cards(asked: Asked) -> dict[str, str]:
    """The sha256 of all that decisions depend on."""
    found = {f"bundle {training.name}": training.bundle.sha256 for training in asked.trainings}
    for training, selection in zip(asked.trainings, asked.selections, strict=True):
        found |= _of_model(training.name, selection)
    return found | ({} if asked.menu is None else card_hash("menu", asked.menu.name, asked.menu))


def _of_model(model: str, selection: SelectionCard) -> dict[str, str]:
    return {f"{name} of {model}": sha256 for name, sha256 in selection_hash(selection).items()}


def _provenance(
    records: Sequence[dict[str, Any]],
    *,
    asked: Asked,
    paths: Mapping[str, Sequence[InputPath]],
    options: RatesOptions,
) -> dict[str, Any]:
    flags = {"pure": options.pure, "every-crossing": options.every_crossing, "data": not options.simulation}
    command = command_line(
        " ".join(["rates", *(f"--{name}" for name, is_set in flags.items() if is_set)]),
        test=tuple(path.name for path in paths.get(TEST, ())),
        model=asked.names,
        menu=None if asked.menu is None else asked.menu.name,
        signal=tuple(
            f"{name.removeprefix(_SIGNAL)}={path.name}"
            for name, group in paths.items()
            if name.startswith(_SIGNAL)
            for path in group
        ),
        rate=options.rates_khz,
        threshold=tuple(f"{model}={value!r}" for model, value in options.thresholds.items()),
        bunches=options.bunches if options.input_khz is None else None,
        input_rate=options.input_khz,
        beside=asked.beside,
        selection=options.selection,
        max_events=options.max_events,
    )
    return provenance(command, inputs=records, cards=_cards(asked))


def _stored(output: Path, options: RatesOptions) -> tuple[dict[str, Any], RatesReport]:
    """What a report that is there says of itself, and the report."""
    content = json.loads((output / "report.json").read_text(encoding="utf-8"))
    record = content.pop("provenance")
    report = RatesReport(
        content["bunches"],
        content["crossings_khz"],
        content["pure"],
        content["models"],
        content["menu"],
        content["limit_khz"],
        (),
        (),
        (),
        content["signal_events"],
        tuple(content["remarks"]),
        output=options.output,
        skipped=tuple(Skipped(**skipped) for skipped in content["skipped"]),
        complete_before=content,
    )
    return record, report
