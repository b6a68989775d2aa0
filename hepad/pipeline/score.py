"""Score events: files in, one row a score out, with the cut flow and the events in each region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import RegionCard
from hepad.cards.selection import SelectionCard, load_selection
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.parts import Part
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.units import Step
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.scores import ScoreFormat, ScoreWriter
from hepad.nn.device import OnDevice, scoring_device
from hepad.objects.cutflow import CutFlow
from hepad.output.atomic import atomic_path, check_file
from hepad.paths import InputPath
from hepad.provenance import command_line, provenance
from hepad.samples.scoring import EventRows, ScoredChunk, score_chunk, score_rows, stored_scores
from hepad.samples.selected import checked_flow
from hepad.stats.scores.quantiles import StreamSample

__all__ = ["RegionCount", "ScoreOptions", "ScoreReport", "Scored", "score", "score_in_memory"]

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class ScoreOptions:
    """Options of `score`. `regions` are set on the bundle's held-out background; `on_events` is told of progress."""

    output: Path | None = None
    format: ScoreFormat = "root"
    selection: str | None = None
    regions: Mapping[str, RegionSpec] = field(default_factory=dict)
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    device: str = "cpu"
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None


@dataclass(frozen=True)
class ScoreJob:
    """Makes all columns of a score file of a chunk."""

    bundle: Bundle
    selection: SelectionCard
    regions: Mapping[str, RegionCard]
    device: str = "cpu"

    def prepare(self) -> Step:
        """The bundle was loaded when the job came to this process."""
        scorer = self.bundle.scorer
        if isinstance(scorer, OnDevice):
            scorer.score_on(self.device)
        return Step(self.bundle.fields(self.selection), self._make)

    def _make(self, chunk: Chunk) -> Part:
        piece = score_chunk(chunk, self.bundle, self.selection)
        columns = score_columns(piece, self.regions)
        return Part(len(piece.keep), columns, flows={"all": piece.flow})


@dataclass(frozen=True)
class RegionCount:
    """Events in a region: raw, and as a weighted fraction of the selected events."""

    threshold: float
    score: str
    selected: int
    fraction: float


@dataclass(frozen=True)
class ScoreReport:
    """What `score` did; `quantiles` are of the default score over selected events.

    `skipped` are the files that were left out, in their order. `complete_before`: the output was there already.
    `output` is None if nothing was written.
    """

    model: str
    selection: str
    output: Path | None
    cutflow: CutFlow
    regions: dict[str, RegionCount]
    quantiles: dict[float, float]
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "output": None if self.output is None else str(self.output)}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "regions": {name: vars(count) for name, count in self.regions.items()},
            "quantiles": {f"{q:g}": value for q, value in self.quantiles.items()},
            "model": self.model,
            "selection": self.selection,
            "skipped": [vars(skipped) for skipped in self.skipped],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any], output: Path) -> ScoreReport:
        """What `to_json` made, of an output that was complete before."""
        return cls(
            content["model"],
            content["selection"],
            output,
            CutFlow.from_json(content["cutflow"]),
            {name: RegionCount(**count) for name, count in content["regions"].items()},
            {float(q): value for q, value in content["quantiles"].items()},
            tuple(Skipped(**skipped) for skipped in content["skipped"]),
            complete_before=True,
        )


def score(files: Sequence[str], model: str, *, options: ScoreOptions | None = None) -> ScoreReport:
    """Score the events of files (paths or globs) with a bundle and write one row an input event.

    The output is written when everything has gone well, or not at all; what an interrupted run has done is kept in
    `OUTPUT.run`, from where the same call goes on. If the output is there already, made by the same call of the same
    inputs, nothing is done. `InputDataError` if a file cannot be read or no event passes the selection.
    """
    options = options or ScoreOptions()
    paths = expand_files(files)
    job = _job(load_bundle(model), options)
    output = options.output or default_output(paths, options.format)
    check_file(output, verb="score", inputs=paths)
    described = partial(_info, job=job, options=options)
    making = Making.of(output, paths, described, again=options.execution.force)
    if before := making.before(read=partial(_stored, kind=options.format)):
        return before
    with making.run_folder() as folder:
        store = folder.store("score", described([], arguments=False))
        run = Run(job, paths, options.step_size, options.max_events, options.execution, store, options.on_events)
        with (
            atomic_path(output, verb="score", within=folder.path) as temporary,
            ScoreWriter(temporary, options.format) as out,
        ):
            tally = _Tally(job.regions)
            for piece in run:
                out.write(piece.part.columns)
                tally.add(piece.part)
            report = tally.report(job, output, run.skipped)
            out.describe({**making.description(run.reasons(), run.whole), "report": report.content()})
    return report


@dataclass(frozen=True)
class Scored:
    """Scores in memory: the columns (n,) of a score file, for all n events read, and the report."""

    columns: dict[str, npt.NDArray[Any]]
    report: ScoreReport


def score_in_memory(
    files: Sequence[str | InputPath], model: str | Bundle, *, options: ScoreOptions | None = None
) -> Scored:
    """What `score` does, but nothing is written: options of the output and of the execution are not heeded."""
    options = options or ScoreOptions()
    job = _job(load_bundle(model), options)
    run = Run(job, expand_files(files), options.step_size, options.max_events, on_events=options.on_events)
    tally, parts = _Tally(job.regions), []
    for piece in run:
        parts.append(piece.part)
        tally.add(piece.part)
    return Scored(Part.join(parts).columns, tally.report(job, None, run.skipped))


def _job(bundle: Bundle, options: ScoreOptions) -> ScoreJob:
    selection = bundle.card.selection if options.selection is None else load_selection(options.selection)
    device = scoring_device(bundle.scorer, options.device)
    return ScoreJob(bundle, selection, bundle.regions(options.regions), device)


def _stored(output: Path, *, kind: ScoreFormat) -> tuple[dict[str, Any], ScoreReport]:
    info, report = stored_scores(output, kind)
    return info, ScoreReport.from_json(report, output)


def default_output(paths: Sequence[InputPath], kind: str) -> Path:
    """`w_lnu.scores.root` in the working folder for `w_lnu.root`; `scores.root` for several files."""
    ending = "parquet" if kind == "parquet" else "root"
    return Path(f"{paths[0].stem}.scores.{ending}" if len(paths) == 1 else f"scores.{ending}")


def score_columns(piece: ScoredChunk, regions: Mapping[str, RegionCard]) -> dict[str, npt.NDArray[Any]]:
    """The output columns for all events of a chunk, selected or not."""
    events = piece.chunk.events
    entry, weight = ak.to_numpy(events.index).astype(np.int64), ak.to_numpy(events.weight).astype(np.float64)
    return score_rows(EventRows(piece.chunk.file, entry, piece.keep, weight), piece.scores, regions)


def _info(
    records: Sequence[dict[str, Any]], *, job: ScoreJob, options: ScoreOptions, arguments: bool = True
) -> dict[str, Any]:
    """What a score file says of itself; `hepad hist` reads the selection and `max_events` from it."""
    card = job.bundle.card
    device = None if job.device == "cpu" else job.device
    command = command_line(
        "score", model=card.name, selection=job.selection.name, max_events=options.max_events, device=device
    )
    return {
        "model": card.name,
        "selection": job.selection.model_dump(mode="json", by_alias=True, exclude_none=True),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in job.regions.items()},
        "max_events": options.max_events,
        "provenance": provenance(
            command, inputs=records, cards={f"bundle {card.name}": job.bundle.sha256}, arguments=arguments
        ),
    }


class _Tally:
    """Adds up what the report needs, chunk by chunk."""

    def __init__(self, regions: Mapping[str, RegionCard]) -> None:
        self.sample = StreamSample()
        self._regions = regions
        self._flow: CutFlow | None = None
        self._events = dict.fromkeys(regions, 0)
        self._weights = dict.fromkeys(regions, 0.0)

    def add(self, part: Part) -> None:
        flow, columns = part.flows["all"], part.columns
        self._flow = flow if self._flow is None else self._flow + flow
        self.sample.add(columns["score"][columns["selected"]])
        for name in self._regions:
            inside = columns[f"in_{name}"]
            self._events[name] += int(inside.sum())
            self._weights[name] += float(columns["weight"][inside].sum())

    def report(self, job: ScoreJob, output: Path | None, skipped: Sequence[Skipped]) -> ScoreReport:
        """The report; `InputDataError` if nothing was selected: scores of nothing are no result."""
        flow = checked_flow(self._flow, job.selection)
        total = flow.selected.weight
        regions = {
            name: RegionCount(
                region.threshold, region.score, self._events[name], self._weights[name] / total if total else 0.0
            )
            for name, region in self._regions.items()
        }
        quantiles = self.sample.quantiles(QUANTILES)
        return ScoreReport(job.bundle.card.name, job.selection.name, output, flow, regions, quantiles, tuple(skipped))
