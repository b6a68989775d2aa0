"""Look at a file: its format, entries, objects, and which bundled selections can run on it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from typing import Any

from hepad.cards.resolver import bundled_names
from hepad.cards.selection import load_selection
from hepad.errors import InputDataError
from hepad.io.events import SCALARS, EventFile, Fields, SampleInfo
from hepad.io.reader import open_events
from hepad.io.tables.scores import ScoreFile
from hepad.paths import InputPath

__all__ = ["FileReport", "ObjectsFound", "inspect_file"]

_SAMPLE = 10_000


@dataclass(frozen=True)
class ObjectsFound:
    """One collection: its properties, and the mean number an event in the first events."""

    features: tuple[str, ...]
    mean_count: float | None


@dataclass(frozen=True)
class FileReport:
    """What is in a file. `selections` maps a bundled selection to what it lacks: nothing if it can run.

    `others` are branches that hold collections of a kind beside the usual one, for the key `collections` of selections;
    `triggers` the names of the bits of a trigger, `labels` what events may have been simulated as.
    """

    path: InputPath
    format: str
    entries: int
    objects: dict[str, ObjectsFound] = field(default_factory=dict)
    selections: dict[str, tuple[str, ...]] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    model: str | None = None
    sample: SampleInfo = field(default_factory=SampleInfo)
    others: dict[str, tuple[str, ...]] = field(default_factory=dict)
    triggers: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The report in JSON types."""
        return {
            "file": str(self.path),
            "format": self.format,
            "entries": self.entries,
            "objects": {n: {"features": list(o.features), "mean_count": o.mean_count} for n, o in self.objects.items()},
            "selections": {n: {"runs": not lacks, "lacks": list(lacks)} for n, lacks in self.selections.items()},
            "regions": list(self.regions),
            "model": self.model,
            "sample": asdict(self.sample),
            "others": {name: list(branches) for name, branches in self.others.items()},
            "triggers": list(self.triggers),
            "labels": list(self.labels),
        }


def inspect_file(path: InputPath) -> FileReport:
    """Report on one event file, or on a score file that hepad wrote."""
    try:
        source = open_events(path)
    except InputDataError:
        scores = _score_file(path)
        if scores is None:
            raise
        return scores
    with closing(source):
        available = source.available()
        counts = _mean_counts(source, available)
        return FileReport(
            path,
            source.format,
            source.entries,
            {name: ObjectsFound(tuple(sorted(f)), counts[name]) for name, f in available.items()},
            {name: _lacks(load_selection(name).fields(), available) for name in bundled_names("selections")},
            sample=source.sample(),
            others=getattr(source, "others", {}),
            triggers=getattr(source, "triggers", ()),
            labels=getattr(source, "labels", ()),
        )


def _score_file(path: InputPath) -> FileReport | None:
    try:
        scores = ScoreFile(path)
    except InputDataError:
        return None
    with closing(scores):
        return FileReport(path, "hepad scores", scores.entries, regions=scores.regions, model=scores.info.get("model"))


def _lacks(needed: Fields, available: Fields) -> tuple[str, ...]:
    return tuple(
        f"{name}.{f}" for name, features in needed.items() for f in sorted(features - available.get(name, set()))
    )


def _mean_counts(source: EventFile, names: Iterable[str]) -> dict[str, float | None]:
    """Mean number of objects an event in the first events; None for quantities that every event has once."""
    jagged = [name for name in names if name != "met" and name not in SCALARS]
    counts: dict[str, float | None] = dict.fromkeys(names)
    if source.entries == 0 or not jagged:
        return counts
    import awkward as ak

    stop = min(getattr(source, "preview", _SAMPLE), source.entries)
    sample = next(source.iterate({name: {"pt"} for name in jagged}, step_size=stop, stop=stop))
    return {**counts, **{name: float(ak.mean(ak.num(sample[name]))) for name in jagged}}
