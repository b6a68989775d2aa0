"""Test vectors of an analysis: write them, and hold the analysis here and now against them.

They are what makes a packed analysis worth keeping: another group sees on its own machine, event by event, that it
gets what the authors got.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card, read_yaml
from hepad.cards.resolver import resolve, unpacked
from hepad.cards.search import SearchCard, is_search, load_search
from hepad.cards.vectors import VECTORS, CategoryVectors, VectorsCard, load_vectors
from hepad.errors import CardError, CheckFailedError, InputDataError
from hepad.objects.cutflow import CutFlow
from hepad.output.atomic import atomic_folder, check_folder
from hepad.pipeline.analysis.compare import Comparison, compare
from hepad.provenance import command_line, file_record, provenance, sha256_file
from hepad.search.any_analysis import prepare_analysis
from hepad.search.events import CategoryEvents, Reading, search_parts
from hepad.search.search import Category, Search

__all__ = ["Comparison", "ValidateReport", "default_vectors", "validate", "write_vectors"]

MAX_BYTES = 64 << 20
"""Largest event file of vectors: they travel with the card."""
TOLERANCE = 1e-5


@dataclass(frozen=True)
class ValidateReport:
    """What was compared. `changed` names the cards and bundles that are not those the vectors were made with."""

    analysis: str
    vectors: Path
    events: int
    tolerance: float
    comparisons: tuple[Comparison, ...]
    changed: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing differed."""
        return not any(comparison.mismatches for comparison in self.comparisons)

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "analysis": self.analysis,
            "passed": self.passed,
            "events": self.events,
            "tolerance": self.tolerance,
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "changed": list(self.changed),
            "vectors": str(self.vectors),
        }

    def check(self) -> None:
        """Raise `CheckFailedError` that names the first quantities that differ."""
        wrong = [c for c in self.comparisons if c.mismatches]
        if wrong:
            what = ", ".join(f"{c.category} {c.quantity} ({c.mismatches} of {c.compared})" for c in wrong[:4])
            more = f" and {len(wrong) - 4} more" if len(wrong) > 4 else ""
            raise CheckFailedError(f"{self.analysis} does not give the numbers in {self.vectors}: {what}{more}")


def default_vectors(name: str) -> Path:
    """Where a card's vectors are: what a search says, else `vectors/NAME/vectors.json` beside the card."""
    path = resolve("analyses", name)
    content = read_yaml(path)
    card: SearchCard | None = load_search(name)[0] if is_search(content) else None
    if card is not None and card.vectors is not None:
        return path.parent / card.vectors
    return path.parent / "vectors" / str(content.get("name", path.stem)) / VECTORS


def validate(name: str, *, vectors: Path | None = None, model: str | None = None) -> ValidateReport:
    """Run an analysis (a name, a card, or an unpacked folder) on the events of its vectors and compare all numbers.

    A difference is no error here: `ValidateReport.check` makes it one.
    """
    with unpacked(name) as card:
        path = vectors or default_vectors(card)
        expected = load_vectors(path)
        search = prepare_analysis(card, model=model)
        if expected.analysis != search.card.name:
            raise CardError(f"{path} holds vectors of {expected.analysis}, not of {search.card.name}")
        events = path.parent / expected.events.file
        if not events.is_file() or sha256_file(events) != expected.events.sha256:
            raise InputDataError(f"{events} is missing or not the file that {path.name} was made with; get it again")
        found, entries = _measure(events, search)
        if entries != expected.events.entries:
            raise InputDataError(f"{events}: {entries} events, {path.name} says {expected.events.entries}")
        differ = sorted(found.keys() ^ expected.categories.keys())
        if differ:
            raise CardError(f"{path}: category {differ[0]!r} is in only one of vectors and card")
        comparisons = [
            item
            for category in expected.categories
            for item in compare(category, found[category], expected.categories[category], entries, expected.tolerance)
        ]
        changed = [what for what, sha in expected.cards.items() if search.cards.get(what) != sha]
        return ValidateReport(
            search.card.name, path, entries, expected.tolerance, tuple(comparisons), tuple(sorted(changed))
        )


def write_vectors(
    name: str, events: Path, output: Path, *, model: str | None = None, tolerance: float = TOLERANCE
) -> VectorsCard:
    """Run an analysis on a small event file and write the folder `output`: a copy of it, and `vectors.json`."""
    check_folder(output, verb="analysis vectors")
    if not events.is_file() or events.stat().st_size > MAX_BYTES:
        raise InputDataError(f"{events} is no file of at most {MAX_BYTES} bytes; vectors travel with the card")
    with unpacked(name) as card:
        search = prepare_analysis(card, model=model)
        found, entries = _measure(events, search)
    record = file_record(events)
    copy = f"events{events.suffix}"
    content = {
        "schema": "vectors/1",
        "analysis": search.card.name,
        "events": {"file": copy, "bytes": record["bytes"], "sha256": record["sha256"], "entries": entries},
        "tolerance": tolerance,
        "categories": {name: vectors.model_dump(mode="json") for name, vectors in found.items()},
        "cards": search.cards,
        "provenance": provenance(command_line(f"analysis vectors {search.card.name} {events.name}"), inputs=[record]),
    }
    result = parse_card(VectorsCard, content, "vectors")
    with atomic_folder(output, verb="analysis vectors") as folder:
        shutil.copyfile(events, folder / copy)
        (folder / VECTORS).write_text(json.dumps(content, allow_nan=False) + "\n", encoding="utf-8")
    return result


def _measure(file: Path, search: Search) -> tuple[dict[str, CategoryVectors], int]:
    """What a search makes of the events of a file, by category, and their number."""
    parts = list(search_parts(Reading(sqrt_s_gev=search.card.sqrt_s_gev).run([file], search)))
    entries = sum(len(part.weights) for part in parts)
    found = {}
    for category in search.categories:
        events = CategoryEvents.concatenate(part.events[category.name] for part in parts)
        flow = parts[0].flows[category.name]
        for part in parts[1:]:
            flow = flow + part.flows[category.name]
        found[category.name] = _category_vectors(search, category, events, flow)
    return found, entries


def _category_vectors(search: Search, category: Category, events: CategoryEvents, flow: CutFlow) -> CategoryVectors:
    total = flow.total.weight
    inside = {name: events.inside(category, name) for name in search.regions}
    return CategoryVectors.model_validate(
        {
            "selected": events.row.tolist(),
            "scores": {name: _short(values) for name, values in events.scores.items()},
            "masses": {name: _short(values) for name, values in events.masses.items()},
            "regions": {name: events.row[mask].tolist() for name, mask in inside.items()},
            "cutflow": [{"name": s.name, "events": s.events, "weight": s.weight} for s in flow.steps],
            "yields": {
                name: {
                    "events": int(mask.sum()),
                    "weight": float(events.weight[mask].sum()),
                    "acceptance": float(events.weight[mask].sum()) / total if total else 0.0,
                }
                for name, mask in inside.items()
            },
        }
    )


def _short(values: npt.NDArray[Any]) -> list[float | None]:
    """Numbers with the nine digits that single precision needs; None for NaN."""
    return [None if np.isnan(value) else float(f"{value:.9g}") for value in values]
