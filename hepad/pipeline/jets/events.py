"""Scores of events from those of their jets: of the least or the most anomalous one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hepad.errors import HepadError, InputDataError
from hepad.io.reader import open_root
from hepad.io.root.ntuple import open_table
from hepad.io.tables.scores import ScoreFile, ScoreWriter, check_format
from hepad.output.atomic import atomic_path, check_file
from hepad.pipeline.jets.run import EVENTS, PROVENANCE, TREE
from hepad.provenance import command_line, file_record, provenance

__all__ = ["EventScore", "EventScoresReport", "check_made_of", "combine_scores"]

EventScore = Literal["min", "max"]

_ALL = {"schema": "selection/1", "name": "all_events", "title": "All events", "reference": "none"}


@dataclass(frozen=True)
class EventScoresReport:
    """What `combine_scores` wrote: a row for each of `events`, of which `scored` have a jet with a score."""

    output: Path
    events: int
    scored: int

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {"events": self.events, "scored": self.scored, "output": str(self.output)}


def combine_scores(
    jets: Path, scores: Path, output: Path, *, how: EventScore, kind: str | None = None
) -> EventScoresReport:
    """Write the scores of the events that jets were made of, as a score file of these event files.

    `jets` is what `make_jets` wrote, `scores` what `hepad score` made of it. Each score of an event is the least
    (`min`) or greatest of those of its jets that were selected; it is in a region if all of them are, or one is: the
    same thresholds hold. An event without such a jet is not selected. `InputDataError` if the files do not belong
    together.
    """
    check_file(output, verb="jets", inputs=[jets, scores])
    form = check_format(kind, output)
    file, entry, weight, own, made = _events_of(jets)
    with closing(ScoreFile(scores)) as source:
        record = check_made_of(source, scores, jets, len(own))
        names = [f"score_{name}" for name in source.scores]
        flags = [f"in_{region}" for region in source.regions]
        rows = source.rows(["selected", "score", *names, *flags], 0, source.entries)
        told = {"model": source.info.get("model"), "regions": source.info.get("regions", {})}
    kept = rows["selected"].astype(bool)
    counts = np.bincount(own[kept], minlength=len(file))
    columns: dict[str, npt.NDArray[Any]] = {"file": file, "entry": entry, "selected": counts > 0, "weight": weight}
    for name in ("score", *names):
        columns[name] = _extreme(rows[name][kept], own[kept], counts, how)
    for flag in flags:
        inside = np.bincount(own[kept], weights=rows[flag][kept], minlength=len(file))
        columns[flag] = (counts > 0) & (inside >= (counts if how == "min" else 1))
    command = command_line("jets", event_score=how)
    info = {
        **told,
        "selection": _ALL,
        "max_events": made.get("max_events"),
        "event_score": how,
        "made_of": [record, file_record(scores)],
        "provenance": provenance(command, inputs=made["provenance"]["inputs"]),
    }
    with atomic_path(output, verb="jets") as temporary, ScoreWriter(temporary, form) as out:
        out.write(columns)
        out.describe(info)
    return EventScoresReport(output, len(file), int((counts > 0).sum()))


def check_made_of(source: ScoreFile, scores: Path, jets: Path, entries: int) -> dict[str, Any]:
    """The record of a file of so many jets; `InputDataError` if the scores are not those of that file alone."""
    record = file_record(jets)
    inputs = source.info.get("provenance", {}).get("inputs", [])
    if [one.get("sha256") for one in inputs] != [record["sha256"]] or source.entries != entries:
        raise InputDataError(f"{scores}: was not made from {jets} alone, as it is now; score that file")
    return record


def _events_of(jets: Path) -> tuple[Any, Any, Any, npt.NDArray[np.int64], Mapping[str, Any]]:
    """File, entry and weight of all events, the place among these of each jet's event, and what the file says."""
    with closing(open_root(jets)) as source:
        try:
            info = json.loads(str(source[PROVENANCE]))
            events = open_table(source, EVENTS).arrays(["file", "entry", "weight"], library="np")
            of_jets = open_table(source, TREE).arrays(["event_file", "event_entry"], library="np")
        except HepadError:
            raise
        except Exception as error:  # uproot's are of many kinds
            raise InputDataError(
                f"{jets}: does not say of which events its jets are; 'hepad jets' writes that"
            ) from error
    file, entry = events["file"], events["entry"]
    first = np.searchsorted(file, of_jets["event_file"])
    own = first + of_jets["event_entry"]
    if len(own) and (own.max() >= len(file) or (entry[own] != of_jets["event_entry"]).any()):
        raise InputDataError(f"{jets}: its jets are of events that it does not list; make it again with 'hepad jets'")
    return file, entry, events["weight"], own.astype(np.int64), info


def _extreme(
    values: npt.NDArray[np.float32], own: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], how: EventScore
) -> npt.NDArray[np.float32]:
    """The least or greatest value of each event, NaN for those of none."""
    found = np.full(len(counts), np.inf if how == "min" else -np.inf, dtype=np.float32)
    (np.minimum if how == "min" else np.maximum).at(found, own, values)
    found[counts == 0] = np.nan
    return found
