"""`abcd`: the background of a region from three others, of counts; and whether that closes, of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from hepad.api.limits import draw_limit, limit_rows
from hepad.api.record import Record, Row
from hepad.api.scores import ScoreRecord
from hepad.errors import InputDataError, UsageError
from hepad.pipeline.abcd import AbcdOptions, AbcdReport
from hepad.pipeline.closure import EFFICIENCIES, MIN_EVENTS, ClosureOptions, ClosureReport, Plane
from hepad.stats.counts.closure import ClosurePoint
from hepad.stats.limits.cls import Calculator, LimitResult
from hepad.stats.limits.discovery import Excess

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AbcdRecord", "ClosureRecord", "Scored", "abcd"]

Scored = ScoreRecord | Mapping[str, npt.ArrayLike] | str | Path
"""Scores of events: what `hepad.score` gives, arrays (n,) by name, or a file that `hepad score` wrote."""


@dataclass(frozen=True, repr=False)
class AbcdRecord(Record):
    """The background of region A from B, C and D, and the limit on a signal."""

    report: AbcdReport

    @property
    def predicted(self) -> tuple[float, float]:
        """B C / D and its error, in events."""
        return self.report.model.predicted

    @property
    def limit(self) -> LimitResult:
        """The limit on mu."""
        return self.report.result

    @property
    def excess(self) -> Excess | None:
        """The discovery p-value; None if A is blinded."""
        return self.report.excess

    def to_json(self) -> dict[str, Any]:
        """As `hepad abcd --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        return self.report.result.warnings

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        estimate, error = self.predicted
        rows: list[Row] = [["B C / D", f"{estimate:.4g} ± {error:.2g}"]]
        if self.excess is not None:
            rows.append(["p0 (Z)", " ".join(self.excess.words())])
        return (
            "ABCD",
            ["quantity", "value"],
            [*rows, *([f"mu, {what}", value] for what, value in limit_rows(self.limit))],
        )

    def _draw(self, ax: Axes) -> None:
        draw_limit(self.report.result, ax)


@dataclass(frozen=True, repr=False)
class ClosureRecord(Record):
    """A against B C / D of a background in the plane of two scores, at cuts of given efficiencies."""

    report: ClosureReport

    @property
    def points(self) -> tuple[ClosurePoint, ...]:
        """`point.efficiency`, `point.cuts`, `point.counts` of A to D, `point.predicted`, `point.ratio` and so on."""
        return self.report.background

    @property
    def data(self) -> tuple[ClosurePoint, ...]:
        """What the data have at the same cuts."""
        return self.report.data

    @property
    def nonclosure(self) -> float:
        """The largest difference of a ratio from 1, or its error where that is larger: `nonclosure` of `abcd`."""
        return self.report.nonclosure

    def to_json(self) -> dict[str, Any]:
        """As `hepad abcd --scores --json`."""
        return self.report.to_json()

    def _remarks(self) -> Sequence[str]:
        left_out = ", ".join(f"{value:g}" for value in self.report.left_out)
        return [f"too few events in a region at efficiency {left_out}"] if left_out else []

    def _table(self) -> tuple[str, Row, Sequence[Row]]:
        rows = [
            [f"{p.efficiency:g}", *(f"{n:.6g}" for n in p.counts), "{:.3f} ± {:.3f}".format(*p.ratio)]
            for p in self.points
        ]
        title = f"ABCD in {self.report.scores[0]} and {self.report.scores[1]}"
        return title, ["efficiency", "A", "B", "C", "D", "A D / (B C)"], rows

    def _draw(self, ax: Axes) -> None:
        from hepad.pipeline.closure import closure_lines
        from hepad.plot.closure import plot_closure

        plot_closure(closure_lines(self.report), caption=self._table()[0], ax=ax)


@overload
def abcd(
    counts: Sequence[float | None],
    *,
    signal: Sequence[float] | None = None,
    nonclosure: float = 0.0,
    calculator: Calculator = "auto",
    toys: int = 0,
    seed: int = 0,
) -> AbcdRecord: ...
@overload
def abcd(
    *,
    scores: Scored,
    plane: Sequence[str] | None = None,
    efficiencies: Sequence[float] = EFFICIENCIES,
    min_events: int = MIN_EVENTS,
    data: Scored | None = None,
) -> ClosureRecord: ...
def abcd(
    counts: Sequence[float | None] | None = None,
    *,
    signal: Sequence[float] | None = None,
    nonclosure: float = 0.0,
    calculator: Calculator = "auto",
    toys: int = 0,
    seed: int = 0,
    scores: Scored | None = None,
    plane: Sequence[str] | None = None,
    efficiencies: Sequence[float] = EFFICIENCIES,
    min_events: int = MIN_EVENTS,
    data: Scored | None = None,
) -> AbcdRecord | ClosureRecord:
    """Estimate the background of region A as B C / D in one likelihood, with non-closure and signal everywhere.

    `counts` are the events in A, B, C, D; that of A may be None: blinded. `signal` are the events of a signal there at
    mu = 1 (None: one in A), `nonclosure` is the relative error of A = B C / D; `calculator` and `toys` as in
    `hepad.limit`.

    With `scores` in place of counts: does it close on this background? They are what `hepad.score` gives, arrays (n,)
    by name (an array "weight" among them; an event with a NaN is not selected), or a file that `hepad score` wrote;
    `plane` names two of them, by default the first two. Both are cut at the same efficiency, so that one of the
    `efficiencies` is left in A, if every region has at least `min_events`; `data` are counted at the same cuts.

    `UsageError` unless there are four numbers, or for scores that are not there; `InputDataError` if a number is
    negative or not finite, or no working point has enough events.

    >>> import hepad, numpy as np
    >>> found = hepad.abcd([35, 100, 80, 400], calculator="asymptotic")
    >>> tuple(round(x, 1) for x in found.predicted)
    (20.0, 3.2)
    >>> one, other = np.random.default_rng(1).exponential(size=(2, 50_000))  # independent: it closes
    >>> found = hepad.abcd(scores={"one": one, "other": other}, efficiencies=[0.02, 0.05])
    >>> [abs(point.pull) < 3 for point in found.points], found.nonclosure < 0.2
    ([True, True], True)
    """
    if (counts is None) == (scores is None):
        raise UsageError("give counts of A, B, C and D, or scores to test the closure")
    if scores is not None:
        return _closure(scores, data, ClosureOptions(plane=plane, efficiencies=efficiencies, min_events=min_events))
    from hepad.pipeline.abcd import abcd as run

    options = AbcdOptions(nonclosure=nonclosure, signal=signal, calculator=calculator, toys=toys, seed=seed)
    return AbcdRecord(run(counts or (), options=options))


def _closure(scores: Scored, data: Scored | None, options: ClosureOptions) -> ClosureRecord:
    from hepad.pipeline.closure import closure_of

    plane = _plane(scores, options.plane, "scores")
    others = None if data is None else _plane(data, plane.scores, "data")
    return ClosureRecord(closure_of(plane, others, options))


def _plane(given: Scored, wanted: Sequence[str] | None, what: str) -> Plane:
    from hepad.pipeline.closure import plane_in_file, plane_of, selected_plane

    if isinstance(given, str | Path):
        from hepad.io.remote.path import input_path

        return plane_in_file(input_path(str(given)), wanted)
    if isinstance(given, ScoreRecord):
        given = {**given.scores, "weight": np.where(given.selected, given.weight, np.nan)}
    arrays = {name: np.asarray(values) for name, values in given.items()}
    names = plane_of([name for name in arrays if name != "weight"], wanted, what)
    x, y = arrays[names[0]], arrays[names[1]]
    weight = np.asarray(arrays.get("weight", np.ones(x.shape)))
    if x.ndim != 1 or not x.shape == y.shape == weight.shape:
        raise InputDataError(f"{what}: arrays of one length are needed, found {x.shape}, {y.shape} and {weight.shape}")
    keep = np.isfinite(x) & np.isfinite(y) & np.isfinite(weight)
    return selected_plane(names, x[keep], y[keep], weight[keep], what)
