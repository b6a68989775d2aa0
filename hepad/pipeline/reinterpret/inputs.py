"""What goes into a reinterpretation: the files of the sample and of the mass points, and what they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hepad.cards.search import search_files
from hepad.errors import UsageError
from hepad.execution.run import Skipped
from hepad.io.reader import expand_files
from hepad.io.tables.background import EVENTS, RECORD
from hepad.paths import InputPath
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.points import Curve, Point, in_order
from hepad.pipeline.reinterpret.report import FilesRow
from hepad.provenance import sha256_file
from hepad.search.search import Search

__all__ = ["Inputs", "held_against"]


@dataclass(frozen=True)
class Inputs:
    """The files of the sample, and of each point; `first` is the point that is the sample, None without one."""

    sample: list[InputPath]
    points: dict[Point, list[InputPath]]
    first: Point | None

    @classmethod
    def of(cls, files: Sequence[str | InputPath], points: Sequence[Point]) -> Inputs:
        """Find all files; `UsageError` if there are none, or two points have the same mass."""
        if not files and not points:
            raise UsageError("give event files, or mass points with --point")
        found = {point: expand_files([point.file]) for point in in_order(points)}
        first = None if files else points[0]
        return cls(expand_files(files) if first is None else found[first], found, first)

    @property
    def paths(self) -> list[InputPath]:
        """All files, each once: the inputs of the provenance."""
        return list(dict.fromkeys([*self.sample, *(path for paths in self.points.values() for path in paths)]))

    def numbers(self) -> FilesRow:
        """How many files the sample and each point have: with the provenance, this says which have which."""
        return FilesRow(len(self.sample), tuple(len(paths) for paths in self.points.values()))

    def skipped(self, found: Answer, curve: Curve | None) -> list[Skipped]:
        """The files that were left out, by their place among `paths`."""
        places = self._places
        left = {places[paths[one.file]]: one for paths, answer in self._answers(found, curve) for one in answer.skipped}
        return [replace(left[place], file=place) for place in sorted(left)]

    def whole(self, found: Answer, curve: Curve | None) -> dict[int, str]:
        """Why files were read as a whole, by their place among `paths`."""
        answers, places = self._answers(found, curve), self._places
        return {places[paths[file]]: why for paths, answer in answers for file, why in answer.whole.items()}

    @property
    def _places(self) -> dict[InputPath, int]:
        return {path: place for place, path in enumerate(self.paths)}

    def _answers(self, found: Answer, curve: Curve | None) -> list[tuple[Sequence[InputPath], Answer]]:
        """All answers with the files that they are of."""
        points = curve.points if curve else ()
        return [(self.sample, found), *((self.points[result.point], result.answer) for result in points)]


def held_against(search: Search, given: Path | None) -> dict[str, str]:
    """The published spectra and the simulated background of a search, with their sha256."""
    card = search.card
    own = {card.background_events, card.vectors}
    paths = {f"file {name}": search.folder / name for name in search_files(card) if name not in own}
    if given is not None or card.background_events is not None:
        folder = given or search.folder / str(card.background_events)
        paths |= {f"background {name}": folder / name for name in (EVENTS, RECORD)}
    return {what: sha256_file(path) for what, path in paths.items() if path.is_file()}
