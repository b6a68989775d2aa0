"""Several mass points of one model: their limits against their cross sections, and the masses that are excluded."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hepad.errors import InputDataError, UsageError
from hepad.io.remote.urls import is_url
from hepad.io.text import check_regular
from hepad.pipeline.reinterpret.answer import Answer
from hepad.pipeline.reinterpret.reasons import Cause
from hepad.pipeline.reinterpret.rows import CurveVerdictRow
from hepad.pipeline.reinterpret.words import gev, mass_ranges
from hepad.stats.limits.exclusion import Excluded, exclusion

__all__ = ["Curve", "Point", "PointResult", "in_order", "measure_points", "parse_point", "read_points"]

_HEADER = ("mass_gev", "file", "cross_section_pb")


@dataclass(frozen=True)
class Point:
    """A mass in GeV, the file (or glob) of its sample, and its cross section in pb, None for the file's own."""

    mass_gev: float
    file: str
    cross_section_pb: float | None = None

    def words(self) -> str:
        """The option `--point` in its normal form, without folders."""
        section = "" if self.cross_section_pb is None else f"@{self.cross_section_pb!r}"
        return f"{self.mass_gev!r}={Path(self.file).name}{section}"


@dataclass(frozen=True)
class PointResult:
    """A point and the answer for it."""

    point: Point
    answer: Answer

    @property
    def expected_pb(self) -> list[float] | None:
        """The combined expected limits in pb for -2 to 2 standard deviations."""
        limits = self.answer.limits
        if limits is None or limits.combined.result is None:
            return None
        return [float(v) * limits.inputs.yields.reference_pb for v in limits.combined.result.expected]

    @property
    def observed_pb(self) -> float | None:
        """The combined observed limit in pb."""
        limits = self.answer.limits
        if limits is None or limits.combined.result is None or limits.combined.result.observed is None:
            return None
        return limits.combined.result.observed * limits.inputs.yields.reference_pb


@dataclass(frozen=True)
class Curve:
    """Points in rising mass, and the masses excluded by the expected and, where all have one, the observed limit."""

    points: tuple[PointResult, ...]
    excluded_expected: tuple[Excluded, ...]
    excluded_observed: tuple[Excluded, ...] | None

    def verdict(self) -> CurveVerdictRow:
        """Which masses are excluded, in the form of the verdict on one sample, with the ranges in GeV."""
        if all(point.expected_pb is None for point in self.points):
            last = self.points[-1].answer.conclusion.row()
            reason = f"no mass has a limit; at {gev(self.points[-1].point.mass_gev)} GeV: {last.reason}"
            return CurveVerdictRow(**vars(replace(last, cross_section_pb=None, reason=reason)), ranges_gev=())
        span = f"{gev(self.points[0].point.mass_gev)} to {gev(self.points[-1].point.mass_gev)} GeV"
        basis, cause = "observed", None
        found = self.excluded_observed or ()
        if self.excluded_observed is None:
            basis, cause, found = "expected", Cause.NO_DATA.value, self.excluded_expected
            masses = mass_ranges(found) or f"no mass from {span}"
            reason = f"{masses} expected to be excluded, but without data nothing can be"
            status = "cannot say"
        elif found:
            status, reason = "excluded", f"{mass_ranges(found)} (observed)"
        else:
            status, reason = "not excluded", f"no mass from {span} (observed)"
        return CurveVerdictRow(status, basis, None, None, None, reason, cause, None, None, None, found)

    def warnings(self, others: Sequence[str] = ()) -> list[str]:
        """The warnings of all points with their masses, those that all have without; first `others`."""
        masses: dict[str, list[str]] = {text: [] for text in others}
        for point in self.points:
            for text in point.answer.warnings:
                masses.setdefault(text, []).append(gev(point.point.mass_gev))
        n = len(self.points)
        return [text if len(at) in {0, n} else f"at {', '.join(at)} GeV: {text}" for text, at in masses.items()]


def parse_point(text: str) -> Point:
    """A point given as `MASS=FILE` or `MASS=FILE@XSEC`; `UsageError` for another form."""
    mass, equals, rest = text.partition("=")
    file, at, section = rest.rpartition("@")
    if not at or _number(section) is None:
        file, section = rest, ""
    value = _number(mass)
    if not (equals and file) or value is None or value <= 0:
        raise UsageError(f"--point {text!r}: write MASS=FILE or MASS=FILE@XSEC, with a mass in GeV and pb")
    if file == "-":
        raise UsageError(f"--point {text!r}: name the file of the sample or, as a glob, its files; not those on stdin")
    return Point(value, file, _number(section) if section else None)


def read_points(path: Path) -> list[Point]:
    """Points of a CSV with the header `mass_gev,file,cross_section_pb`; files are relative to its folder, or URLs.

    An empty cross section is that which the file states. `InputDataError` names the line at fault.
    """
    check_regular(path)
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [(i, [cell.strip() for cell in row]) for i, row in enumerate(csv.reader(stream), start=1) if row]
    except (OSError, UnicodeDecodeError) as error:
        raise InputDataError(f"{path}: cannot be read ({error})") from error
    if not rows or tuple(rows[0][1]) != _HEADER:
        raise InputDataError(f"{path}: the first line must be {','.join(_HEADER)}")
    points = []
    for number, row in rows[1:]:
        mass = _number(row[0])
        section = _number(row[2]) if len(row) == 3 and row[2] else None
        if len(row) != 3 or mass is None or mass <= 0 or not row[1] or (row[2] and section is None):
            raise InputDataError(f"{path}, line {number}: expected a mass in GeV, a file and a cross section in pb")
        points.append(Point(mass, row[1] if is_url(row[1]) else str(path.parent / row[1]), section))
    return points


def in_order(points: Sequence[Point]) -> list[Point]:
    """The points in rising mass; `UsageError` if a mass is there twice."""
    ordered = sorted(points, key=lambda point: point.mass_gev)
    if len({point.mass_gev for point in ordered}) < len(ordered):
        raise UsageError("two points have the same mass; give all files of one point as a glob")
    return ordered


def measure_points(points: Sequence[Point], ask: Callable[[Point], Answer]) -> Curve:
    """The curve of the answers for points in rising mass; `UsageError` if one has no cross section."""
    ordered = in_order(points)
    masses = [point.mass_gev for point in ordered]
    results = [PointResult(point, ask(point)) for point in ordered]
    sections = [result.answer.cross_section_pb for result in results]
    missing = [f"{point.mass_gev:g}" for point, section in zip(ordered, sections, strict=True) if section is None]
    if missing:
        raise UsageError(f"the points at {', '.join(missing)} GeV have no cross section: write MASS=FILE@XSEC")
    known = [section for section in sections if section is not None]
    expected = [None if r.expected_pb is None else r.expected_pb[2] for r in results]
    observed = [r.observed_pb for r in results]
    return Curve(
        tuple(results),
        exclusion(masses, known, expected),
        None if all(value is None for value in observed) else exclusion(masses, known, observed),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
