"""The rows of a score file that belong to events: found file by file, so that any unit of events can read its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import CompanionError, InputDataError
from hepad.execution.run import Skipped
from hepad.execution.units import Stamp, stamp
from hepad.io.events import Chunk
from hepad.io.tables.scores import ScoreFile
from hepad.paths import InputPath

__all__ = ["EventScores", "ScoredInputs"]

_STEP_SIZE = 1_000_000
"""Rows of the column `file` in memory at a time."""


@dataclass(frozen=True)
class ScoredInputs:
    """The files that a score file was made of: their records, in order, as it tells them."""

    scores: InputPath
    records: tuple[Mapping[str, Any], ...]

    @classmethod
    def of(cls, scores: ScoreFile, paths: Sequence[InputPath]) -> ScoredInputs:
        """Those of a score file; `InputDataError` if they are not as many as `paths`, or not of the same sizes."""
        records = tuple(scores.info.get("provenance", {}).get("inputs", []))
        if len(records) != len(paths):
            names = ", ".join(record["name"] for record in records) or "unknown files"
            raise InputDataError(f"{scores.path}: was made from {len(records)} files ({names}), {len(paths)} are given")
        found = cls(scores.path, records)
        for place, path in enumerate(paths):
            if isinstance(path, Path):  # a server is asked when the file is read
                found._compare(place, path, "bytes", path.stat().st_size)
        return found

    @property
    def skipped(self) -> tuple[Skipped, ...]:
        """The files that were left out when the scores were made."""
        return tuple(
            Skipped(place, record["name"], record["skipped"])
            for place, record in enumerate(self.records)
            if "skipped" in record
        )

    def check(self, paths: Sequence[InputPath], records: Sequence[Mapping[str, Any]]) -> None:
        """`InputDataError` unless the files are what they were, by the records made of them now."""
        for place, path in enumerate(paths):
            self._compare(place, path, "sha256", records[place]["sha256"])

    def _compare(self, place: int, path: InputPath, what: str, now: object) -> None:
        record = self.records[place]
        if record.get(what) not in (None, now):
            raise InputDataError(f"{self.scores}: was made from {record['name']}, which is not {path} as it is now")


@dataclass(frozen=True)
class EventScores:
    """Where the rows of each file of events begin in a score file, and how many there are.

    `numbers` are the files' places in the score file; those that were left out there are not among them.
    """

    path: InputPath
    made: Stamp
    regions: tuple[str, ...]
    numbers: tuple[int, ...]
    first: tuple[int, ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, scores: ScoreFile, inputs: ScoredInputs, regions: tuple[str, ...]) -> EventScores:
        """Count the rows of each file, whose places never fall; `InputDataError` if they are not of the inputs."""
        counts = np.zeros(len(inputs.records), dtype=np.int64)
        last = 0
        for piece in scores.iterate(["file"], _STEP_SIZE):
            files = piece["file"].astype(np.int64)
            if files[0] < last or (np.diff(files) < 0).any() or files[-1] >= len(counts):
                raise InputDataError(f"{scores.path}: its rows are not in the order of its inputs; score them again")
            last = int(files[-1])
            counts += np.bincount(files, minlength=len(counts))
        out = {skipped.file for skipped in inputs.skipped}
        if counts[sorted(out)].any():
            raise InputDataError(f"{scores.path}: has rows of files that it says were left out; score them again")
        first = np.cumsum(counts) - counts
        numbers = tuple(number for number in range(len(counts)) if number not in out)
        return cls(
            scores.path,
            stamp(scores.path),
            regions,
            numbers,
            tuple(int(first[number]) for number in numbers),
            tuple(int(counts[number]) for number in numbers),
        )

    def inside(self, chunk: Chunk, keep: npt.NDArray[np.bool_]) -> dict[str, npt.NDArray[np.bool_]]:
        """For each region the mask (n,) of the n selected events of a chunk that are in it.

        `CompanionError` if the rows are not those of the events, or if others were selected.
        """
        entries = ak.to_numpy(chunk.events.index)
        rows = self._read(chunk, int(entries[0]))
        if not np.array_equal(rows["entry"], entries) or (rows["file"] != self.numbers[chunk.file]).any():
            raise self.mismatch(chunk.path)
        if not np.array_equal(rows["selected"], keep):
            raise CompanionError(
                f"{self.path}: was made with a selection that keeps other events of {chunk.path}; score with the same"
            )
        return {region: rows[f"in_{region}"][keep] for region in self.regions}

    def mismatch(self, path: InputPath) -> CompanionError:
        """The error of rows that are not those of the events of a file."""
        return CompanionError(
            f"{self.path}: its rows are not the events of {path}; score the same files in the same order"
        )

    def _read(self, chunk: Chunk, entry: int) -> dict[str, npt.NDArray[Any]]:
        columns = ["file", "entry", "selected", *(f"in_{region}" for region in self.regions)]
        stop = entry + len(chunk.events)
        if stop > self.rows[chunk.file]:
            raise self.mismatch(chunk.path)
        first = self.first[chunk.file]
        try:
            if stamp(self.path) != self.made:
                raise CompanionError(f"{self.path}: changed while it was read; run again")
            with closing(ScoreFile(self.path)) as scores:
                return scores.rows(columns, first + entry, first + stop)
        except InputDataError as error:  # no fault of the events, which are not to be left out for it
            raise CompanionError(str(error)) from error
