"""Write what a network sees: events as rows of numbers, for people who train networks of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.input import InputCard, parse_input
from hepad.cards.selection import SelectionCard, load_selection
from hepad.execution.executor import Execution
from hepad.execution.making import Making
from hepad.execution.parts import Part
from hepad.execution.run import OnEvents, Run, Skipped
from hepad.execution.units import Step
from hepad.inputs.base import Input, make_input
from hepad.inputs.l1_vector import L1VectorCard
from hepad.io.events import Chunk, merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE, expand_files
from hepad.io.tables.files import TableWriter, check_format, read_info
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.output.atomic import atomic_path, check_file
from hepad.output.complete import made_with, selection_hash
from hepad.provenance import command_line, provenance
from hepad.samples.selected import blocks, checked_flow

__all__ = ["VectorizeOptions", "VectorizeReport", "vectorize"]


PART_BYTES = 1 << 27
"""Of the table of a unit of work: the matrices of `rmm` have kilobytes an event."""


@dataclass(frozen=True)
class VectorizeOptions:
    """Options of `vectorize`. `features`, `order` and `counts` are as in an analysis card's input, None: its default.

    Input kind `rmm` knows neither features nor an order.
    """

    selection: str = "adc2021"
    input: str = "l1_vector"
    features: tuple[str, ...] | None = None
    order: tuple[str, ...] | None = None
    counts: dict[str, int] | None = None
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None


@dataclass(frozen=True)
class VectorizeReport:
    """What `vectorize` wrote; `skipped` are the files that were left out.

    `complete_before`: the output was there already.
    """

    output: Path
    cutflow: CutFlow
    columns: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    complete_before: bool = False

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {**self.content(), "columns": list(self.columns), "output": str(self.output)}

    def content(self) -> dict[str, Any]:
        """The report in JSON types, wherever it is written to; the columns are in the file anyway."""
        return {
            "events": self.cutflow.total.events,
            "selected": self.cutflow.selected.events,
            "cutflow": self.cutflow.to_json(),
            "skipped": [vars(skipped) for skipped in self.skipped],
        }


@dataclass(frozen=True)
class VectorizeJob:
    """Makes the rows of the selected events of a chunk."""

    selection: SelectionCard
    input: InputCard

    def prepare(self) -> Step:
        """There is nothing to load."""
        vector = make_input(self.input)
        return Step(merge_fields(self.selection.fields(), vector.fields()), partial(self._make, vector))

    def _make(self, vector: Input, chunk: Chunk) -> Part:
        events, keep, flow = apply_selection(chunk.events, self.selection)
        x = np.concatenate([vector.table(block) for block in blocks(events, vector.table_names.size)])
        columns: dict[str, npt.NDArray[Any]] = {
            "x": x,
            "file": np.full(len(events), chunk.file, dtype=np.int32),
            "entry": ak.to_numpy(events.index).astype(np.int64),
            "weight": ak.to_numpy(events.weight).astype(np.float64),
        }
        return Part(len(keep), columns, flows={"all": flow})


def vectorize(files: Sequence[str], output: Path, *, options: VectorizeOptions | None = None) -> VectorizeReport:
    """Write `x`, `columns`, `file`, `entry` and `weight` of the selected events as .npz, .h5 or .parquet.

    `x` is float32 of shape (n, d) in physical units (GeV, radians), not scaled: a scale belongs to a training. For
    input kind `rmm` it is the whole matrices, of shape (n, size, size); in .parquet one column a cell.
    An interrupted run is kept in `OUTPUT.run` and goes on with the same call; an output that is complete already stays.
    """
    options = options or VectorizeOptions()
    paths = expand_files(files)
    check_file(output, verb="vectorize", inputs=paths)
    check_format(output)
    job = VectorizeJob(load_selection(options.selection), _input_card(options))
    names = make_input(job.input).table_names
    columns = tuple(names.ravel().tolist())
    making = Making.of(output, paths, partial(_info, options=options, job=job), again=options.execution.force)
    if before := making.before(read=partial(_stored, columns=columns)):
        return before
    with making.run_folder() as folder:
        store = folder.store(
            "vectorize", made_with(**selection_hash(job.selection), input=job.input.model_dump(mode="json"))
        )
        step_size = min(options.step_size, max(1, PART_BYTES // (4 * names.size)))
        run = Run(job, paths, step_size, options.max_events, options.execution, store, options.on_events)
        with atomic_path(output, verb="vectorize") as temporary, TableWriter(temporary, names) as out:
            flow: CutFlow | None = None
            for piece in run:
                out.write(piece.part.columns)
                own = piece.part.flows["all"]
                flow = own if flow is None else flow + own
            report = VectorizeReport(output, checked_flow(flow, job.selection), columns, tuple(run.skipped))
            out.describe({**making.description(run.reasons(), run.whole), "report": report.content()})
    return report


def _stored(output: Path, columns: tuple[str, ...]) -> tuple[dict[str, Any], VectorizeReport]:
    """What an output that is there says of itself, and its report."""
    info = read_info(output)
    content = info.pop("report")
    flow, skipped = CutFlow.from_json(content["cutflow"]), tuple(Skipped(**each) for each in content["skipped"])
    return info, VectorizeReport(output, flow, columns, skipped, complete_before=True)


def _info(records: Sequence[dict[str, Any]], *, options: VectorizeOptions, job: VectorizeJob) -> dict[str, Any]:
    """What a table says of itself."""
    command = command_line(
        "vectorize",
        selection=job.selection.name,
        input=options.input,
        features=",".join(job.input.features) if isinstance(job.input, L1VectorCard) else None,
        max_events=options.max_events,
    )
    return {
        "selection": job.selection.name,
        "input": job.input.model_dump(mode="json"),
        "provenance": provenance(command, inputs=records, cards=selection_hash(job.selection)),
    }


def _input_card(options: VectorizeOptions) -> InputCard:
    given = {"features": options.features, "order": options.order, "counts": options.counts}
    content = {"kind": options.input, **{key: value for key, value in given.items() if value is not None}}
    return parse_input(content, "input options")
