"""The pages of limits: what is excluded first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table
from hepad.output.figure_kinds import figure_kinds
from hepad.printable import digits
from hepad.stats.limits.cls import LimitResult
from hepad.stats.limits.discovery import format_p

if TYPE_CHECKING:
    from hepad.pipeline.limit.mass_report import MassLimitReport

__all__ = ["LIMIT_FILES", "limit_blocks", "mass_blocks"]

LIMIT_FILES = (("limit.json", "all numbers, and the provenance"), ("workspace.json", "the likelihood, for pyhf"))


def limit_blocks(result: LimitResult, unit: str, scale: float = 1.0) -> list[Block]:
    """The page of one limit, on mu times `scale` in `unit`."""
    low, median, high = (float(result.expected[i]) * scale for i in (1, 2, 3))
    observed = None if result.observed is None else result.observed * scale
    kind = f"{result.toys} pseudo-experiments a hypothesis" if result.toys else _KINDS[result.calculator]
    if observed is None:
        words = f"Signals above {digits(median)} {unit} are expected to be excluded at 95 % CL."
    else:
        words = (
            f"Signals above {digits(observed)} {unit} are excluded at 95 % CL; {digits(median)} {unit} were expected."
        )
    numbers = [
        *([] if observed is None else [(f"{digits(observed)} {unit}", "observed limit")]),
        (f"{digits(median)} {unit}", "expected limit"),
        (f"{digits(low)} to {digits(high)}", "one standard deviation around it"),
    ]
    figure = Figure("limit.png", "CLs of the signal strengths tested: observed, expected, and its bands.")
    return [
        Heading("Upper limit", 1),
        Answer(words, numbers, figure),
        *([Notes(result.warnings, "warning")] if result.warnings else []),
        Heading("Expected limits"),
        Table(["-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma", "from"], [[*_cells(result, scale), kind]], 0),
    ]


def mass_blocks(report: MassLimitReport) -> list[Block]:
    """The page of limits against the mass."""
    scale, unit = report.shown_in
    top = report.largest
    p, z = top.excess.words()
    best = min(report.points, key=lambda point: float(point.limit.expected[2]))
    overall = report.overall
    words = (
        f"Limits at {len(report.points)} masses. The largest excess is at {top.mass:g} GeV, "
        f"{z} standard deviations there" + ("." if overall is None else f", and {overall.z:.2g} among all masses.")
    )
    numbers = [
        (f"{digits(float(best.limit.expected[2]) * scale)} {unit}", f"strongest expected limit, at {best.mass:g} GeV"),
        (p, f"local p-value at {top.mass:g} GeV"),
        ("none" if overall is None else format_p(overall.log_p), "global p-value"),
    ]
    header = ["GeV", "observed", "-2 sigma", "-1 sigma", "median", "+1 sigma", "+2 sigma", "p0", "Z"]
    return [
        Heading(f"Limits against the mass in {report.spectrum.name.rpartition('/')[2]}", 1),
        Answer(words, numbers, Figure("limit.png", "Upper limits at 95 % CL against the mass.")),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        *([Heading("Local p-values")] if figure_kinds() else []),
        Figure("local_p.png", "Local p-value of background alone against the mass."),
        Heading(f"All limits, in {unit}"),
        Table(header, [_row(point.mass, point.limit, point.excess.words(), scale) for point in report.points], 0),
    ]


_KINDS = {"asymptotics": "asymptotic formulae", "exact": "exact sums over all outcomes"}


def _row(mass: float, limit: LimitResult, excess: tuple[str, str], scale: float) -> list[str]:
    observed = "" if limit.observed is None else digits(limit.observed * scale)
    return [f"{mass:g}", observed, *_cells(limit, scale), *excess]


def _cells(limit: LimitResult, scale: float) -> Sequence[str]:
    return [digits(value * scale) for value in limit.expected]
