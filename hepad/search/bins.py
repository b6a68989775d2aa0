"""The bins of a search whose categories are fitted together, and the background that is expected in each."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.cards.search import CategoryCard
from hepad.errors import InputDataError, UsageError
from hepad.paths import InputPath
from hepad.search.events import CategoryEvents
from hepad.search.search import Category, Search

__all__ = [
    "BELOW",
    "Bin",
    "SimulatedYield",
    "YieldTable",
    "bin_names",
    "bin_of",
    "read_counts",
    "read_yields",
    "write_yields",
]

BELOW = "below"
"""The control bin of a category: what is in none of its regions."""

_HEADER = ("category", "bin", "process", "cross_section_pb", "error_pb", "events")
_COUNTS = ("category", "bin", "observed")
Bin = tuple[str, str]
"""A category and one of its bins."""


@dataclass(frozen=True)
class SimulatedYield:
    """The cross section of a process in a bin, its statistical error, both in pb, and the simulated events behind."""

    cross_section_pb: float
    error_pb: float
    events: int


YieldTable = dict[Bin, dict[str, SimulatedYield]]
"""By bin and process; a process without an event in a bin is not in it."""


def bin_names(category: CategoryCard) -> tuple[str, ...]:
    """The bins of a category by rising score; empty if it is not fitted."""
    return (BELOW, *category.bins) if category.bins else ()


def bin_of(events: CategoryEvents, category: Category) -> npt.NDArray[np.int64]:
    """The place (n,) among `bin_names` of the bin that each event is in."""
    inside = [events.inside(category, region) for region in category.card.bins]
    return np.sum(inside, axis=0, dtype=np.int64) if inside else np.zeros(len(events), dtype=np.int64)


def write_yields(
    path: Path,
    search: Search,
    events: Mapping[str, CategoryEvents],
    origins: Mapping[str, npt.NDArray[np.int64]],
    files: Sequence[InputPath],
) -> None:
    """Write the yields of the background: `events` have weights in pb, `origins` (n,) say which file each is from.

    `UsageError` for a file that is of no process of the card.
    """
    own = search.card.simultaneous
    assert own is not None  # noqa: S101  the caller has looked
    processes = [own.process_of(file.name) for file in files]
    strange = [file.name for file, process in zip(files, processes, strict=True) if process is None]
    if strange:
        raise UsageError(
            f"{strange[0]} is of no process of {search.card.name}: the patterns under simultaneous.processes are "
            f"{', '.join(each for one in own.processes.values() for each in one.files)}"
        )
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_HEADER)
        for category in search.categories:
            mine, of_process = events[category.name], np.array([*processes, None], dtype=object)[origins[category.name]]
            places = bin_of(mine, category)
            for place, name in enumerate(bin_names(category.card)):
                for process in own.processes:
                    weights = mine.weight[(places == place) & (of_process == process)]
                    if len(weights):
                        error = float(np.sqrt(np.square(weights).sum()))
                        numbers = (f"{weights.sum():.6g}", f"{error:.6g}", len(weights))
                        writer.writerow((category.name, name, process, *numbers))


def read_yields(path: Path, search: Search) -> YieldTable:
    """The table that `write_yields` made; `InputDataError` for another, for bins that the search has not, or twice."""
    found: YieldTable = {}
    seen: set[tuple[str, str, str]] = set()
    processes = () if search.card.simultaneous is None else tuple(search.card.simultaneous.processes)
    for number, row in _rows(path, _HEADER, search):
        values = [_number(cell) for cell in row[3:]]
        if row[2] not in processes or any(value is None or value < 0 for value in values):
            raise InputDataError(f"{path}, line {number}: expected one of {', '.join(processes)} and three numbers")
        if (key := (row[0], row[1], row[2])) in seen:
            raise InputDataError(f"{path}, line {number}: {row[2]} of {row[0]}, {row[1]} was there before")
        seen.add(key)
        section, error, events = (value or 0.0 for value in values)
        if section > 0:
            found.setdefault((row[0], row[1]), {})[row[2]] = SimulatedYield(section, error, int(events))
    return found


def read_counts(path: Path, search: Search) -> dict[Bin, float]:
    """Observed events by bin; `InputDataError` that names the line at fault."""
    found: dict[Bin, float] = {}
    for number, row in _rows(path, _COUNTS, search):
        value = _number(row[2])
        if value is None or value < 0 or (row[0], row[1]) in found:
            raise InputDataError(f"{path}, line {number}: expected events, not negative, of a bin that was not yet")
        found[row[0], row[1]] = value
    return found


def _rows(path: Path, header: tuple[str, ...], search: Search) -> list[tuple[int, list[str]]]:
    """The lines below the header with their numbers, each of a bin that the search has."""
    bins = {(c.name, name) for c in search.card.categories for name in bin_names(c)}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(i, [cell.strip() for cell in row]) for i, row in enumerate(csv.reader(stream), start=1) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputDataError(f"{path}: cannot be read ({error})") from error
    if not rows or tuple(rows[0][1]) != header:
        raise InputDataError(f"{path}: the first line must be {','.join(header)}")
    for number, row in rows[1:]:
        if len(row) != len(header) or (row[0], row[1]) not in bins:
            raise InputDataError(f"{path}, line {number}: expected {','.join(header)} of a bin of {search.card.name}")
    return rows[1:]


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None
