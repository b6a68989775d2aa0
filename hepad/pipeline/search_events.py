"""Events of files as a search sees them: selected, scored, with their masses, category by category."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.search import ALL
from hepad.io.events import SQRT_S, Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE, read_events
from hepad.objects.cutflow import CutFlow
from hepad.objects.kinematics import invariant_mass
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.pipeline.scoring import score_events
from hepad.pipeline.search import Category, Search

__all__ = ["CategoryEvents", "Reading", "SearchChunk", "search_chunks"]

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files are read; `sqrt_s_gev` is the collision energy that inputs are normalised to."""

    sqrt_s_gev: float
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    on_events: Callable[[int], None] | None = None


@dataclass(frozen=True)
class CategoryEvents:
    """The n selected events of a category: `row` (n,) counts all events read, `weight` (n,) is as in the file.

    `scores` (n,) by name; empty without a model. `masses` (n,) in GeV by channel, NaN without the objects.
    """

    row: npt.NDArray[np.int64]
    weight: FloatArray
    scores: dict[str, npt.NDArray[np.float32]]
    masses: dict[str, FloatArray]

    def __len__(self) -> int:
        return len(self.row)

    def inside(self, category: Category, region: str) -> Mask:
        """Mask (n,) of the events in a region of their category."""
        if region == ALL:
            return np.ones(len(self), dtype=np.bool_)
        cut = category.regions[region]
        return self.above(cut.score, cut.threshold)

    def above(self, score: str, threshold: float) -> Mask:
        """Mask (n,) of the events with a score at or above a threshold."""
        return np.asarray(self.scores[score].astype(np.float64) >= threshold, dtype=np.bool_)

    def take(self, rows: Mask) -> CategoryEvents:
        """The events that a mask (n,) has."""
        return CategoryEvents(
            self.row[rows],
            self.weight[rows],
            {name: values[rows] for name, values in self.scores.items()},
            {name: values[rows] for name, values in self.masses.items()},
        )

    def scaled(self, factor: float | FloatArray) -> CategoryEvents:
        """The same events with their weights multiplied."""
        return replace(self, weight=self.weight * factor)

    @classmethod
    def concatenate(cls, parts: Iterable[CategoryEvents]) -> CategoryEvents:
        """Several chunks as one."""
        pieces = list(parts)
        return cls(
            np.concatenate([piece.row for piece in pieces]),
            np.concatenate([piece.weight for piece in pieces]),
            {name: np.concatenate([piece.scores[name] for piece in pieces]) for name in pieces[0].scores},
            {name: np.concatenate([piece.masses[name] for piece in pieces]) for name in pieces[0].masses},
        )


@dataclass(frozen=True)
class SearchChunk:
    """A chunk as it was read, and by category the events selected in it and its own cut flow."""

    chunk: Chunk
    first_row: int
    events: Mapping[str, CategoryEvents]
    flows: Mapping[str, CutFlow]


def search_chunks(paths: Sequence[InputPath], search: Search, reading: Reading) -> Iterator[SearchChunk]:
    """Read files once and send each chunk through all categories; that nothing is selected is no error here."""
    row = 0
    fields = search.fields()
    for chunk in read_events(paths, fields, step_size=reading.step_size, max_events=reading.max_events):
        events = chunk.events
        if SQRT_S in fields:
            events = ak.with_field(events, np.full(len(events), reading.sqrt_s_gev), SQRT_S)
        parts, flows = {}, {}
        for category in search.categories:
            selected, keep, flows[category.name] = apply_selection(events, category.selection)
            parts[category.name] = _columns(selected, row + np.flatnonzero(keep), category)
        yield SearchChunk(chunk, row, parts, flows)
        row += len(events)
        if reading.on_events:
            reading.on_events(len(events))


def _columns(events: ak.Array, rows: npt.NDArray[np.int64], category: Category) -> CategoryEvents:
    weight = ak.to_numpy(events.weight).astype(np.float64)
    return CategoryEvents(
        rows,
        weight,
        score_events(category.bundle, events) if category.bundle else {},
        {channel.name: _mass(events, channel.objects) for channel in category.channels},
    )


def _mass(events: ak.Array, objects: Sequence[tuple[str, int]]) -> FloatArray:
    masses = np.full(len(events), np.nan)
    if len(events):
        values, present = invariant_mass(events, objects)
        masses[present] = values
    return masses
