"""Background to train on: read it all, part it into training, validation and held-out events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.bundle import SetAside
from hepad.cards.selection import SelectionCard
from hepad.cards.train import TrainCard
from hepad.errors import InputDataError
from hepad.execution.executor import Execution
from hepad.execution.parts import Part
from hepad.execution.run import Run, Skipped
from hepad.execution.store import MemoryStore, Store
from hepad.execution.units import Step
from hepad.inputs.base import Input
from hepad.inputs.batch import Batch
from hepad.io.events import Chunk, merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.samples.selected import checked_flow
from hepad.samples.weighting import CrossSections, row_factors

__all__ = [
    "Background",
    "BackgroundJob",
    "Parts",
    "Split",
    "batch_columns",
    "batch_of",
    "read_background",
    "set_aside",
    "split_events",
]


@dataclass(frozen=True)
class Background:
    """All selected events as one unscaled batch, their cut flow, and the files that were left out."""

    batch: Batch
    cutflow: CutFlow
    skipped: tuple[Skipped, ...] = ()


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
        batch = self.vector.raw(events)
        return Part(len(keep), batch_columns(batch), flows={"all": flow})


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
    return Background(batch_of(vector, columns), flow, tuple(run.skipped))


def batch_columns(batch: Batch) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a batch by name, as a part keeps them."""
    columns: dict[str, npt.NDArray[Any]] = {"x": batch.x, "weight": batch.weight}
    if batch.mask is not None:
        columns["mask"] = batch.mask
    return columns | {f"beside.{name}": values for name, values in batch.beside.items()}


def batch_of(vector: Input, columns: Mapping[str, npt.NDArray[Any]]) -> Batch:
    """The batch whose arrays these are."""
    prefix = "beside."
    beside = {name.removeprefix(prefix): values for name, values in columns.items() if name.startswith(prefix)}
    return Batch(vector.kind, vector.layout, columns["x"], columns.get("mask"), columns["weight"], beside)


@dataclass(frozen=True)
class Parts:
    """Row numbers of the events set aside and of the rest, both rising."""

    aside: npt.NDArray[np.int64]
    rest: npt.NDArray[np.int64]


def set_aside(n: int, card: SetAside) -> Parts:
    """Draw the fraction of n events that is set aside; the same n and card give the same events."""
    order = np.random.default_rng(card.seed).permutation(n)
    count = round(n * card.fraction)
    return Parts(np.sort(order[:count]), np.sort(order[count:]))


@dataclass(frozen=True)
class Split:
    """Row numbers of the three disjoint parts of the background."""

    train: npt.NDArray[np.int64]
    validation: npt.NDArray[np.int64]
    holdout: npt.NDArray[np.int64]


def split_events(n: int, options: TrainCard, seed: int) -> Split:
    """Shuffle n events by the seed and part them into training, validation and held-out events.

    With `options.train_events` only so many of the training part are kept; the other parts do not depend on it.
    """
    order = np.random.default_rng(seed).permutation(n)
    holdout, validation = round(n * options.holdout_fraction), round(n * options.validation_fraction)
    training = order[holdout + validation :][: options.train_events]
    parts = Split(training, order[holdout : holdout + validation], order[:holdout])
    if min(len(parts.train), len(parts.validation), len(parts.holdout)) < 1:
        raise InputDataError(f"{n} background events are too few to part into training, validation and held-out events")
    return parts
