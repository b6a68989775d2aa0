"""Read, select and score events chunk by chunk: the loop that `score` and `evaluate` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE, read_events
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection
from hepad.pipeline.bundle import Bundle

__all__ = ["ScoredChunk", "ScoredSample", "scored_chunks", "scored_sample"]

Scores = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ScoredChunk:
    """A chunk of events, the mask of shape (n,) of those selected, and the scores and weights of the selected."""

    chunk: Chunk
    keep: npt.NDArray[np.bool_]
    cutflow: CutFlow
    scores: Scores
    weights: npt.NDArray[np.float64]


@dataclass(frozen=True)
class ScoredSample:
    """All selected events of some files: scores of shape (n,) by name and weights of shape (n,).

    `keep` is the mask, over all events that were read, of those selected; n of them are True.
    """

    scores: Scores
    weights: npt.NDArray[np.float64]
    cutflow: CutFlow
    keep: npt.NDArray[np.bool_]


def scored_chunks(
    paths: Sequence[Path],
    bundle: Bundle,
    selection: SelectionCard,
    *,
    step_size: int = DEFAULT_STEP_SIZE,
    max_events: int | None = None,
) -> Iterator[ScoredChunk]:
    """Read files in chunks, apply the selection and score what is left.

    `InputDataError` at the end if no event was selected: scores of nothing are no result.
    """
    flow: CutFlow | None = None
    for chunk in read_events(paths, bundle.fields(selection), step_size=step_size, max_events=max_events):
        events, keep, cutflow = apply_selection(chunk.events, selection)
        flow = cutflow if flow is None else flow + cutflow
        batch = bundle.input(events)
        yield ScoredChunk(chunk, keep, cutflow, dict(bundle.scorer.scores(batch)), batch.weight)
    if flow is None or flow.selected.events == 0:
        raise InputDataError(
            f"no event passes selection {selection.name!r} ({flow or 'no events read'}); nothing to score"
        )


def scored_sample(paths: Sequence[Path], bundle: Bundle, selection: SelectionCard, **reading: Any) -> ScoredSample:
    """The scores of all selected events of files, in memory."""
    pieces = list(scored_chunks(paths, bundle, selection, **reading))
    flow = pieces[0].cutflow
    for piece in pieces[1:]:
        flow = flow + piece.cutflow
    names = pieces[0].scores
    return ScoredSample(
        {name: np.concatenate([piece.scores[name] for piece in pieces]) for name in names},
        np.concatenate([piece.weights for piece in pieces]),
        flow,
        np.concatenate([piece.keep for piece in pieces]),
    )
