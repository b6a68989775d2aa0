"""Background to train on: read it all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import Run, Skipped
from hepad.execution.store import MemoryStore, Store
from hepad.execution.units import Step
from hepad.inputs.base import Input
from hepad.inputs.batch import Batch
from hepad.inputs.sparse import SparseRows
from hepad.io.events import Chunk, merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.samples.selected import checked_flow
from hepad.samples.split import EventIds
from hepad.samples.weighting import CrossSections, row_factors

__all__ = ["Background", "BackgroundJob", "batch_columns", "batch_of", "read_background"]


@dataclass(frozen=True)
class Background:
    """All n selected events as one unscaled batch, their cut flow, and the files that were left out.

    `file` and `entry` (n,) say where each is from: the place of its file among the inputs, and its entry there.
    """

    batch: Batch
    cutflow: CutFlow
    file: npt.NDArray[np.int64]
    entry: npt.NDArray[np.int64]
    skipped: tuple[Skipped, ...] = ()

    def ids(self, records: Sequence[Mapping[str, Any]]) -> EventIds:
        """Who the events are, with the records of the input files."""
        return EventIds([record["sha256"] for record in records], self.file, self.entry)


@dataclass(frozen=True)
class BackgroundJob:
    """Makes the unscaled batch of the selected events of a chunk."""

    selection: SelectionCard
    vector: Input

    def prepare(self) -> Step:
        """There is nothing to load."""
        return Step(merge_fields(self.selection.fields(), self.vector.fields()), self._make)

    def _make(self, chunk: Chunk) -> Part:
        events, keep, flow = apply_selection(chunk.events, self.selection)
        own = {"entry": ak.to_numpy(events.index).astype(np.int64)}
        return Part(len(keep), {**own, **batch_columns(self.vector.raw(events))}, flows={"all": flow})


def read_background(
    paths: Sequence[InputPath],
    selection: SelectionCard,
    vector: Input,
    *,
    step_size: int = DEFAULT_STEP_SIZE,
    max_events: int | None = None,
    cross_sections: CrossSections | None = None,
    execution: Execution | None = None,
    store: Store | None = None,
) -> Background:
    """All selected events of files: a training needs them all in memory.

    With cross sections, the weights are in pb and their sum is the cross section of the selected background. The cut
    flow counts the weights as they are in the files. `InputDataError` if no event was selected.
    """
    job = BackgroundJob(selection, vector)
    run = Run(job, paths, step_size, max_events, execution or Execution(), store or MemoryStore())
    pieces = list(run)
    whole = Part.join([piece.part for piece in pieces])
    flow = checked_flow(whole.flows["all"], selection, what="background event")
    weight = whole.columns["weight"] * row_factors(pieces, len(paths), cross_sections)
    columns = {**whole.columns, "weight": weight}
    file = np.repeat([piece.file for piece in pieces], [len(piece.part.columns["entry"]) for piece in pieces])
    return Background(batch_of(vector, columns), flow, file, whole.columns["entry"], tuple(run.skipped))


def batch_columns(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a batch by name, as a part keeps and joins them."""
    x: Any = batch.x
    sparse = {f"x.{name}": values for name, values in x.columns().items()} if isinstance(x, SparseRows) else {"x": x}
    columns: dict[str, npt.NDArray[Any]] = {**sparse, "weight": batch.weight}
    if batch.mask is not None:
        columns["mask"] = batch.mask
    return columns | {f"beside.{name}": values for name, values in batch.beside.items()}


def batch_of(vector: Input, columns: Mapping[str, npt.NDArray[Any]]) -> Batch:
    """The batch whose arrays these are."""
    beside, sparse = (_below(prefix, columns) for prefix in ("beside.", "x."))
    x: Any = SparseRows.from_columns(sparse, vector.layout.shape) if sparse else columns["x"]
    return Batch(vector.kind, vector.layout, x, columns.get("mask"), columns["weight"], beside)


def _below(prefix: str, columns: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)}
