"""What all limits share: how they are calculated, and their result in plain JSON types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hepad.errors import UsageError
from hepad.output.json_text import json_text
from hepad.stats.limits.cls import Calculator, LimitResult, known, known_list

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from hepad.output.figure_context import FigureContext

__all__ = [
    "CALCULATORS",
    "DEFAULT_TOYS",
    "check_calculator",
    "limit_figure",
    "result_json",
    "write_json",
]

CALCULATORS: tuple[Calculator, ...] = ("auto", "asymptotic", "toys", "exact")
DEFAULT_TOYS = 10_000
"""Pseudo-experiments per hypothesis and tested mu: 230 of them are as far out as the -2 sigma limit."""


def check_calculator(calculator: str, toys: int) -> Calculator:
    """The calculator asked for; a number of toys asks for them. `UsageError` if the two contradict each other."""
    if toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {toys}")
    for name in CALCULATORS:
        if name == calculator:
            if name in {"asymptotic", "exact"} and toys > 0:
                what = "asymptotic formulae" if name == "asymptotic" else "exact sums"
                raise UsageError(f"{what} need no pseudo-experiments; drop --toys or --calculator")
            return "toys" if toys > 0 else name
    raise UsageError(f"--calculator is {', '.join(CALCULATORS[:-1])} or {CALCULATORS[-1]}, found {calculator!r}")


def result_json(result: LimitResult, seed: int) -> dict[str, Any]:
    """Limits on mu, a multiple of the signal given; null where there are no data, errors null without toys.

    What too few toys cannot tell is null, too.
    """
    observed = None if result.cls_observed is None else known_list(result.cls_observed)
    errors = None if result.expected_errors is None else known_list(result.expected_errors)
    return {
        "observed": known(result.observed),
        "observed_error": known(result.observed_error),
        "expected": known_list(result.expected),
        "expected_errors": errors,
        "poi_name": "mu",
        "poi": result.poi.tolist(),
        "cls": {"observed": observed, "expected": known_list(result.cls_expected)},
        "confidence_level": 0.95,
        "calculator": result.calculator,
        "calculator_reason": result.reason or "as asked for",
        "toys": result.toys,
        "seed": seed,
        "warnings": list(result.warnings),
    }


def limit_figure(
    result: LimitResult, remarks: tuple[str, ...], *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """CLs against the signal strength, with the limits; on `ax`, if given."""
    from hepad.plot.limit import plot_limit

    return plot_limit(
        result.poi,
        result.cls_expected,
        result.cls_observed,
        expected=result.expected,
        observed=result.observed,
        remarks=remarks,
        context=context,
        ax=ax,
    )


def write_json(path: Path, content: dict[str, Any], *, schema: str | None = None) -> None:
    """Write one JSON document, of a schema of hepad's unless it is in somebody else's form; a NaN is a fault."""
    path.write_text(json_text(schema, content, indent=2), encoding="utf-8")
