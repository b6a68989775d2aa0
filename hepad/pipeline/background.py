"""Background to train on: read it all, part it into training, validation and held-out events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from hepad.cards.analysis import TrainCard
from hepad.cards.bundle import SetAside
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.inputs.base import Input
from hepad.inputs.batch import Batch
from hepad.io.events import merge_fields
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.paths import InputPath
from hepad.pipeline.selected import selected_chunks
from hepad.pipeline.weighting import CrossSections, PbWeights

__all__ = ["Parts", "Split", "read_background", "set_aside", "split_events"]


def read_background(
    paths: Sequence[InputPath],
    selection: SelectionCard,
    vector: Input,
    *,
    step_size: int = DEFAULT_STEP_SIZE,
    max_events: int | None = None,
    cross_sections: CrossSections | None = None,
) -> tuple[Batch, CutFlow]:
    """All selected events as one unscaled batch: a training needs them all in memory.

    With cross sections, its weights are in pb and their sum is the cross section of the selected background. The cut
    flow counts the weights as they are in the files.
    """
    batches: list[Batch] = []
    files: list[int] = []
    in_pb = PbWeights(cross_sections) if cross_sections else None
    fields = merge_fields(selection.fields(), vector.fields())
    for piece in selected_chunks(
        paths, selection, fields, step_size=step_size, max_events=max_events, what="background event"
    ):
        batches.append(vector.raw(piece.events))
        files.append(piece.chunk.file)
        flow = piece.flow
        if in_pb:
            in_pb.add(piece.chunk.file, float(np.sum(piece.chunk.events.weight)))
    if in_pb:
        factors = in_pb.factors()
        batches = [replace(b, weight=b.weight * factors[file]) for b, file in zip(batches, files, strict=True)]
    return Batch.concatenate(batches), flow


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
