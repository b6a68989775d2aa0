"""From yields or spectra to an upper limit on a signal: workspace, CLs, figure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.closing import write_page
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.pipeline.limit.page import LIMIT_FILES, limit_blocks
from hepad.pipeline.limit.result import DEFAULT_TOYS, check_calculator, limit_figure, result_json, write_json
from hepad.provenance import provenance
from hepad.spectra.files import Spectrum, read_spectrum, same_edges, spectrum_path
from hepad.spectra.source import data_context
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.cls import known, known_list
from hepad.stats.limits.limits import CountingExperiment, LimitModel, LimitResult
from hepad.stats.limits.workspace import build_workspace

__all__ = ["LimitOptions", "LimitReport", "Yields", "limit", "limit_of"]

FloatArray = npt.NDArray[np.float64]

Yields = float | str | Spectrum
"""A number of events, or a spectrum or the spec of one."""


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """Relative errors of the yields, how to calculate, and the signal's cross section in pb.

    `calculator` "auto" takes exact sums for counts in one or a few bins, and toys where fewer than about ten events
    carry the sensitivity of many (`calculator.set_limit`). `toys` is their number per hypothesis and tested mu, 0 for
    the default; a number asks for toys.
    """

    background_error: float = 0.0
    signal_error: float = 0.0
    luminosity_error: float = 0.0
    cross_section: float | None = None
    calculator: str = "auto"
    toys: int = 0
    seed: int = 0
    output: Path | None = None


@dataclass(frozen=True)
class LimitReport:
    """The limits, the model they belong to, and the cross section (pb) of mu = 1 if it was given."""

    result: LimitResult
    model: LimitModel
    cross_section: float | None
    seed: int

    def to_json(self) -> dict[str, Any]:
        """The result in plain JSON types; limits are on mu, a multiple of the signal given; null without data."""
        result = self.result
        content = result_json(result, self.seed)
        if self.cross_section is not None:
            content["cross_section_pb"] = {
                "signal": self.cross_section,
                "observed": None if result.observed is None else known(result.observed * self.cross_section),
                "expected": known_list(result.expected * self.cross_section),
            }
        return content


def limit(
    signal: float | str,
    background: float | str,
    data: float | str | None = None,
    *,
    options: LimitOptions | None = None,
) -> LimitReport:
    """Set an upper limit at 95 % CL on a signal; each yield is a number of events or the spec of a spectrum.

    Without data only the expected limits exist. With `options.output` a folder with limit.json, workspace.json (pyhf)
    and the figure limit is written.
    """
    options = options or LimitOptions()
    if options.output is not None:
        check_folder(options.output, verb="limit")
    report = limit_of(signal, background, data, options)
    if options.output is not None:
        _write(report, (signal, background, data), options, options.output)
    return report


def limit_of(signal: Yields, background: Yields, data: Yields | None, options: LimitOptions) -> LimitReport:
    """The same for spectra in memory, too; nothing is written."""
    wanted = check_calculator(options.calculator, options.toys)
    if options.cross_section is not None and not 0 < options.cross_section < np.inf:
        raise UsageError(f"the signal's cross section is positive, found {options.cross_section:g} pb")
    model = _model(signal, background, data, options)
    result = set_limit(CountingExperiment(model), wanted, toys=options.toys or DEFAULT_TOYS, seed=options.seed)
    return LimitReport(result, model, options.cross_section, options.seed)


def _model(signal: Yields, background: Yields, data: Yields | None, options: LimitOptions) -> LimitModel:
    s, b = _yields(signal), _yields(background)
    d = None if data is None else _yields(data)
    binned = [isinstance(given, Spectrum) for given in (s, b, d) if given is not None]
    if any(binned) and not all(binned):
        raise UsageError("signal, background and data are either all numbers or all spectra")
    _check_edges([given for given in (s, b, d) if isinstance(given, Spectrum)])
    return LimitModel(
        signal=_counts(s),
        background=_counts(b),
        observed=None if d is None else _counts(d),
        background_variances=b.variances if isinstance(b, Spectrum) else None,
        background_error=options.background_error,
        signal_error=options.signal_error,
        luminosity_error=options.luminosity_error,
    )


def _yields(given: Yields) -> Spectrum | float:
    if isinstance(given, Spectrum):
        return given
    try:
        return float(given)
    except ValueError:
        return read_spectrum(str(given))


def _counts(given: Spectrum | float) -> FloatArray:
    return given.counts if isinstance(given, Spectrum) else np.array([given], dtype=np.float64)


def _check_edges(spectra: list[Spectrum]) -> None:
    for other in spectra[1:]:
        first = spectra[0]
        if not same_edges(other.edges, first.edges):
            raise UsageError(f"{other.name} has other bins than {first.name}")


def _write(
    report: LimitReport, given: tuple[float | str, float | str, float | str | None], options: LimitOptions, output: Path
) -> None:
    result = report.result
    kind = f"{result.toys} toys" if result.toys else result.calculator
    figure = limit_figure(result, (rf"Upper limits at 95% CL, {kind}",), context=_context(given[2]))
    inputs = [spectrum_path(str(item))[0] for item in given if item is not None and isinstance(_kind(item), str)]
    record = provenance(_command(given, options), inputs=list(dict.fromkeys(inputs)), seed=options.seed)
    with atomic_folder(output, verb="limit") as folder:
        write_json(folder / "limit.json", {**report.to_json(), "provenance": record}, schema="limit/limit.json")
        write_json(folder / "workspace.json", build_workspace(report.model))
        save_figure(figure, folder / "limit")
        unit, scale = ("times the signal", 1.0) if report.cross_section is None else ("pb", report.cross_section)
        write_page(folder, limit_blocks(result, unit, scale), record, LIMIT_FILES)


def _context(data: float | str | None) -> FigureContext:
    """Whose data they are, if that is known: counts tell nothing."""
    kind = None if data is None else _kind(data)
    return data_context(kind) if isinstance(kind, str) else FigureContext()


def _kind(item: float | str) -> float | str:
    """The number that an argument stands for, or itself if it names a spectrum."""
    try:
        return float(item)
    except ValueError:
        return str(item)


def _command(given: tuple[float | str, float | str, float | str | None], options: LimitOptions) -> str:
    """The command in its normal form, without folders and without the output's name."""
    parts = ["hepad limit"]
    for name, item in zip(("signal", "background", "data"), given, strict=True):
        if item is None:
            continue
        value = _kind(item)
        if isinstance(value, str):
            path, histogram = spectrum_path(value)
            parts.append(f"--{name} {path.name}" + ("" if histogram is None else f":{histogram}"))
        else:
            parts.append(f"--{name} {value:g}")
    for name in ("background_error", "signal_error", "luminosity_error", "cross_section"):
        value = getattr(options, name)
        parts += [f"--{name.replace('_', '-')} {value:g}"] if value else []
    return " ".join([*parts, f"--calculator {options.calculator} --toys {options.toys} --seed {options.seed}"])
