"""Hunt for a resonance in data: a method tells a window of a mass from its sidebands, and scores every event."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.bundle import RegionCard
from hepad.errors import InputDataError, UsageError
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.store import MemoryStore
from hepad.io.tables.scores import ScoreFormat, ScoreWriter
from hepad.methods.base import MASS, Fitted
from hepad.nn.device import resolve_device
from hepad.nn.scorer import Scores
from hepad.output.atomic import atomic_path, check_file
from hepad.paths import InputPath
from hepad.pipeline.hunt.events import HuntEvents
from hepad.pipeline.hunt.honesty import MassDependence, Spill
from hepad.pipeline.hunt.options import HuntOptions, HuntPlan
from hepad.pipeline.hunt.report import HuntRegion, HuntReport
from hepad.pipeline.hunt.task import HuntTask, Others, read_events_of, read_others
from hepad.provenance import FileRecords
from hepad.samples.scoring import EventRows, score_rows, stored_scores
from hepad.stats.scores.regions import background_quantiles, region_of, set_region

__all__ = ["HuntOptions", "HuntReport", "Hunted", "hunt", "hunt_in_memory"]


def hunt(files: Sequence[str], method: str, *, options: HuntOptions) -> HuntReport:
    """Train the method of a card on data files and write their scores to `options.output`, a file as of `hepad score`.

    Every event gets scores of networks that have not seen it; events that lack the objects of the mass get none. The
    same files, in any order, options and seed give the same scores, interrupted or not. `InputDataError` if a part of
    the spectrum has too few events for the folds.
    """
    options = replace(options, device=resolve_device(options.device))
    output = options.file
    check_file(output, verb="hunt")
    _check_resumed(output, options)
    plan = HuntPlan.of(files, method, options)
    check_file(output, verb="hunt", inputs=plan.inputs)
    described = partial(_info, plan=plan, options=options)
    making = Making.of(output, plan.inputs, described, again=options.execution.force or options.restart)
    if before := making.before(read=partial(_stored, kind=options.format)):
        return before
    with making.run_folder() as folder:
        events = read_events_of(plan, options, folder.store("events", plan.reading()), making.records)
        others = read_others(plan, options)
        task = _task(plan, events, others, options)
        key = {"hunt": task.plan.key(events.records, len(events.raw))}
        found = _found(task, task.fit(options, folder.store("trainings", key)), others.signals)
        report = _report(plan, events, found, options)
        with (
            atomic_path(output, verb="hunt", within=folder.path) as temporary,
            ScoreWriter(temporary, options.format) as out,
        ):
            for columns in _columns(events, found):
                out.write(columns)
            out.describe({**described(events.records), "report": report.content()})
    return report


def _check_resumed(output: Path, options: HuntOptions) -> None:
    """Raise `UsageError` if a run is to be gone on with and there is none. The same command goes on by itself."""
    if options.resume and options.restart:
        raise UsageError("--resume and --restart contradict each other")
    folder = output.with_name(f"{output.name}.run")
    if options.resume and not folder.exists():
        raise UsageError(f"nothing to resume: there is no {folder}; leave out --resume")


@dataclass(frozen=True)
class Hunted:
    """A hunt in memory: the columns (n,) of a score file and the mass (n,) in GeV of all n events, and the report.

    The mass is NaN for an event that was not selected or lacks the objects.
    """

    columns: dict[str, npt.NDArray[Any]]
    mass: npt.NDArray[np.float64]
    report: HuntReport


def hunt_in_memory(files: Sequence[str | InputPath], method: str, *, options: HuntOptions) -> Hunted:
    """The same hunt, but nothing is written: options of the output and of the execution are not heeded."""
    options = replace(options, device=resolve_device(options.device), execution=Execution())
    plan = HuntPlan.of(files, method, options)
    events = read_events_of(plan, options, MemoryStore(), FileRecords(plan.inputs))
    others = read_others(plan, options)
    task = _task(plan, events, others, options)
    found = _found(task, task.fit(options, MemoryStore()), others.signals)
    pieces = list(_columns(events, found))
    columns = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
    mass = np.full(len(columns["selected"]), np.nan)
    mass[columns["selected"]] = events.raw.beside[MASS]
    return Hunted(columns, mass, _report(plan, events, found, options))


@dataclass(frozen=True)
class _Found:
    """What came of a hunt: scores (n,) of the selected events, NaN for those without the mass, regions, and signals."""

    fitted: Fitted
    scores: Scores
    regions: dict[str, RegionCard]
    signals: Mapping[str, HuntEvents]


def _found(task: HuntTask, fitted: Fitted, signals: Mapping[str, HuntEvents]) -> _Found:
    """The scores of all events, and the regions."""
    scores = task.scores(fitted)
    return _Found(fitted, scores, _regions(task.plan, task.events, scores), signals)


def _task(plan: HuntPlan, events: HuntEvents, others: Others, options: HuntOptions) -> HuntTask:
    """Without simulated signals that the method learns nothing from: the report says where these are."""
    if plan.takes("signals"):
        return HuntTask.of(plan, events, options, others)
    return HuntTask.of(replace(plan, signals={}), events, options, replace(others, signals={}))


def _columns(events: HuntEvents, found: _Found) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """The columns of the score file, piece by piece."""
    for piece, rows in events.rows():
        scores = {name: values[rows] for name, values in found.scores.items()}
        columns = piece.part.columns
        place = EventRows(piece.file, columns["entry"], columns["keep"], columns["all_weight"])
        yield score_rows(place, scores, found.regions)


def _regions(plan: HuntPlan, events: HuntEvents, scores: Scores) -> dict[str, RegionCard]:
    """The regions, set on the events of the sidebands."""
    parts = plan.window.parts(events.raw.beside[MASS])
    sides = parts["lower sideband"] | parts["upper sideband"]
    if plan.card.regions and not sides.any():
        raise InputDataError("no events in the sidebands, on which regions are set: leave regions out of the card")
    if not plan.card.regions:
        return {}
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
    default = next(iter(found.scores))

    def depends(score: str, inside: npt.NDArray[np.bool_] | None = None) -> MassDependence:
        values, weight = found.scores[score], events.raw.weight
        return MassDependence.of(values, mass, weight, plan.window, selected=inside, seed=plan.seed)

    for name, card in found.regions.items():
        inside = region_of(card).inside(found.scores)
        counts = {part: int((inside & rows).sum()) for part, rows in parts.items()}
        sides = parts["lower sideband"] | parts["upper sideband"]
        kept = float(events.raw.weight[sides & inside].sum() / events.raw.weight[sides].sum())
        regions[name] = HuntRegion(
            card.score,
            card.threshold,
            card.efficiency,
            card.efficiency_error,
            counts,
            kept * window,
            depends(card.score, inside),
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
        depends(default),
        {name: Spill.of(signal, plan.window) for name, signal in found.signals.items()},
        events.skipped,
        scores=tuple(found.fitted.score_names),
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
        # What the scores are of; simulation besides has no rows.
        "provenance": plan.provenance(options, records[: len(plan.paths)], arguments=arguments),
        **({"simulation": list(records[len(plan.paths) :])} if len(records) > len(plan.paths) else {}),
    }


def _stored(output: Path, *, kind: ScoreFormat) -> tuple[dict[str, Any], HuntReport]:
    info, report = stored_scores(output, kind)
    return info, HuntReport.from_json(report, output)
