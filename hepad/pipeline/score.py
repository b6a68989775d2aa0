"""Score events: files in, one row a score out, with the cut flow and the events in each region."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.analysis import RegionSpec
from hepad.cards.bundle import RegionCard
from hepad.cards.selection import SelectionCard, load_selection
from hepad.io.atomic import atomic_path, check_file
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.scores import ScoreWriter
from hepad.objects.cutflow import CutFlow
from hepad.paths import InputPath
from hepad.pipeline.bundle import Bundle, load_bundle
from hepad.pipeline.scoring import ScoredChunk, scored_chunks
from hepad.provenance import command_line, file_records_meanwhile, provenance
from hepad.stats.quantiles import StreamSample

__all__ = ["RegionCount", "ScoreOptions", "ScoreReport", "score"]

QUANTILES = (0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999)


@dataclass(frozen=True)
class ScoreOptions:
    """Options of `score`. `regions` are set on the bundle's held-out background; `on_events` is told of progress."""

    output: Path | None = None
    format: Literal["root", "parquet"] = "root"
    selection: str | None = None
    regions: Mapping[str, RegionSpec] = field(default_factory=dict)
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class RegionCount:
    """Events in a region: raw, and as a weighted fraction of the selected events."""

    threshold: float
    score: str
    selected: int
    fraction: float


@dataclass(frozen=True)
class ScoreReport:
    """What `score` did; `quantiles` are of the default score over selected events."""

    model: str
    selection: str
    output: Path
    cutflow: CutFlow
    regions: dict[str, RegionCount]
    quantiles: dict[float, float]

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "regions": {name: vars(count) for name, count in self.regions.items()},
            "quantiles": {f"{q:g}": value for q, value in self.quantiles.items()},
            "model": self.model,
            "selection": self.selection,
            "output": str(self.output),
        }


def score(files: Sequence[str], model: str, *, options: ScoreOptions | None = None) -> ScoreReport:
    """Score the events of files (paths or globs) with a bundle and write one row an input event.

    The output is written when everything has gone well, or not at all. `InputDataError` if a file cannot be read
    or no event passes the selection.
    """
    options = options or ScoreOptions()
    paths = expand_files(files)
    bundle = load_bundle(model)
    selection = bundle.card.selection if options.selection is None else load_selection(options.selection)
    regions = bundle.regions(options.regions)
    output = options.output or default_output(paths, options.format)
    check_file(output, inputs=paths)
    tally = _Tally(regions)
    records = file_records_meanwhile(paths)
    with (
        atomic_path(output) as temporary,
        ScoreWriter(temporary, options.format, lambda: _info(records(), bundle, selection, regions, options)) as out,
    ):
        for piece in scored_chunks(
            paths, bundle, selection, step_size=options.step_size, max_events=options.max_events
        ):
            columns = score_columns(piece, regions)
            out.write(columns)
            tally.add(columns, piece.flow)
            if options.on_events:
                options.on_events(len(piece.keep))
    return ScoreReport(
        bundle.card.name, selection.name, output, tally.flow, tally.counts(), tally.sample.quantiles(QUANTILES)
    )


def default_output(paths: Sequence[InputPath], kind: str) -> Path:
    """`w_lnu.scores.root` in the working folder for `w_lnu.root`; `scores.root` for several files."""
    return Path(f"{paths[0].stem}.scores.{kind}" if len(paths) == 1 else f"scores.{kind}")


def score_columns(piece: ScoredChunk, regions: Mapping[str, RegionCard]) -> dict[str, npt.NDArray[Any]]:
    """The output columns for all events of a chunk, selected or not."""
    keep, events = piece.keep, piece.chunk.events
    spread = {name: _spread(values, keep) for name, values in piece.scores.items()}
    columns: dict[str, npt.NDArray[Any]] = {
        "file": np.full(len(keep), piece.chunk.file, dtype=np.int32),
        "entry": ak.to_numpy(events.index).astype(np.int64),
        "selected": keep,
        "weight": ak.to_numpy(events.weight).astype(np.float64),
        "score": next(iter(spread.values())),
    }
    columns |= {f"score_{name}": values for name, values in spread.items()}
    # A comparison with NaN is False: events that were not selected are in no region.
    columns |= {f"in_{name}": spread[r.score].astype(np.float64) >= r.threshold for name, r in regions.items()}
    return columns


def _spread(values: npt.NDArray[np.float32], keep: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
    column = np.full(len(keep), np.nan, dtype=np.float32)
    column[keep] = values
    return column


def _info(
    records: Sequence[dict[str, Any]],
    bundle: Bundle,
    selection: SelectionCard,
    regions: Mapping[str, RegionCard],
    options: ScoreOptions,
) -> dict[str, Any]:
    """What a score file says of itself; `hepad hist` reads the selection and `max_events` from it."""
    command = command_line("score", model=bundle.card.name, selection=selection.name, max_events=options.max_events)
    return {
        "model": bundle.card.name,
        "selection": selection.model_dump(mode="json", by_alias=True, exclude_none=True),
        "regions": {name: region.model_dump(mode="json", exclude_none=True) for name, region in regions.items()},
        "max_events": options.max_events,
        "provenance": provenance(command, inputs=records, cards={f"bundle {bundle.card.name}": bundle.sha256}),
    }


class _Tally:
    """Adds up what the report needs, chunk by chunk."""

    def __init__(self, regions: Mapping[str, RegionCard]) -> None:
        self.sample = StreamSample()
        self._regions = regions
        self._flow: CutFlow | None = None
        self._events = dict.fromkeys(regions, 0)
        self._weights = dict.fromkeys(regions, 0.0)

    def add(self, columns: Mapping[str, npt.NDArray[Any]], flow: CutFlow) -> None:
        self._flow = flow
        self.sample.add(columns["score"][columns["selected"]])
        for name in self._regions:
            inside = columns[f"in_{name}"]
            self._events[name] += int(inside.sum())
            self._weights[name] += float(columns["weight"][inside].sum())

    @property
    def flow(self) -> CutFlow:
        assert self._flow is not None  # noqa: S101  scored_chunks raises when nothing was selected
        return self._flow

    def counts(self) -> dict[str, RegionCount]:
        total = self.flow.selected.weight
        return {
            name: RegionCount(
                region.threshold, region.score, self._events[name], self._weights[name] / total if total else 0.0
            )
            for name, region in self._regions.items()
        }
