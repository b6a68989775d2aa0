"""Read, select and score events chunk by chunk: the loop that `score` and `evaluate` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.bundle import Bundle
from hepad.pipeline.selected import blocks, selected_chunks

__all__ = ["ScoredChunk", "ScoredSample", "scored_chunks", "scored_sample"]

Scores = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class ScoredChunk:
    """A chunk of events, the mask of shape (n,) of those selected, and the scores and weights of the selected.

    `flow` is the cut flow of all chunks up to this one.
    """

    chunk: Chunk
    keep: npt.NDArray[np.bool_]
    flow: CutFlow
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
    fields = bundle.fields(selection)
    for piece in selected_chunks(paths, selection, fields, step_size=step_size, max_events=max_events):
        weights = ak.to_numpy(piece.events.weight).astype(np.float64)
        yield ScoredChunk(piece.chunk, piece.keep, piece.flow, _scores(bundle, piece.events), weights)


def _scores(bundle: Bundle, events: ak.Array) -> Scores:
    """The scores of selected events, block by block: what a network sees of an event may be kilobytes."""
    parts = [bundle.scorer.scores(bundle.input(block)) for block in blocks(events, len(bundle.input.columns))]
    return {name: np.concatenate([part[name] for part in parts]) for name in bundle.card.scores}


def scored_sample(paths: Sequence[Path], bundle: Bundle, selection: SelectionCard, **reading: Any) -> ScoredSample:
    """The scores of all selected events of files, in memory."""
    pieces = list(scored_chunks(paths, bundle, selection, **reading))
    names = pieces[0].scores
    return ScoredSample(
        {name: np.concatenate([piece.scores[name] for piece in pieces]) for name in names},
        np.concatenate([piece.weights for piece in pieces]),
        pieces[-1].flow,
        np.concatenate([piece.keep for piece in pieces]),
    )
