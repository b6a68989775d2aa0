"""Closure of the ABCD method in the plane of two scores, from score files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.io.tables.scores import ScoreFile
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figures import save_figure
from hepad.paths import InputPath
from hepad.plot.closure import plot_closure
from hepad.provenance import command_line, file_record, provenance
from hepad.stats.counts.closure import ClosurePoint, abcd_counts, closure_point

__all__ = ["EFFICIENCIES", "MIN_EVENTS", "ClosureOptions", "ClosureReport", "abcd_closure"]

EFFICIENCIES = tuple(round(0.005 * i, 3) for i in range(1, 11))
MIN_EVENTS = 100
"""Of each region, as in the code of arXiv:2111.06417."""

_STEP_SIZE = 1_000_000
FloatArray = npt.NDArray[np.float64]
_Events = tuple[FloatArray, FloatArray, FloatArray]


@dataclass(frozen=True, kw_only=True)
class ClosureOptions:
    """`plane` are two scores (None: the first two of the file), `data` a score file to count at the same cuts."""

    plane: Sequence[str] | None = None
    efficiencies: Sequence[float] = EFFICIENCIES
    min_events: int = MIN_EVENTS
    data: InputPath | None = None
    output: Path | None = None


@dataclass(frozen=True)
class ClosureReport:
    """The working points of the background that have enough events, and what `data` have there."""

    scores: tuple[str, str]
    background: tuple[ClosurePoint, ...]
    data: tuple[ClosurePoint, ...]
    left_out: tuple[float, ...]

    @property
    def nonclosure(self) -> float:
        """The largest difference of a background's ratio from 1, or its error where that is larger."""
        return max(max(abs(ratio - 1), error) for ratio, error in (point.ratio for point in self.background))

    def to_json(self) -> dict[str, Any]:
        """Plain values; what an empty region leaves undefined is null."""
        return {
            "scores": list(self.scores),
            "background": [_plain(point) for point in self.background],
            "data": [_plain(point) for point in self.data],
            "efficiencies_left_out": list(self.left_out),
            "nonclosure": self.nonclosure,
        }


def abcd_closure(scores: InputPath, *, options: ClosureOptions | None = None) -> ClosureReport:
    """A against B C / D of a background whose scores `hepad score` wrote, at cuts of given background efficiencies.

    `UsageError` for scores that the file does not have or efficiencies beyond 0 and 1; `InputDataError` if no
    working point has enough events in every region. With `options.output` a folder with closure.json and the figure
    is written.
    """
    options = options or ClosureOptions()
    wrong = [value for value in options.efficiencies if not 0 < value < 1]
    if wrong or not options.efficiencies:
        raise UsageError(f"efficiencies are fractions between 0 and 1, found {wrong[0] if wrong else 'none'}")
    if options.output is not None:
        check_folder(options.output, verb="abcd")
    plane, events = _events(scores, options.plane)
    every = [closure_point(*events, efficiency) for efficiency in sorted(set(options.efficiencies))]
    points = tuple(point for point in every if point.events.min() >= options.min_events)
    if not points:
        most = max(every, key=lambda point: int(point.events.min()))
        raise InputDataError(
            f"{scores}: no working point has {options.min_events} events in every region; the most are "
            f"{most.events.min()}, at efficiency {most.efficiency:g}: score more events or lower --min-events"
        )
    data: tuple[ClosurePoint, ...] = ()
    if options.data is not None:
        _, counted = _events(options.data, plane)
        data = tuple(abcd_counts(*counted, point.cuts, point.efficiency) for point in points)
    left_out = tuple(point.efficiency for point in every if point.events.min() < options.min_events)
    report = ClosureReport(plane, points, data, left_out)
    if options.output is not None:
        _write(report, scores, options, options.output)
    return report


def _events(
    path: InputPath, plane: Sequence[str] | None
) -> tuple[tuple[str, str], tuple[FloatArray, FloatArray, FloatArray]]:
    """The two scores' names, and scores and weights (n,) of the selected events."""
    with closing(ScoreFile(path)) as file:
        known = file.scores
        names = tuple(known[:2] if plane is None else plane)
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(f"{path}: has no score {unknown[0]!r}; it has {', '.join(known)}")
        if len(set(names)) != 2:
            raise UsageError(f"{path}: the plane is of two different scores, found {', '.join(names)}")
        columns = [f"score_{name}" for name in names]
        pieces = list(file.iterate(["selected", "weight", *columns], _STEP_SIZE))
    parts = [np.concatenate([p[name][p["selected"]] for p in pieces] or [[]]) for name in (*columns, "weight")]
    if not len(parts[0]):
        raise InputDataError(f"{path}: no selected events")
    if (parts[2] < 0).any():
        raise InputDataError(f"{path}: has negative weights, of which no cuts can be made")
    x, y, weight = (part.astype(np.float64) for part in parts)
    return (names[0], names[1]), (x, y, weight)


def _plain(point: ClosurePoint) -> dict[str, Any]:
    (predicted, predicted_error), (ratio, error) = point.predicted, point.ratio
    values = {
        "predicted": predicted,
        "predicted_error": predicted_error,
        "ratio": ratio,
        "ratio_error": error,
        "pull": point.pull,
    }
    return {
        "efficiency": point.efficiency,
        "cuts": list(point.cuts),
        "counts": dict(zip("ABCD", point.counts.tolist(), strict=True)),
        "events": dict(zip("ABCD", point.events.tolist(), strict=True)),
        **{name: float(value) if np.isfinite(value) else None for name, value in values.items()},
    }


def _line(points: Sequence[ClosurePoint]) -> tuple[FloatArray, FloatArray, FloatArray]:
    kept = [point for point in points if np.isfinite(point.ratio).all()]
    columns = [[point.efficiency for point in kept], *zip(*(point.ratio for point in kept), strict=True)]
    efficiency, ratio, error = (np.array(column, dtype=np.float64) for column in columns)
    return efficiency, ratio, error


def _write(report: ClosureReport, scores: InputPath, options: ClosureOptions, output: Path) -> None:
    lines = {"Background": _line(report.background)}
    if any(np.isfinite(point.ratio).all() for point in report.data):
        lines["Data at the same cuts"] = _line(report.data)
    figure = plot_closure(lines, caption=f"ABCD in {report.scores[0]} and {report.scores[1]}")
    inputs = [path for path in (scores, options.data) if path is not None]
    command = command_line(
        "abcd",
        scores=scores.name,
        plane=",".join(report.scores),
        efficiency=tuple(f"{value:g}" for value in options.efficiencies),
        min_events=options.min_events,
        data=None if options.data is None else options.data.name,
    )
    with atomic_folder(output, verb="abcd") as folder:
        record = provenance(command, inputs=[file_record(path) for path in inputs])
        content = {**report.to_json(), "provenance": record}
        (folder / "closure.json").write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
        save_figure(figure, folder / "closure")
