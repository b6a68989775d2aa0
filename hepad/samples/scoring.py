"""Select and score the events of a chunk, or of all chunks of a sample: what `score` and `evaluate` share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle
from hepad.cards.bundle import RegionCard
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.execution.parts import Part
from hepad.execution.run import Run
from hepad.execution.units import Step
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.io.tables.scores import ScoreFile, ScoreFormat
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection, check_events
from hepad.paths import InputPath
from hepad.samples.selected import blocks, checked_flow
from hepad.samples.weighting import CrossSections, row_factors
from hepad.stats.scores.regions import region_of

__all__ = [
    "EventRows",
    "SampleJob",
    "ScoredChunk",
    "ScoredSample",
    "sample_of",
    "score_chunk",
    "score_events",
    "score_rows",
    "scored_sample",
    "spread",
    "stored_scores",
]

Scores = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ScoredChunk:
    """A chunk of events, the mask of shape (n,) of those selected, and the scores and weights of the selected."""

    chunk: Chunk
    keep: npt.NDArray[np.bool_]
    flow: CutFlow
    scores: Scores
    weights: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredSample:
    """All selected events of some files: scores of shape (n,) by name and weights of shape (n,).

    `keep` is the mask, over all events that were read, of those selected; n of them are True. `file` and `entry` (n,)
    say where each is from: the place of its file among the inputs, and its entry there.
    """

    scores: Scores
    weights: npt.NDArray[np.float64]
    cutflow: CutFlow
    keep: npt.NDArray[np.bool_]
    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]


def score_chunk(chunk: Chunk, bundle: Bundle, selection: SelectionCard) -> ScoredChunk:
    """Apply the selection to a chunk and score what is left."""
    events, keep, flow = apply_selection(chunk.events, selection)
    weights = ak.to_numpy(events.weight).astype(np.float64)
    return ScoredChunk(chunk, keep, flow, score_events(bundle, events), weights)


def score_events(bundle: Bundle, events: ak.Array) -> Scores:
    """The scores (n,) of selected events by name, block by block: what a network sees of one may be kilobytes.

    `InputDataError` for events that lack what the model's input needs.
    """
    check_events(events, bundle.input.fields(), f"model {bundle.card.name!r}")
    parts = [bundle.scorer.scores(bundle.input(block)) for block in blocks(events, bundle.input.layout.size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in bundle.card.scores}


def spread(values: npt.NDArray[np.float32], keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    """The scores of selected events as those of all events (n,), NaN where the mask (n,) says that one was not."""
    column = np.full(len(keep), np.nan, dtype=np.float32)
    column[keep] = values
    return column


@dataclass(frozen=True)
class EventRows:
    """Consecutive events of the `file`-th input: their entries, the mask of those selected and weights, each (n,)."""

    file: int
    entry: npt.NDArray[np.int64]
    keep: npt.NDArray[np.bool_]
    weight: npt.NDArray[np.float64]


def score_rows(rows: EventRows, scores: Scores, regions: Mapping[str, RegionCard]) -> dict[str, npt.NDArray[Any]]:
    """The columns of a score file for events, selected or not.

    `scores` are those of the selected events, the default first; the others have none and are in no region.
    """
    keep = rows.keep
    columns: dict[str, npt.NDArray[Any]] = {
        "file": np.full(len(keep), rows.file, dtype=np.int32),
        "entry": rows.entry,
        "selected": keep,
        "weight": rows.weight,
    }
    of_all = {name: spread(values, keep) for name, values in scores.items()}
    columns["score"] = next(iter(of_all.values()))
    columns |= {f"score_{name}": values for name, values in of_all.items()}
    return columns | {f"in_{name}": region_of(card).inside(of_all) for name, card in regions.items()}


@dataclass(frozen=True)
class SampleJob:
    """Makes `keep` of all events, and `entry`, `weight` and `score_NAME` of those selected."""

    bundle: Bundle
    selection: SelectionCard

    def prepare(self) -> Step:
        """The bundle was loaded when the job came to this process."""
        return Step(self.bundle.fields(self.selection), self._make)

    def _make(self, chunk: Chunk) -> Part:
        piece = score_chunk(chunk, self.bundle, self.selection)
        scores = {f"score_{name}": values for name, values in piece.scores.items()}
        own = {"entry": ak.to_numpy(chunk.events.index).astype(np.int64)[piece.keep], "weight": piece.weights}
        return Part(len(piece.keep), {"keep": piece.keep, **own, **scores}, flows={"all": piece.flow})


def scored_sample(
    paths: Sequence[InputPath], bundle: Bundle, selection: SelectionCard, *, step_size: int = DEFAULT_STEP_SIZE
) -> ScoredSample:
    """The scores of all selected events of files, in memory. `InputDataError` if no event was selected."""
    return sample_of(Run(SampleJob(bundle, selection), paths, step_size))


def sample_of(run: Run[SampleJob], *, cross_sections: CrossSections | None = None) -> ScoredSample:
    """The scores of all selected events of a run of `SampleJob`, in memory; with cross sections, the weights are in pb.

    `InputDataError` if no event was selected: scores of nothing are no result.
    """
    pieces = list(run)
    all_of_it = Part.join([piece.part for piece in pieces])
    columns = all_of_it.columns
    return ScoredSample(
        {name.removeprefix("score_"): values for name, values in columns.items() if name.startswith("score_")},
        columns["weight"] * row_factors(pieces, len(run.paths), cross_sections),
        checked_flow(all_of_it.flows["all"], run.job.selection),
        columns["keep"],
        np.repeat([piece.file for piece in pieces], [len(piece.part.columns["entry"]) for piece in pieces]),
        columns["entry"],
    )


def stored_scores(output: Path, kind: ScoreFormat) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a score file that is there says of itself, and the content of its report, which has a `cutflow`.

    `InputDataError` if rows of it are missing, or it is of another format.
    """
    with closing(ScoreFile(output)) as file:
        info, rows, held = file.info, file.entries, file.format
    if held != kind:
        raise InputDataError(f"{output} is of format {held}, not {kind}")
    report: dict[str, Any] = info.pop("report")
    events = CutFlow.from_json(report["cutflow"]).total.events
    if events != rows:
        raise InputDataError(f"{output} has {rows} rows, for {events} events")
    return info, report
