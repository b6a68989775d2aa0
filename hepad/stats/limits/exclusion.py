"""From limits to an answer: published limits, excluded masses, and the verdict on a cross section."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.stats.limits.limits import LimitResult

__all__ = ["Excluded", "PublishedLimit", "PublishedLimits", "Verdict", "exclusion", "read_published_limits", "verdict"]

FloatArray = npt.NDArray[np.float64]

GAUSSIAN_NOTE = (
    "limits on Gaussian signals are on cross section x branching fraction x acceptance: "
    "compare the cross section times the fraction of events in the peak of the spectrum"
)
_COLUMNS = ("width", "mass_gev", "observed_pb", "expected_pb")
_SAME = 1e-9


@dataclass(frozen=True)
class PublishedLimit:
    """Published limits on cross section x branching fraction x acceptance, in pb; None where not published."""

    observed_pb: float | None
    expected_pb: float | None
    note: str = GAUSSIAN_NOTE


@dataclass(frozen=True)
class PublishedLimits:
    """A table of 95 % CL limits on Gaussian signals: relative width, mass in GeV, observed and expected limit in pb.

    All (n,); NaN where a limit is not published. Each pair of width and mass occurs once.
    """

    widths: FloatArray
    masses: FloatArray
    observed_pb: FloatArray
    expected_pb: FloatArray

    def __post_init__(self) -> None:
        pairs = list(zip(self.widths.tolist(), self.masses.tolist(), strict=True))
        if not pairs or len(set(pairs)) != len(pairs):
            raise InputDataError("a table of limits needs rows, each pair of width and mass once")
        if np.any(self.widths < 0) or np.any(self.masses <= 0):
            raise InputDataError("widths must not be negative and masses must be above zero")
        if np.any(self.observed_pb <= 0) or np.any(self.expected_pb <= 0):
            raise InputDataError("limits must be above zero; leave unpublished ones empty")

    def at(self, mass: float, width: float) -> PublishedLimit | None:
        """The limits at a mass in GeV and relative width; None outside the table.

        The logarithm of the limit is interpolated linearly in the mass, then in the width.
        """
        observed = self._at(self.observed_pb, mass, width)
        expected = self._at(self.expected_pb, mass, width)
        return None if observed is None and expected is None else PublishedLimit(observed, expected)

    def _at(self, values: FloatArray, mass: float, width: float) -> float | None:
        known = np.isfinite(values)
        widths = np.unique(self.widths[known])
        if len(widths) == 0 or not widths[0] - _SAME <= width <= widths[-1] + _SAME:
            return None
        above = min(int(np.searchsorted(widths, width - _SAME)), len(widths) - 1)
        nearest = [above] if abs(widths[above] - width) <= _SAME else [above - 1, above]
        logs = []
        for at_width in widths[nearest]:
            line = np.flatnonzero(known & (self.widths == at_width))
            line = line[np.argsort(self.masses[line])]
            grid = self.masses[line]
            if not grid[0] * (1 - _SAME) <= mass <= grid[-1] * (1 + _SAME):
                return None
            logs.append(np.interp(mass, grid, np.log(values[line])))
        return float(np.exp(np.interp(width, widths[nearest], logs)))


def read_published_limits(path: Path) -> PublishedLimits:
    """Read a CSV table with the header `width,mass_gev,observed_pb,expected_pb`; empty cells are not published.

    Lines that begin with # are comments. `InputDataError` names the file and the line that cannot be read.
    """
    try:
        with path.open(newline="", encoding="utf-8") as source:
            lines = [(i, line) for i, line in enumerate(source, 1) if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise InputDataError(f"{path}: cannot be read ({error})") from error
    rows = csv.reader(line for _, line in lines)
    header = tuple(cell.strip() for cell in next(rows, []))
    if header != _COLUMNS:
        raise InputDataError(f"{path}: the header must be {','.join(_COLUMNS)}, not {','.join(header) or 'nothing'!r}")
    values = []
    for (number, _), row in zip(lines[1:], rows, strict=True):
        try:
            width, mass, *limits = (float(cell) if cell.strip() else np.nan for cell in row)
            observed, expected = limits
        except ValueError as error:
            raise InputDataError(f"{path}, line {number}: expected four numbers, found {','.join(row)!r}") from error
        if not np.isfinite(width) or not np.isfinite(mass):
            raise InputDataError(f"{path}, line {number}: width and mass must be finite numbers")
        values.append((width, mass, observed, expected))
    try:
        return PublishedLimits(*np.array(values, dtype=np.float64).reshape(-1, 4).T)
    except InputDataError as error:
        raise InputDataError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Excluded:
    """Excluded masses in GeV; `from_start` and `to_end` say that the exclusion may go on beyond the masses tested."""

    low: float
    high: float
    from_start: bool
    to_end: bool


def exclusion(
    masses: Sequence[float], cross_sections: Sequence[float], limits: Sequence[float | None]
) -> tuple[Excluded, ...]:
    """Where the theory's cross section lies above the limit, in pb, at masses in GeV that rise.

    Both curves are straight lines in the logarithms of mass and cross section between their points. A mass without a
    limit (None) interrupts them: nothing is said between its neighbours.
    """
    if not len(masses) == len(cross_sections) == len(limits):
        raise UsageError("masses, cross sections and limits must have one length")
    if any(b <= a for a, b in pairwise(masses)) or any(mass <= 0 for mass in masses):
        raise UsageError("masses must be above zero and rise")
    if any(value <= 0 for value in cross_sections) or any(value is not None and value <= 0 for value in limits):
        raise UsageError("cross sections and limits must be above zero")
    x = np.asarray(masses, dtype=np.float64)
    limit = np.array([np.nan if value is None else value for value in limits], dtype=np.float64)
    ratio = np.log(np.asarray(cross_sections, dtype=np.float64)) - np.log(limit)
    found: list[Excluded] = []
    known = np.flatnonzero(np.isfinite(ratio))
    runs = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1) if len(known) else []
    for run in runs:
        found += _excluded(x[run], ratio[run])
    return tuple(found)


def _excluded(x: FloatArray, ratio: FloatArray) -> list[Excluded]:
    """Excluded stretches of one unbroken line of ln(theory / limit) at masses `x`, both (n,), straight in ln(mass)."""
    found = []
    begin: float | None = float(x[0]) if ratio[0] > 0 else None
    from_start = begin is not None
    for (x0, x1), (r0, r1) in zip(pairwise(x), pairwise(ratio), strict=True):
        if (r0 > 0) == (r1 > 0):
            continue
        crossing = float(x0 * (x1 / x0) ** (r0 / (r0 - r1)))
        if begin is None:
            begin = crossing
        else:
            found.append(Excluded(begin, crossing, from_start, to_end=False))
            begin, from_start = None, False
    if begin is not None:
        found.append(Excluded(begin, float(x[-1]), from_start, to_end=True))
    return found


@dataclass(frozen=True)
class Verdict:
    """What may be said of a cross section, and the number behind it.

    `limit_pb` is the one that decided (None if there is none) and `ratio` the cross section over it.
    """

    status: Literal["excluded", "not excluded", "cannot say"]
    basis: Literal["observed", "expected"] | None
    cross_section_pb: float
    limit_pb: float | None
    ratio: float | None
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def verdict(cross_section: float, limits: LimitResult | PublishedLimit | None, *, reference_pb: float = 1.0) -> Verdict:
    """Judge a cross section in pb at 95 % CL.

    A `LimitResult` is on mu; `reference_pb` is the cross section of mu = 1. With an observed limit the answer is
    "excluded" above and "not excluded" otherwise. Expected limits never exclude: they say "not excluded" below the
    -2 sigma limit, which at most 2.3 % of experiments without signal would reach, and "cannot say" otherwise.
    """
    if not np.isfinite(cross_section) or cross_section < 0:
        raise UsageError(f"a cross section is not negative, found {cross_section:g}")
    if isinstance(limits, LimitResult):
        observed = None if limits.observed is None else limits.observed * reference_pb
        strongest, median = float(limits.expected[0]) * reference_pb, float(limits.expected[2]) * reference_pb
        how = {"exact": ", exact sums", "asymptotics": ", asymptotic formulae"}
        by = how.get(limits.calculator, f", {limits.toys} pseudo-experiments")
        return _judge(cross_section, observed, median, strongest, by)
    if limits is None:
        return Verdict("cannot say", None, cross_section, None, None, "there is no limit for this signal")
    return _judge(cross_section, limits.observed_pb, limits.expected_pb, None)


def _judge(
    value: float, observed: float | None, median: float | None, strongest: float | None, by: str = ""
) -> Verdict:
    said = f"the cross section of {value:.3g} pb is"
    if observed is not None:
        above = value > observed
        reason = f"{said} {'above' if above else 'not above'} the observed limit of {observed:.3g} pb at 95 % CL{by}"
        return Verdict("excluded" if above else "not excluded", "observed", value, observed, value / observed, reason)
    if median is None:
        return Verdict("cannot say", None, value, None, None, "there is no limit for this signal")
    if strongest is not None and value < strongest:
        reason = (
            f"{said} below the -2 sigma expected limit of {strongest:.3g} pb: the search is not sensitive to it, "
            "fewer than 2.3 % of experiments without signal would exclude it"
        )
        return Verdict("not excluded", "expected", value, strongest, value / strongest, reason)
    side = "above" if value > median else "below"
    reason = f"{said} {side} the expected limit of {median:.3g} pb, but without data nothing can be excluded"
    return Verdict("cannot say", "expected", value, median, value / median, reason)
