"""Closure of the ABCD method in the plane of two scores, from score files."""

from __future__ import annotations

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
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.paths import InputPath
from hepad.plot.closure import plot_closure
from hepad.provenance import command_line, file_record, provenance
from hepad.stats.counts.closure import ClosurePoint, abcd_counts, closure_point

__all__ = [
    "EFFICIENCIES",
    "MIN_EVENTS",
    "ClosureOptions",
    "ClosureReport",
    "Plane",
    "abcd_closure",
    "closure_lines",
    "closure_of",
    "plane_in_file",
    "plane_of",
    "selected_plane",
]

EFFICIENCIES = tuple(round(0.005 * i, 3) for i in range(1, 11))
MIN_EVENTS = 100
"""Of each region, as in the code of arXiv:2111.06417."""

_STEP_SIZE = 1_000_000
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ClosureOptions:
    """`plane` are two scores (None: the first two of the file), `data` a score file to count at the same cuts."""

    plane: Sequence[str] | None = None
    efficiencies: Sequence[float] = EFFICIENCIES
    min_events: int = MIN_EVENTS
    data: InputPath | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Plane:
    """Scores and weights (n,) of events in a plane of two scores; `what` says whose they are, where that is told."""

    scores: tuple[str, str]
    x: FloatArray
    y: FloatArray
    weight: FloatArray
    what: str


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
    _check(options)
    if options.output is not None:
        check_folder(options.output, verb="abcd")
    plane = plane_in_file(scores, options.plane)
    data = None if options.data is None else plane_in_file(options.data, plane.scores)
    report = closure_of(plane, data, options)
    if options.output is not None:
        _write(report, scores, options, options.output)
    return report


def closure_of(plane: Plane, data: Plane | None, options: ClosureOptions) -> ClosureReport:
    """The report on a background's events, and on those of data at the same cuts; nothing is read or written."""
    _check(options)
    every = [
        closure_point(plane.x, plane.y, plane.weight, efficiency) for efficiency in sorted(set(options.efficiencies))
    ]
    points = tuple(point for point in every if point.events.min() >= options.min_events)
    if not points:
        most = max(every, key=lambda point: int(point.events.min()))
        raise InputDataError(
            f"{plane.what}: no working point has {options.min_events} events in every region; the most are "
            f"{most.events.min()}, at efficiency {most.efficiency:g}: score more events or lower --min-events"
        )
    counted: tuple[ClosurePoint, ...] = ()
    if data is not None:
        counted = tuple(abcd_counts(data.x, data.y, data.weight, point.cuts, point.efficiency) for point in points)
    left_out = tuple(point.efficiency for point in every if point.events.min() < options.min_events)
    return ClosureReport(plane.scores, points, counted, left_out)


def _check(options: ClosureOptions) -> None:
    wrong = [value for value in options.efficiencies if not 0 < value < 1]
    if wrong or not options.efficiencies:
        raise UsageError(f"efficiencies are fractions between 0 and 1, found {wrong[0] if wrong else 'none'}")


def plane_in_file(path: InputPath, plane: Sequence[str] | None) -> Plane:
    """Scores and weights of the selected events of a file."""
    with closing(ScoreFile(path)) as file:
        names = plane_of(file.scores, plane, str(path))
        columns = [f"score_{name}" for name in names]
        pieces = list(file.iterate(["selected", "weight", *columns], _STEP_SIZE))
    x, y, weight = (np.concatenate([p[name][p["selected"]] for p in pieces] or [[]]) for name in (*columns, "weight"))
    return selected_plane(names, x, y, weight, str(path))


def plane_of(known: Sequence[str], plane: Sequence[str] | None, what: str) -> tuple[str, str]:
    """The two scores of the plane asked for, by default the first two; `UsageError` unless there are two of them."""
    names = tuple(known[:2] if plane is None else plane)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise UsageError(f"{what}: has no score {unknown[0]!r}; it has {', '.join(known)}")
    if len(names) != 2 or names[0] == names[1]:
        raise UsageError(f"{what}: the plane is of two different scores, found {', '.join(names)}")
    return names[0], names[1]


def selected_plane(
    names: tuple[str, str], x: npt.NDArray[Any], y: npt.NDArray[Any], weight: npt.NDArray[Any], what: str
) -> Plane:
    """The plane of selected events (n,); `InputDataError` if there are none, or they have negative weights."""
    if not len(x):
        raise InputDataError(f"{what}: no selected events")
    if (weight < 0).any():
        raise InputDataError(f"{what}: has negative weights, of which no cuts can be made")
    return Plane(names, x.astype(np.float64), y.astype(np.float64), weight.astype(np.float64), what)


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


def closure_lines(report: ClosureReport) -> dict[str, tuple[FloatArray, FloatArray, FloatArray]]:
    """Efficiencies, ratios and errors (k,) to draw: of the background, and of the data if they have any."""
    lines = {"Background": _line(report.background)}
    if any(np.isfinite(point.ratio).all() for point in report.data):
        lines["Data at the same cuts"] = _line(report.data)
    return lines


def _line(points: Sequence[ClosurePoint]) -> tuple[FloatArray, FloatArray, FloatArray]:
    kept = [point for point in points if np.isfinite(point.ratio).all()]
    columns = [[point.efficiency for point in kept], *zip(*(point.ratio for point in kept), strict=True)]
    efficiency, ratio, error = (np.array(column, dtype=np.float64) for column in columns)
    return efficiency, ratio, error


def _write(report: ClosureReport, scores: InputPath, options: ClosureOptions, output: Path) -> None:
    figure = plot_closure(
        closure_lines(report), caption=f"ABCD in {report.scores[0]} and {report.scores[1]}", context=FigureContext()
    )
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
        (folder / "closure.json").write_text(json_text("abcd/closure.json", content, indent=2), encoding="utf-8")
        save_figure(figure, folder / "closure")
