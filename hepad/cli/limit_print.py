"""Limits as tables and lines for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hepad.cli.common import print_table, stdout
from hepad.printable import digits

if TYPE_CHECKING:
    from hepad.pipeline.limit.mass_report import MassLimitReport
    from hepad.stats.limits.cls import LimitResult

__all__ = ["print_limits", "print_masses"]

_KINDS = {"asymptotics": "asymptotic formulae", "exact": "exact sums over all outcomes"}


def print_limits(
    result: LimitResult,
    scales: Sequence[tuple[str, float]],
    cls_at_one: tuple[float, tuple[float, ...]] | None = None,
) -> None:
    """Observed and expected limits in each unit, with the statistical errors of toys, and how they were calculated."""
    console = stdout()
    for unit, scale in scales:
        if result.observed is not None:
            error = _error(result.observed_error, scale)
            console.print(f"observed  {digits(result.observed * scale, 4)}{error} {unit}")
        expected = [digits(value * scale, 4) if not math.isnan(value) else "unknown" for value in result.expected]
        error = _error(None if result.expected_errors is None else float(result.expected_errors[2]), scale)
        bands = f"1 sigma {expected[1]} to {expected[3]}, 2 sigma {expected[0]} to {expected[4]}"
        console.print(f"expected  {expected[2]}{error} {unit} ({bands})")
    if cls_at_one is not None:
        observed_cls, bands_cls = cls_at_one
        listed = ", ".join(f"{value:.4g}" for value in bands_cls)
        console.print(f"CLs at 1  {observed_cls:.4g} observed; {listed} expected, -2 to 2 sigma")
    kind = f"{result.toys} toys per hypothesis" if result.toys else _KINDS[result.calculator]
    console.print(f"from      {result.reason or kind}")


def _error(error: float | None, scale: float) -> str:
    """The statistical error of toys; none if there are no toys, or too few to know it."""
    return "" if error is None or math.isnan(error) else f" ± {error * scale:.2g} (toys)"


def print_masses(report: MassLimitReport) -> None:
    """A table of limits and p-values by mass, and the largest excess with its global p-value."""
    from hepad.stats.limits.discovery import format_p

    scale, unit = report.shown_in
    rows = []
    for point in report.points:
        limit = point.limit
        error = _error(limit.observed_error, scale).removesuffix(" (toys)")
        p0, z = point.excess.words()
        rows.append(
            [
                f"{point.mass:g}",
                "" if limit.observed is None else f"{digits(limit.observed * scale)}{error}",
                *(digits(value * scale) for value in limit.expected),
                p0,
                z,
            ]
        )
    header = ["GeV", "limit", "-2 s", "-1 s", "median", "+1 s", "+2 s", "p0", "Z"]
    fit = report.fit
    title = f"Limits at 95 % CL in {unit}, {fit.function.name} (deviance {fit.deviance:.1f} for {fit.ndf})"
    print_table(title, header, rows)
    top, console = report.largest, stdout()
    thrown = sum(1 for point in report.points if point.limit.toys)
    toys = f", at {thrown} of {len(rows)} masses toys, for low counts or as asked for" if thrown else ""
    console.print(f"from      asymptotic formulae{toys}")
    console.print(
        f"largest excess at {top.mass:g} GeV: {top.excess.mu:.4g} events, local p {top.excess.words()[0]} "
        f"({top.excess.words()[1]} sigma)"
    )
    if report.overall is None:
        console.print("global p  not estimated: these p-values are local")
        return
    overall = report.overall
    direct = f"{'<' * overall.direct_is_bound}{overall.direct_p:.2g}"
    console.print(
        f"global p  {format_p(overall.log_p)} ({overall.z:.2f} sigma; Gross-Vitells, {overall.upcrossings:.2f} ± "
        f"{overall.upcrossings_error:.2g} upcrossings); {direct} by {overall.toys} toys directly"
    )
