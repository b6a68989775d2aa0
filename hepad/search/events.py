"""Events of files as a search sees them: selected, scored, with their masses, category by category."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.search import ALL
from hepad.errors import UsageError
from hepad.execution.executor import Execution
from hepad.execution.parts import FileFacts, Part
from hepad.execution.run import FilePart, OnEvents, Run
from hepad.execution.store import MemoryStore, RunFolder, Store
from hepad.execution.units import Step
from hepad.io.events import SQRT_S, Chunk
from hepad.io.reader import DEFAULT_STEP_SIZE
from hepad.objects.cutflow import CutFlow
from hepad.objects.jet_scale import jet_scale_fields, with_jets_scaled
from hepad.objects.kinematics import invariant_mass
from hepad.objects.selection import apply_selection
from hepad.paths import InputPath
from hepad.provenance import provenance
from hepad.samples.scoring import score_events
from hepad.search.search import Category, Search
from hepad.stats.scores.regions import region_of

__all__ = ["CategoryEvents", "Reading", "SearchJob", "SearchPart", "in_region", "search_parts", "with_energy"]

FloatArray = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files are read; `sqrt_s_gev` is the collision energy that inputs are normalised to, None for the files'.

    The jets of all events are scaled by `jet_scale`, see `hepad.objects.jet_scale`.
    """

    sqrt_s_gev: float | None = None
    jet_scale: float = 1.0
    step_size: int = DEFAULT_STEP_SIZE
    max_events: int | None = None
    execution: Execution = field(default_factory=Execution)
    on_events: OnEvents | None = None

    def run(self, paths: Sequence[InputPath], search: Search, store: Store | None = None) -> Run[SearchJob]:
        """The run that sends the events of files through a search."""
        job = SearchJob(search, self.sqrt_s_gev, self.jet_scale)
        kept = MemoryStore() if store is None else store
        return Run(job, paths, self.step_size, self.max_events, self.execution, kept, self.on_events)

    def store(self, folder: RunFolder, name: str, search: Search) -> Store:
        """Where such a run keeps its parts, for an output with this run folder."""
        key = {"sqrt_s_gev": self.sqrt_s_gev, "provenance": provenance("search", cards=search.cards)}
        key |= {} if self.jet_scale == 1.0 else {"jet_scale": self.jet_scale}
        return folder.store(name, key)


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
        """Mask (n,) of the events in a region of their category; none in one that the category has not."""
        if region == ALL:
            return np.ones(len(self), dtype=np.bool_)
        if category.bundle is not None and region not in category.regions:
            return np.zeros(len(self), dtype=np.bool_)
        return region_of(category.regions[region]).inside(self.scores)

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
class SearchJob:
    """Makes `weight` of all events, and `CATEGORY/row` (the entry in the file), `CATEGORY/score_NAME` and
    `CATEGORY/mass_CHANNEL` of those that a category selects.

    Without a collision energy, inputs are normalised to that which the file states, else to that of the search.
    """

    search: Search
    sqrt_s_gev: float | None = None
    jet_scale: float = 1.0

    @property
    def assumed_sqrt_s_gev(self) -> float | None:
        """The energy taken for files that state none; None if it is not needed, or the same for all files."""
        needed = self.sqrt_s_gev is None and SQRT_S in self.search.fields()
        return self.search.card.sqrt_s_gev if needed else None

    def prepare(self) -> Step:
        """The bundles were loaded when the job came to this process."""
        fields = self.search.fields()
        return Step(fields if self.jet_scale == 1.0 else jet_scale_fields(fields), self._make, facts=True)

    def _make(self, chunk: Chunk) -> Part:
        events = with_energy(chunk.events, self.sqrt_s_gev, self.search.card.sqrt_s_gev)
        events = with_jets_scaled(events, self.jet_scale)
        columns: dict[str, npt.NDArray[Any]] = {"weight": ak.to_numpy(events.weight).astype(np.float64)}
        flows = {}
        for category in self.search.categories:
            selected, _, flows[category.name] = apply_selection(events, category.selection)
            columns |= _columns(selected, category)
        return Part(len(events), columns, flows=flows)


def check_energy(sqrt_s_gev: float | None) -> None:
    """`UsageError` for a collision energy (GeV) that is given and none: NaN passes every other comparison."""
    if sqrt_s_gev is not None and not 0 < sqrt_s_gev < np.inf:
        raise UsageError(f"--sqrt-s must be above 0 GeV and finite, found {sqrt_s_gev:g}")


def with_energy(events: ak.Array, sqrt_s_gev: float | None, assumed_gev: float) -> ak.Array:
    """Events whose inputs are normalised to a collision energy (GeV): that given, that stated, else that assumed."""
    if SQRT_S not in events.fields:
        return events
    stated = ak.to_numpy(events[SQRT_S])
    energy = np.where(np.isnan(stated), assumed_gev, stated) if sqrt_s_gev is None else np.full(len(events), sqrt_s_gev)
    return ak.with_field(events, energy, SQRT_S)


def in_region(events: ak.Array, category: Category, region: str) -> Mask:
    """Whether events (n,) are selected by a category and in a region; none in one that the category has not."""
    if region != ALL and category.bundle is not None and region not in category.regions:
        return np.zeros(len(events), dtype=np.bool_)
    selected, keep, _ = apply_selection(events, category.selection)
    if region == ALL or category.bundle is None:
        return keep
    mask: Mask = keep.copy()
    mask[keep] = region_of(category.regions[region]).inside(score_events(category.bundle, selected))
    return mask


@dataclass(frozen=True)
class SearchPart:
    """Consecutive events of one file as a search sees them, the first of them entry `first` of the file.

    `first_row` is its place among all events read. `weights` (n,) are those of all events; `events` are those selected
    by category, `flows` its own cut flows, and `facts` those of the file, in its first part.
    """

    file: int
    path: InputPath
    first: int
    first_row: int
    weights: FloatArray
    events: Mapping[str, CategoryEvents]
    flows: Mapping[str, CutFlow]
    facts: FileFacts | None


def search_parts(run: Run[SearchJob]) -> Iterator[SearchPart]:
    """Read files once and send their events through all categories; that nothing is selected is no error here."""
    row = 0
    for piece in run:
        weights = piece.part.columns["weight"]
        events = {c.name: _category_events(c, piece, row) for c in run.job.search.categories}
        yield SearchPart(piece.file, piece.path, piece.first, row, weights, events, piece.part.flows, piece.part.facts)
        row += piece.part.events


def _columns(events: ak.Array, category: Category) -> dict[str, npt.NDArray[Any]]:
    """What a part has of the events that a category selects."""
    scores = score_events(category.bundle, events) if category.bundle else {}
    return {
        f"{category.name}/row": ak.to_numpy(events.index).astype(np.int64),
        **{f"{category.name}/score_{name}": values for name, values in scores.items()},
        **{f"{category.name}/mass_{c.name}": _mass(events, c.objects) for c in category.channels},
    }


def _category_events(category: Category, piece: FilePart, row: int) -> CategoryEvents:
    """What `_columns` made, with rows that count all events read; `row` is that of the first event of the piece."""
    columns = piece.part.columns
    place = columns[f"{category.name}/row"] - piece.first
    scores = () if category.bundle is None else category.bundle.card.scores
    return CategoryEvents(
        row + place,
        columns["weight"][place],
        {name: columns[f"{category.name}/score_{name}"] for name in scores},
        {c.name: columns[f"{category.name}/mass_{c.name}"] for c in category.channels},
    )


def _mass(events: ak.Array, objects: Sequence[tuple[str, int]]) -> FloatArray:
    masses = np.full(len(events), np.nan)
    if len(events):
        values, present = invariant_mass(events, objects)
        masses[present] = values
    return masses
