"""What is made of crossings: the score of each model, the decision of each seed, weights, vertices."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from hepad.bundles.systems import Training
from hepad.cards.menu import MenuCard
from hepad.cards.selection import SelectionCard
from hepad.execution.parts import Part
from hepad.execution.units import Step
from hepad.io.events import Chunk, merge_fields
from hepad.objects.menu import seed_decisions
from hepad.samples.scoring import score_chunk, spread
from hepad.trigger.counting import Decisions

__all__ = ["RatesJob", "decisions_of", "flow_of"]

_VERTICES = "vertices"


@dataclass(frozen=True)
class RatesJob:
    """Makes `score0`, `score1`, ... (NaN for events that a model's selection does not keep), `seeds` and `weight`.

    The decisions of the seeds are packed, eight to a byte. With `vertices` the number of vertices is there too.
    """

    trainings: tuple[Training, ...]
    selections: tuple[SelectionCard, ...]
    menu: MenuCard | None
    vertices: bool = False

    def prepare(self) -> Step:
        """The bundles were loaded when the job came to this process."""
        fields = [t.bundle.fields(s) for t, s in zip(self.trainings, self.selections, strict=True)]
        fields += [self.menu.fields()] if self.menu is not None else []
        fields += [{_VERTICES: {"number"}}] if self.vertices else []
        return Step(merge_fields(*fields), self._make)

    def _make(self, chunk: Chunk) -> Part:
        n = len(chunk.events)
        columns = {"weight": ak.to_numpy(chunk.events.weight).astype(np.float64)}
        flows = {}
        for i, (training, selection) in enumerate(zip(self.trainings, self.selections, strict=True)):
            scored = score_chunk(chunk, training.bundle, selection)
            columns[f"score{i}"] = spread(scored.scores[training.bundle.card.scores[0]], scored.keep)
            flows[flow_of(i)] = scored.flow
        if self.menu is not None:
            columns["seeds"] = np.packbits(seed_decisions(chunk.events, self.menu), axis=1)
        if self.vertices:
            columns[_VERTICES] = ak.to_numpy(chunk.events[_VERTICES]).astype(np.int64)
        return Part(n, columns, flows=flows)


def flow_of(model: int) -> str:
    """The name of the cut flow of a model."""
    return f"model{model}"


def decisions_of(part: Part, models: int, seeds: int) -> Decisions:
    """What a part says, unpacked."""
    columns = part.columns
    scores = np.stack([columns[f"score{i}"] for i in range(models)], axis=1)
    unpacked = (
        np.unpackbits(columns["seeds"], axis=1, count=seeds).astype(np.bool_)
        if seeds
        else np.zeros((part.events, 0), dtype=np.bool_)
    )
    return Decisions(scores, unpacked, columns["weight"], columns.get(_VERTICES))
