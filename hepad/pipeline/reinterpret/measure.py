"""What a search keeps of a signal: cut flow, acceptance by region, events per category."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.search import ALL
from hepad.errors import InputDataError
from hepad.execution.run import Run
from hepad.objects.cutflow import CutFlow
from hepad.samples.sample import FileSample, Samples, weight_sums
from hepad.search.events import CategoryEvents, SearchJob, SearchPart, search_parts
from hepad.search.search import Category, Search
from hepad.stats.scores.acceptance import Acceptance, Sums, weighted_acceptance
from hepad.stats.scores.regions import region_of

__all__ = ["Measured", "measure", "score_columns"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """A signal sample seen by a search.

    `read` are the events in the files, `generated` all that were generated, before any selection: more, if the files
    hold only some. `events` and `flows` are by category; the weights of events are those of the files.
    """

    search: Search
    read: Sums
    generated: Sums
    events: Mapping[str, CategoryEvents]
    flows: Mapping[str, CutFlow]

    def acceptance(self, region: str, category: str | None = None) -> Acceptance:
        """The fraction of all generated events in a region of one category, or of any (an event counts once)."""
        chosen = [c for c in self.search.categories if category in {None, c.name}]
        passed = self._passed(chosen, [self.events[c.name].inside(c, region) for c in chosen])
        if region == ALL or not all(c.bundle for c in chosen):
            return weighted_acceptance(passed, self.generated)
        moved = [
            self._passed(chosen, [self._above(c, region, edge) for c in chosen]).weight - passed.weight
            for edge in (0, 1)
        ]
        return weighted_acceptance(passed, self.generated, model_error=max(map(abs, moved)) / self.generated.weight)

    def fractions(self, category: str) -> list[tuple[float, float]]:
        """The fraction of all generated events, and its error, after each step of a selection.

        That all events are all events has no error; that a file holds so many of those generated has one.
        """
        found = [
            weighted_acceptance(Sums(step.events, step.weight, step.weight2), self.generated)
            for step in self.flows[category].steps
        ]
        whole = self.read.events == self.generated.events
        first = (found[0].value, 0.0 if whole else found[0].error)
        return [first, *((one.value, one.error) for one in found[1:])]

    def _above(self, category: Category, region: str, edge: int) -> Mask:
        if region not in category.regions:
            return self.events[category.name].inside(category, region)
        shifted = region_of(category.regions[region], category.shifted[region][edge])
        return shifted.inside(self.events[category.name].scores)

    def _passed(self, categories: Sequence[Category], masks: Sequence[Mask]) -> Sums:
        rows = np.concatenate([self.events[c.name].row[mask] for c, mask in zip(categories, masks, strict=True)])
        weights = np.concatenate([self.events[c.name].weight[m] for c, m in zip(categories, masks, strict=True)])
        _, first = np.unique(rows, return_index=True)
        return weight_sums(weights[first])


def measure(
    run: Run[SearchJob], write: Callable[[Mapping[str, npt.NDArray[Any]]], None] | None = None
) -> tuple[Measured, list[FileSample]]:
    """Send the events of files through a search; the columns of each part go to `write`.

    Also what the files that were read say of their samples. `InputDataError` if the weights of all events do not sum
    to more than zero: then there is no fraction of them.
    """
    job = run.job
    search = job.search
    samples = Samples(job.assumed_sqrt_s_gev)
    parts: dict[str, list[CategoryEvents]] = {category.name: [] for category in search.categories}
    flows: dict[str, CutFlow] = {}
    for piece in search_parts(run):
        samples.add(piece.file, piece.path, piece.facts, piece.weights)
        for name, events in piece.events.items():
            parts[name].append(events)
            flows[name] = flows[name] + piece.flows[name] if name in flows else piece.flows[name]
        if write:
            write(score_columns(piece, search))
    read = generated = Sums(0, 0.0, 0.0, 0.0)
    for sample, own in samples:
        read, generated = read + own, generated + sample.generated(own)
    if generated.weight <= 0:
        listed = ", ".join(sample.path.name for sample, _ in samples)
        raise InputDataError(f"{listed}: the weights of all events sum to {generated.weight:g}; there is no acceptance")
    collected = {name: CategoryEvents.concatenate(pieces) for name, pieces in parts.items()}
    return Measured(search, read, generated, collected, flows), [sample for sample, _ in samples]


def score_columns(piece: SearchPart, search: Search) -> dict[str, npt.NDArray[Any]]:
    """One row an event read, selected or not: `file`, `entry`, `weight`, and what each category says of it.

    That is `selected`, `score`, `score_<name>`, `m_<channel>` and `in_<region>`, with the category's name in front if
    there are several.
    """
    n = len(piece.weights)
    columns: dict[str, npt.NDArray[Any]] = {
        "file": np.full(n, piece.file, dtype=np.int32),
        "entry": np.arange(piece.first, piece.first + n, dtype=np.int64),
        "weight": piece.weights,
    }
    for category in search.categories:
        prefix = "" if len(search.categories) == 1 else f"{category.name}_"
        events = piece.events[category.name]
        rows = events.row - piece.first_row
        columns[f"{prefix}selected"] = _spread(np.ones(len(rows), dtype=np.bool_), rows, n)
        for default in [*events.scores.values()][:1]:  # as in a file of `hepad score`, which `hepad hist` reads
            columns[f"{prefix}score"] = _spread(default, rows, n)
        for name, scores in events.scores.items():
            columns[f"{prefix}score_{name}"] = _spread(scores, rows, n)
        for name, masses in events.masses.items():
            columns[f"{prefix}m_{name}"] = _spread(masses.astype(np.float32), rows, n)
        for region in category.regions:
            columns[f"{prefix}in_{region}"] = _spread(events.inside(category, region), rows, n)
    return columns


def _spread(values: npt.NDArray[Any], rows: npt.NDArray[np.int64], n: int) -> npt.NDArray[Any]:
    """Values of the selected events among all n of a chunk: False or NaN for the others."""
    column = np.full(n, False if values.dtype == np.bool_ else np.nan, dtype=values.dtype)
    column[rows] = values
    return column
