"""Limits and local p-values against the mass: a signal shape on a smooth background that is fitted to a spectrum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import isclose
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.output.atomic import check_folder
from hepad.pipeline.limit.mass_report import MassLimitOptions, MassLimitReport, MassPoint
from hepad.pipeline.limit.result import check_calculator
from hepad.spectra.backgrounds import WEIGHTED, FittedBackground, fitted_function
from hepad.spectra.models import BinnedData, read_binned
from hepad.spectra.shapes import Signal, parse_masses, signals
from hepad.spectra.source import data_context
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.discovery import local_excess
from hepad.stats.limits.mass_scan import global_excess
from hepad.stats.limits.resonance import ResonanceChannel, ResonanceModel

__all__ = ["SCAN_TOYS", "mass_limits"]

SCAN_TOYS = 2000
"""Pseudo-experiments per hypothesis and tested mu at a mass with low counts, unless a number is asked for."""

FloatArray = npt.NDArray[np.float64]


def mass_limits(
    spec: str,
    shapes: Sequence[str],
    *,
    options: MassLimitOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> MassLimitReport:
    """Limits at 95 % CL and local p-values of signal shapes (`SHAPE_HELP`) in the spectrum `spec`, at each mass.

    With `options.output` a folder with limit.json and the figures limit and local_p is written. `progress` is told
    how many of how many masses are done. `FitFailedError` names the mass at which a fit fails: there is no result
    without it.
    """
    options = options or MassLimitOptions()
    _check(options)
    if options.output is not None:
        check_folder(options.output, verb="limit")
    masses = None if options.masses is None else parse_masses(options.masses)
    data = read_binned(spec, options.mass_range)
    if data.counts.sum() <= 0:
        raise InputDataError(f"{data.spectrum.name} holds no events in the range")
    found = signals(shapes, masses, data.edges)
    background = fitted_function(data, options.function, seed=options.seed)
    warnings = [f"{WEIGHTED}; limits are on sums of weights"] if data.spectrum.is_weighted else []
    warnings += [] if background.poor is None else [background.poor]
    warnings += _other_luminosity(spec, options.luminosity)
    models, points = [], []
    for signal in found:
        try:
            models.append(_model(data, signal, background, options))
            points.append(_point(models[-1], signal, options))
        except FitFailedError as error:
            raise FitFailedError(f"at {signal.mass:g} GeV: {error}") from error
        if progress is not None:
            progress(len(points), len(found))
    overall = None
    if options.global_toys > 0 and len(models) > 1:
        warnings += _coarse(found)
        largest = max(point.excess.q0 for point in points)
        overall = global_excess(models, largest, toys=options.global_toys, seed=options.seed)
    warnings += [f"{p.mass:g} GeV: {text}" for p in points for text in p.limit.warnings]
    report = MassLimitReport(
        tuple(points), background, data.spectrum, overall, options.pb_per_event, options.seed, tuple(warnings)
    )
    if options.output is not None:
        from hepad.pipeline.limit.mass_output import write_mass_limits

        write_mass_limits(report, spec, shapes, found, options)
    return report


def _other_luminosity(spec: str, asked: float | None) -> list[str]:
    """A warning where the comments of the data's file say another luminosity than was asked for."""
    said = data_context(spec).luminosity
    if asked is None or said is None or isclose(asked, said, rel_tol=0.01):
        return []
    return [f"limits in pb are for {asked:g} fb-1 (--luminosity), but comments of {Path(spec).name} say {said:g} fb-1"]


def _check(options: MassLimitOptions) -> None:
    check_calculator(options.calculator, options.toys)
    if options.luminosity is not None and not 0 < options.luminosity < np.inf:
        raise UsageError(f"the luminosity is positive, found {options.luminosity:g} fb-1")
    if not 0 < options.acceptance <= 1:
        raise UsageError(f"the acceptance is above 0 and at most 1, found {options.acceptance:g}")
    if options.acceptance < 1 and options.luminosity is None:
        raise UsageError("an acceptance turns events into cross sections; give --luminosity too")
    if options.global_toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.global_toys}")


def _model(data: BinnedData, signal: Signal, background: FittedBackground, options: MassLimitOptions) -> ResonanceModel:
    assert background.fit is not None  # noqa: S101  of a function
    shape = signal.fractions / data.weights
    total = float(signal.fractions.sum())
    channel = ResonanceChannel(
        name=Path(data.spectrum.name).name,
        edges=data.edges,
        signal=shape,
        signal_variances=signal.variances / data.weights**2,
        function=background.fit.function,
        observed=data.counts,
        spurious=options.spurious * (float(shape.sum()) / total if total > 0 else 1.0),
        exposure=data.exposure,
    )
    return ResonanceModel([channel], options.signal_error, options.luminosity_error)


def _point(model: ResonanceModel, signal: Signal, options: MassLimitOptions) -> MassPoint:
    wanted = check_calculator(options.calculator, options.toys)
    limit = set_limit(model, wanted, toys=options.toys or SCAN_TOYS, seed=options.seed, points=(0, 4))
    return MassPoint(signal.mass, signal.width, limit, local_excess(model, limit, seed=options.seed))


def _coarse(found: Sequence[Signal]) -> list[str]:
    """A remark if the scan steps over excesses: then the global p-value comes out too small."""
    steps = [(after.mass - before.mass) / (before.width * before.mass) for before, after in pairwise(found)]
    if max(steps) <= 1:
        return []
    remark = (
        f"the masses are up to {max(steps):.2g} signal widths apart: excesses between them are missed, and the global "
        "p-value is for these masses only; use steps below one width"
    )
    return [remark]
