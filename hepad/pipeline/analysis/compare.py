"""What an analysis makes of its test events, held against what its authors got, quantity by quantity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.cards.vectors import CategoryVectors, Yield

__all__ = ["Comparison", "compare"]


@dataclass(frozen=True)
class Comparison:
    """One quantity: how many numbers, how many differ by more than the tolerance, and the largest difference.

    Differences are relative to the expected number, those of scores to the mean score where that is larger; for
    flags and counts of events they are the number itself.
    """

    category: str
    quantity: str
    compared: int
    mismatches: int
    largest_difference: float


def compare(
    category: str, found: CategoryVectors, expected: CategoryVectors, entries: int, tolerance: float
) -> Iterator[Comparison]:
    """All quantities of a category as found and as expected, for an event file with so many entries."""

    def flags(quantity: str, mine: Sequence[int], theirs: Sequence[int]) -> Comparison:
        differ = len(set(mine) ^ set(theirs))
        return Comparison(category, quantity, entries, differ, float(differ > 0))

    yield flags("selected", found.selected, expected.selected)
    rows = _common(found, expected)
    for what, mine, theirs in (
        ("score", found.scores, expected.scores),
        ("mass", found.masses, expected.masses),
    ):
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in mine or name not in theirs:
                yield Comparison(category, f"{what} {name}", 1, 1, 1.0)  # in only one of the two
                continue
            yield _numbers(category, f"{what} {name}", _at(mine[name], rows[0]), _at(theirs[name], rows[1]), tolerance)
    for name in sorted(found.regions.keys() | expected.regions.keys()):
        if name not in found.regions or name not in expected.regions:
            yield Comparison(category, f"region {name}", 1, 1, 1.0)
            continue
        yield flags(f"region {name}", found.regions[name], expected.regions[name])
    yield _steps(category, found, expected, tolerance)
    yield _yields(category, found, expected, tolerance)


def _common(found: CategoryVectors, expected: CategoryVectors) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Positions, among the selected events of both, of the events that both select."""
    _, mine, theirs = np.intersect1d(found.selected, expected.selected, assume_unique=True, return_indices=True)
    return mine, theirs


def _at(values: Sequence[float | None], rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    result: npt.NDArray[np.float64] = numbers[rows]
    return result


def _numbers(
    category: str, quantity: str, mine: npt.NDArray[np.float64], theirs: npt.NDArray[np.float64], tolerance: float
) -> Comparison:
    """Compare numbers, NaN equal to NaN only; `Comparison` says what differences are relative to."""
    there = np.isfinite(theirs)
    differ = np.where(np.isfinite(mine) == there, 0.0, 1.0)
    both = there & np.isfinite(mine)
    if both.any():
        floor = np.abs(theirs[both]).mean() if quantity.startswith("score ") else 0.0
        scale = np.maximum(np.abs(theirs[both]), max(floor, np.finfo(np.float64).tiny))
        differ[both] = np.abs(mine[both] - theirs[both]) / scale
    wrong = int((differ > tolerance).sum())
    return Comparison(category, quantity, len(theirs), wrong, float(differ.max(initial=0.0)))


def _steps(category: str, found: CategoryVectors, expected: CategoryVectors, tolerance: float) -> Comparison:
    if [s.name for s in found.cutflow] != [s.name for s in expected.cutflow]:
        return Comparison(category, "cut flow", len(expected.cutflow), len(expected.cutflow), 1.0)
    mine, theirs = (np.array([[s.events, s.weight] for s in c.cutflow], dtype=np.float64) for c in (found, expected))
    return _numbers(category, "cut flow", mine.ravel(), theirs.ravel(), tolerance)


def _yields(category: str, found: CategoryVectors, expected: CategoryVectors, tolerance: float) -> Comparison:
    if found.yields.keys() != expected.yields.keys():
        return Comparison(category, "yields", len(expected.yields), len(expected.yields), 1.0)
    names = sorted(expected.yields)
    mine, theirs = (_yield_numbers(c.yields, names) for c in (found, expected))
    return _numbers(category, "yields", mine, theirs, tolerance)


def _yield_numbers(yields: Mapping[str, Yield], names: Sequence[str]) -> npt.NDArray[np.float64]:
    numbers = [
        number for name in names for number in (yields[name].events, yields[name].weight, yields[name].acceptance)
    ]
    return np.array(numbers, dtype=np.float64)
