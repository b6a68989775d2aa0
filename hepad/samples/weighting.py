"""Event weights in pb: what each event of simulated samples of known cross sections stands for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.execution.run import FilePart
from hepad.io.remote.urls import is_url, shown
from hepad.paths import InputPath

__all__ = ["CrossSections", "PbWeights", "parse_cross_section", "row_factors"]

FloatArray = npt.NDArray[np.float64]


def parse_cross_section(text: str) -> tuple[str, float]:
    """File or pattern, and cross section in pb, of `FILE_OR_GLOB=PB`; `UsageError` if it is not that."""
    pattern, _, number = text.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not pattern or not (math.isfinite(value) and value > 0):
        raise UsageError(f"--cross-section {text!r}: write FILE_OR_GLOB=PB with a positive number of pb")
    return pattern, value


@dataclass(frozen=True)
class CrossSections:
    """Samples and their cross sections in pb; `sample[i]` is the place of the sample that file i belongs to.

    `names` are the patterns without folders, for provenance.
    """

    names: tuple[str, ...]
    pb: tuple[float, ...]
    sample: tuple[int, ...]

    @classmethod
    def of(cls, given: Sequence[tuple[str, float]], paths: Sequence[InputPath]) -> CrossSections:
        """Match files with the patterns of samples, by their path or name; the files of one pattern are one sample.

        `UsageError` unless every file is matched by one pattern, and every pattern matches a file.
        """
        given = [(shown(pattern) if is_url(pattern) else pattern, pb) for pattern, pb in given]
        sample = []
        for path in paths:
            found = [i for i, (pattern, _) in enumerate(given) if _matches(path, pattern)]
            if len(found) != 1:
                said = " and ".join(repr(given[i][0]) for i in found) or "none"
                raise UsageError(f"--cross-section: {path} needs one cross section in pb, found {said}")
            sample.append(found[0])
        for i, (pattern, _) in enumerate(given):
            if i not in sample:
                raise UsageError(f"--cross-section {pattern!r} matches none of the files")
        return cls(tuple(Path(p).name for p, _ in given), tuple(pb for _, pb in given), tuple(sample))

    def words(self) -> tuple[str, ...]:
        """The options in their normal form, without folders."""
        return tuple(f"{name}={pb!r}" for name, pb in zip(self.names, self.pb, strict=True))


class PbWeights:
    """Adds up the weights of all events of each sample, chunk by chunk, and from them gets weights in pb.

    The weight of an event becomes its own, divided by the sum over all events of its sample, before any selection,
    times the cross section. Events that were not read count for nothing: the rest stands for the whole sample.
    """

    def __init__(self, sections: CrossSections) -> None:
        self._sections = sections
        self._sums = np.zeros(len(sections.pb))

    def add(self, file: int, weight: float) -> None:
        """Count the sum of weights of events of a file, selected or not."""
        self._sums[self._sections.sample[file]] += weight

    def factors(self) -> FloatArray:
        """What the weights of each file's events are to be multiplied with, shape (files,), once all were added.

        `InputDataError` if the weights of a sample do not sum to a positive number, or none of its events were read.
        """
        for name, total in zip(self._sections.names, self._sums, strict=True):
            if not (math.isfinite(total) and total > 0):
                raise InputDataError(f"sample {name}: the weights of its events that were read sum to {total:g}")
        per_sample = np.array(self._sections.pb) / self._sums
        return per_sample[list(self._sections.sample)]


def row_factors(pieces: Sequence[FilePart], files: int, cross_sections: CrossSections | None) -> FloatArray:
    """What the column `weight` of pieces, joined, is to be multiplied with: to be in pb, 1 without cross sections.

    `pieces` are all of a run over so many files, their cut flow `all` counts the events before any selection.
    """
    factors = np.ones(files)
    if cross_sections:
        in_pb = PbWeights(cross_sections)
        for piece in pieces:
            in_pb.add(piece.file, piece.part.flows["all"].total.weight)
        factors = in_pb.factors()
    return np.repeat([factors[piece.file] for piece in pieces], [len(p.part.columns["weight"]) for p in pieces])


def _matches(path: InputPath, pattern: str) -> bool:
    return str(path) == pattern or fnmatchcase(str(path), pattern) or fnmatchcase(path.name, pattern)
