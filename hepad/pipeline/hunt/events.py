"""Events of a hunt: what a network sees of those selected, their mass and their fold, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.selection import SelectionCard
from hepad.execution.parts import Part
from hepad.execution.run import FilePart, Skipped
from hepad.execution.units import Step
from hepad.inputs.base import Input
from hepad.inputs.batch import Batch
from hepad.io.events import Chunk, merge_fields
from hepad.methods.base import MASS, Folds, Sample, Window
from hepad.objects.cutflow import CutFlow
from hepad.objects.selection import apply_selection, check_events
from hepad.pipeline.hunt.mass import HuntMass
from hepad.samples.background import batch_columns, batch_of
from hepad.samples.selected import checked_flow
from hepad.samples.split import fold_of

__all__ = ["HuntEvents", "HuntJob"]


@dataclass(frozen=True)
class HuntJob:
    """Makes `entry`, `keep` and `all_weight` of all events, and the unscaled batch of those selected with its mass."""

    selection: SelectionCard
    vector: Input
    mass: HuntMass

    def prepare(self) -> Step:
        """There is nothing to load."""
        return Step(merge_fields(self.selection.fields(), self.vector.fields(), self.mass.fields()), self._make)

    def _make(self, chunk: Chunk) -> Part:
        events, keep, flow = apply_selection(chunk.events, self.selection)
        check_events(events, self.vector.fields(), f"input {self.vector.kind!r}")
        own = {
            "entry": ak.to_numpy(chunk.events.index).astype(np.int64),
            "keep": keep,
            "all_weight": ak.to_numpy(chunk.events.weight).astype(np.float64),
            "mass_of": self.mass.of(events),
        }
        return Part(len(keep), {**own, **batch_columns(self.vector.raw(events))}, flows={"all": flow})


@dataclass(frozen=True)
class HuntEvents:
    """All events of a run of `HuntJob`, the records of the files, and those that were left out."""

    job: HuntJob
    pieces: Sequence[FilePart]
    records: Sequence[dict[str, Any]]
    skipped: tuple[Skipped, ...] = ()

    @cached_property
    def whole(self) -> Part:
        """All pieces as one."""
        return Part.join([piece.part for piece in self.pieces])

    @property
    def flow(self) -> CutFlow:
        """The cut flow."""
        return self.whole.flows["all"]

    def check(self) -> None:
        """`InputDataError` if no event was selected."""
        checked_flow(self.flow, self.job.selection)

    @cached_property
    def raw(self) -> Batch:
        """The selected events, unscaled, their mass in GeV beside them: NaN for those without its objects."""
        batch = batch_of(self.job.vector, self.whole.columns)
        return replace(batch, beside={**batch.beside, MASS: self.whole.columns["mass_of"]})

    def folds(self, count: int, seed: int) -> Folds:
        """The fold of each selected event."""
        parts = []
        for piece in self.pieces:
            entries = piece.part.columns["entry"][piece.part.columns["keep"]]
            parts.append(fold_of(self._hash(piece), entries, seed=seed, folds=count))
        return np.concatenate(parts)

    def around(self, window: Window) -> npt.NDArray[np.int64]:
        """The numbers of the selected events in the window and its sidebands, in the order of file content and entry.

        So that what is learned does not depend on the order in which files are given.
        """
        inside = np.logical_or.reduce(list(window.parts(self.raw.beside[MASS]).values()))
        rank = {sha256: place for place, sha256 in enumerate(sorted({self._hash(piece) for piece in self.pieces}))}
        kept = [piece.part.columns["keep"] for piece in self.pieces]
        entries = [piece.part.columns["entry"][keep] for piece, keep in zip(self.pieces, kept, strict=True)]
        files = [np.full(int(keep.sum()), rank[self._hash(p)]) for p, keep in zip(self.pieces, kept, strict=True)]
        order = np.lexsort((np.concatenate(entries), np.concatenate(files)))
        return np.asarray(order[inside[order]])

    def sample(self, window: Window, vector: Input, folds: Folds) -> Sample:
        """The events in the window and its sidebands as networks see them, in the order of `around`."""
        rows = self.around(window)
        return Sample(vector.scaled(self.raw.take(rows)), folds[rows])

    def _hash(self, piece: FilePart) -> str:
        return str(self.records[piece.file]["sha256"])

    def rows(self) -> Iterator[tuple[FilePart, slice]]:
        """The pieces, and the selected events of each."""
        start = 0
        for piece in self.pieces:
            stop = start + int(piece.part.columns["keep"].sum())
            yield piece, slice(start, stop)
            start = stop
