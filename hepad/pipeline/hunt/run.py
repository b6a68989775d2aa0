"""Hunt for a resonance in data: a method tells a window of a mass from its sidebands, and scores every event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hepad.bundles.checkpoint import CheckpointFolder, Watch, check_checkpoint
from hepad.cards.bundle import RegionCard
from hepad.errors import InputDataError, OutputError
from hepad.execution.run import Run
from hepad.execution.store import RunFolder
from hepad.inputs.base import make_input
from hepad.io.tables.scores import ScoreFile, ScoreWriter
from hepad.methods.base import MASS, Fitted, make_method
from hepad.nn.device import resolve_device
from hepad.nn.scorer import Scores
from hepad.output.atomic import atomic_path, check_file
from hepad.output.complete import made_with, selection_hash, would_be_same
from hepad.pipeline.hunt.events import HuntEvents, HuntJob
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.report import HuntRegion, HuntReport
from hepad.provenance import FileRecords
from hepad.samples.scoring import EventRows, score_rows
from hepad.stats.scores.regions import background_quantiles, region_of, set_region

__all__ = ["HuntOptions", "HuntReport", "hunt"]


def hunt(files: Sequence[str], method: str, *, options: HuntOptions) -> HuntReport:
    """Train the method of a card on data files and write their scores to `options.output`, a file as of `hepad score`.

    Every event gets scores of networks that have not seen it; events that lack the objects of the mass get none. The
    same files, in any order, options and seed give the same scores, interrupted or not. `InputDataError` if a part of
    the spectrum has too few events for the folds.
    """
    options = replace(options, device=resolve_device(options.device))
    check_file(options.output, verb="hunt")
    checkpoint = options.output.with_name(f"{options.output.name}.checkpoint")
    check_checkpoint(checkpoint, resume=options.resume, restart=options.restart)
    plan = HuntPlan.of(files, method, options)
    check_file(options.output, verb="hunt", inputs=plan.paths)
    records = FileRecords(plan.paths)
    described = partial(_info, plan=plan, options=options)
    again = options.execution.force or options.restart
    if options.output.exists() and not again and not options.resume:
        report = _finished(options.output, described(records.as_they_are()))
        if report:
            return report
    with RunFolder.of(options.output, force=again) as folder:
        events = _read(plan, options, folder, records)
        store = CheckpointFolder(checkpoint, plan.key(events.records, len(events.raw)))
        watch = Watch(store, options.on_epoch)
        found = _learned(plan, events, options, store, watch)
        report = _report(plan, events, found, options)
        try:
            with (
                atomic_path(options.output, verb="hunt", within=folder.path) as temporary,
                ScoreWriter(temporary, options.format) as out,
            ):
                for piece, rows in events.rows():
                    scores = {name: values[rows] for name, values in found.scores.items()}
                    columns = piece.part.columns
                    place = EventRows(piece.file, columns["entry"], columns["keep"], columns["all_weight"])
                    out.write(score_rows(place, scores, found.regions))
                out.describe({**described(events.records), "report": report.content()})
        except OutputError as error:
            watch.save_last()
            raise OutputError(f"{error}; the training is kept in {store.path}: mend that and add --resume") from error
        store.remove()
    return report


@dataclass(frozen=True)
class _Found:
    """What came of a hunt: scores (n,) of the selected events, NaN for those without the mass, and the regions."""

    fitted: Fitted
    scores: Scores
    regions: dict[str, RegionCard]


def _read(plan: HuntPlan, options: HuntOptions, folder: RunFolder, records: FileRecords) -> HuntEvents:
    """All events, in memory; what was read stays in the folder, for a training that is resumed."""
    keyed = made_with(**selection_hash(plan.selection), input=plan.card.input.model_dump(mode="json"), mass=plan.mass)
    job = HuntJob(plan.selection, make_input(plan.card.input), plan.mass)
    store = folder.store("events", keyed)
    run = Run(job, plan.paths, options.step_size, options.max_events, options.execution, store, options.on_events)
    pieces = list(run)
    return HuntEvents(job, tuple(pieces), tuple(records.wait(run.reasons())), tuple(run.skipped))


def _learned(plan: HuntPlan, events: HuntEvents, options: HuntOptions, store: CheckpointFolder, watch: Watch) -> _Found:
    """Train on the window and its sidebands, then score all events that have the mass."""
    events.check()
    raw, folds = events.raw, events.folds(plan.card.folds, plan.seed)
    rows = events.around(plan.window)
    if not len(rows):
        below, above = plan.window.sidebands
        raise InputDataError(f"no selected event has a mass of {options.mass} from {below:g} to {above:g} GeV")
    vector = events.job.vector.fitted(raw.take(rows))
    method = make_method(plan.card.method, vector.layout)
    resume = store.begin(resume=options.resume, restart=options.restart)
    with watch.signals():
        fitted = method.fit(
            vector.scaled(raw.take(rows)),
            folds[rows],
            plan.window,
            options=plan.card.train,
            seed=plan.seed,
            device=options.device,
            on_epoch=watch,
            resume=resume,
        )
    there = np.flatnonzero(~np.isnan(raw.beside[MASS]))
    scores = {name: np.full(len(raw), np.nan, dtype=np.float32) for name in fitted.score_names}
    for name, values in fitted.scores(vector.scaled(raw.take(there)), folds[there]).items():
        scores[name][there] = values
    return _Found(fitted, scores, _regions(plan, events, scores))


def _regions(plan: HuntPlan, events: HuntEvents, scores: Scores) -> dict[str, RegionCard]:
    """The regions, set on the events of the sidebands."""
    parts = plan.window.parts(events.raw.beside[MASS])
    sides = parts["lower sideband"] | parts["upper sideband"]
    quantiles = {name: background_quantiles(v[sides], events.raw.weight[sides]) for name, v in scores.items()}
    default = next(iter(scores))
    return {
        name: set_region(name, spec.completed(None), quantiles, default) for name, spec in plan.card.regions.items()
    }


def _report(plan: HuntPlan, events: HuntEvents, found: _Found, options: HuntOptions) -> HuntReport:
    mass = events.raw.beside[MASS]
    parts = plan.window.parts(mass)
    window = float(events.raw.weight[parts["window"]].sum())
    regions = {}
    for name, card in found.regions.items():
        inside = region_of(card).inside(found.scores)
        counts = {part: int((inside & rows).sum()) for part, rows in parts.items()}
        sides = parts["lower sideband"] | parts["upper sideband"]
        kept = float(events.raw.weight[sides & inside].sum() / events.raw.weight[sides].sum())
        regions[name] = HuntRegion(
            card.score, card.threshold, card.efficiency, card.efficiency_error, counts, kept * window
        )
    counts = {"selected": len(mass), **{part: int(rows.sum()) for part, rows in parts.items()}}
    return HuntReport(
        plan.card.name,
        plan.selection.name,
        options.output,
        options.mass,
        events.flow,
        plan.card.folds,
        {**counts, "without the mass": int(np.isnan(mass).sum())},
        found.fitted.networks,
        regions,
        events.skipped,
    )


def _info(
    records: Sequence[dict[str, Any]], *, plan: HuntPlan, options: HuntOptions, arguments: bool = True
) -> dict[str, Any]:
    """What the score file says of itself; `hepad hist` reads the selection and `max_events` from it."""
    return {
        "model": plan.card.name,
        "selection": plan.selection.model_dump(mode="json", by_alias=True, exclude_none=True),
        "hunt": {**plan.content(), "mass": options.mass},
        "max_events": options.max_events,
        "provenance": plan.provenance(options, records, arguments=arguments),
    }


def _finished(output: Path, described: Mapping[str, Any]) -> HuntReport | None:
    """The report of an output that is there and complete, and is what we were about to make."""
    try:
        with closing(ScoreFile(output)) as file:
            info, rows = file.info, file.entries
        report = HuntReport.from_json(info.pop("report"), output)
    except (InputDataError, KeyError, TypeError):  # something else, which will be replaced
        return None
    return report if would_be_same(info, described) and report.cutflow.total.events == rows else None
