"""Read, select and score events chunk by chunk: the loop that `score` and `evaluate` share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.io.events import Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.paths import InputPath
from hepad.pipeline.bundle import Bundle
from hepad.pipeline.selected import blocks, selected_chunks
from hepad.pipeline.weighting import CrossSections, PbWeights

__all__ = ["ScoredChunk", "ScoredSample", "score_events", "scored_chunks", "scored_sample"]

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
    paths: Sequence[InputPath],
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
        yield ScoredChunk(piece.chunk, piece.keep, piece.flow, score_events(bundle, piece.events), weights)


def score_events(bundle: Bundle, events: ak.Array) -> Scores:
    """The scores (n,) of selected events by name, block by block: what a network sees of one may be kilobytes."""
    parts = [bundle.scorer.scores(bundle.input(block)) for block in blocks(events, len(bundle.input.columns))]
    return {name: np.concatenate([part[name] for part in parts]) for name in bundle.card.scores}


def scored_sample(
    paths: Sequence[InputPath],
    bundle: Bundle,
    selection: SelectionCard,
    *,
    cross_sections: CrossSections | None = None,
    **reading: Any,
) -> ScoredSample:
    """The scores of all selected events of files, in memory; with cross sections, their weights are in pb."""
    pieces = list(scored_chunks(paths, bundle, selection, **reading))
    names = pieces[0].scores
    factors = np.ones(len(paths))
    if cross_sections:
        in_pb = PbWeights(cross_sections)
        for piece in pieces:
            in_pb.add(piece.chunk)
        factors = in_pb.factors()
    return ScoredSample(
        {name: np.concatenate([piece.scores[name] for piece in pieces]) for name in names},
        np.concatenate([piece.weights * factors[piece.chunk.file] for piece in pieces]),
        pieces[-1].flow,
        np.concatenate([piece.keep for piece in pieces]),
    )
