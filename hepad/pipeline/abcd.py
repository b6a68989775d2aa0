"""The ABCD method: background estimate with its error, excess and limit, from one likelihood of four regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.pipeline.limit.result import check_calculator, limit_figure, result_json, write_json
from hepad.provenance import command_line, provenance
from hepad.stats.limits.abcd import AbcdExperiment, AbcdModel, abcd_workspace
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.cls import LimitResult
from hepad.stats.limits.discovery import Excess, local_excess

__all__ = ["ABCD_TOYS", "AbcdOptions", "AbcdReport", "abcd"]

ABCD_TOYS = 4000

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AbcdOptions:
    """The relative non-closure, the signal in A, B, C, D at mu = 1 (None: one event in A), how to calculate."""

    nonclosure: float = 0.0
    signal: Sequence[float] | None = None
    calculator: str = "auto"
    toys: int = 0
    seed: int = 0
    output: Path | None = None


@dataclass(frozen=True)
class AbcdReport:
    """The estimate B C / D with its error, fitted backgrounds (4,) with and without signal, excess (if A is open)."""

    model: AbcdModel
    background_only: FloatArray
    with_signal: FloatArray
    excess: Excess | None
    result: LimitResult
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values; the count of a blinded A is null."""
        estimate, error = self.model.predicted
        counts = [float(count) if np.isfinite(count) else None for count in self.model.counts]
        return {
            "counts": dict(zip("ABCD", counts, strict=True)),
            "signal": dict(zip("ABCD", self.model.signal.tolist(), strict=True)),
            "nonclosure": self.model.nonclosure,
            "predicted_background": estimate,
            "predicted_background_error": error,
            "fitted_background": {
                "without_signal": dict(zip("ABCD", self.background_only.tolist(), strict=True)),
                "with_signal": dict(zip("ABCD", self.with_signal.tolist(), strict=True)),
            },
            "excess": None if self.excess is None else self.excess.to_json(),
            "limit": result_json(self.result, self.seed),
            "seed": self.seed,
            "warnings": list(self.result.warnings),
        }


def abcd(counts: Sequence[float | None], *, options: AbcdOptions | None = None) -> AbcdReport:
    """Estimate the background of A from B, C and D; the count of A may be None: blinded.

    With `options.output` a folder with abcd.json, workspace.json (pyhf) and the figure of CLs is written.
    """
    options = options or AbcdOptions()
    wanted = check_calculator(options.calculator, options.toys)
    signal = (1.0, 0.0, 0.0, 0.0) if options.signal is None else tuple(options.signal)
    if len(counts) != 4 or len(signal) != 4:
        raise UsageError(f"counts and signal are four numbers each, A,B,C,D; found {len(counts)} and {len(signal)}")
    if any(count is not None and np.isnan(count) for count in counts):
        raise InputDataError("the counts must be numbers, found nan; '-' is a count of A that is blinded")
    if options.output is not None:
        check_folder(options.output, verb="abcd")
    values = np.array([np.nan if count is None else count for count in counts], dtype=np.float64)
    model = AbcdModel(values, np.array(signal, dtype=np.float64), options.nonclosure)
    experiment = AbcdExperiment(model)
    result = set_limit(experiment, wanted, toys=options.toys or ABCD_TOYS, seed=options.seed)
    excess = local_excess(experiment, result, seed=options.seed) if model.has_data else None
    report = AbcdReport(
        model,
        experiment.background(0.0),
        experiment.background(None),
        excess,
        result,
        options.seed,
    )
    if options.output is not None:
        _write(report, counts, options, options.output)
    return report


def _write(report: AbcdReport, counts: Sequence[float | None], options: AbcdOptions, output: Path) -> None:
    result = report.result
    figure = limit_figure(
        result,
        ("ABCD, upper limits at 95% CL", f"{result.toys} toys" if result.toys else result.calculator),
        context=FigureContext(),
    )
    command = command_line(
        "abcd",
        counts=",".join("-" if count is None else f"{count:g}" for count in counts),
        signal=None if options.signal is None else ",".join(f"{value:g}" for value in options.signal),
        nonclosure=options.nonclosure,
        calculator=options.calculator,
        toys=options.toys,
        seed=options.seed,
    )
    with atomic_folder(output, verb="abcd") as folder:
        content = {**report.to_json(), "provenance": provenance(command, seed=options.seed)}
        write_json(folder / "abcd.json", content, schema="abcd/abcd.json")
        write_json(folder / "workspace.json", abcd_workspace(report.model))
        save_figure(figure, folder / "limit")
