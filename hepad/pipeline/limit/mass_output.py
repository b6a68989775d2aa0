"""The folder of limits against the mass: JSON and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.figures import save_figure
from hepad.pipeline.limit.mass_report import MassLimitOptions, MassLimitReport
from hepad.pipeline.limit.page import mass_blocks
from hepad.pipeline.limit.result import write_json
from hepad.provenance import command_line, provenance
from hepad.spectra.files import spectrum_path
from hepad.spectra.shapes import Signal
from hepad.spectra.source import data_context
from hepad.stats.limits.discovery import format_p

__all__ = ["write_mass_limits"]


def write_mass_limits(
    report: MassLimitReport, spec: str, shapes: Sequence[str], found: Sequence[Signal], options: MassLimitOptions
) -> None:
    """Write the folder `options.output`: limit.json and the figures limit and local_p."""
    from hepad.plot.exclusion import plot_exclusion
    from hepad.plot.local_p import plot_local_p

    assert options.output is not None  # noqa: S101 - the caller has looked
    scale, unit = report.shown_in
    masses = np.array([point.mass for point in report.points])
    observed = [point.limit.observed for point in report.points]
    about, context = _about(report, found), data_context(spec)
    if options.luminosity is not None:
        context = replace(context, luminosity=options.luminosity)
    limits = plot_exclusion(
        masses,
        np.array([point.limit.expected for point in report.points]) * scale,
        observed=np.array([np.nan if value is None else value for value in observed]) * scale,
        y_title="95% CL limit on signal events" if unit == "events" else _title(options, unit),
        unit=unit,
        remarks=about,
        context=context,
    )
    overall = () if report.overall is None else (rf"Global $p$ of the largest: {format_p(report.overall.log_p)}",)
    local = plot_local_p(
        masses, np.array([point.excess.log_p for point in report.points]), remarks=(*about, *overall), context=context
    )
    sources = [spectrum_path(spec)[0], *(signal.source for signal in found if signal.source is not None)]
    command = command_line(
        "limit",
        spectrum=_bare(spec),
        function=options.function,
        signal_shape=[_bare(shape) for shape in shapes],
        mass=options.masses,
        range=None if options.mass_range is None else f"{options.mass_range[0]:g}:{options.mass_range[1]:g}",
        luminosity=options.luminosity,
        acceptance=options.acceptance,
        signal_error=options.signal_error or None,
        luminosity_error=options.luminosity_error or None,
        spurious=options.spurious or None,
        calculator=options.calculator,
        toys=options.toys,
        global_toys=options.global_toys,
        seed=options.seed,
    )
    record = provenance(command, inputs=list(dict.fromkeys(sources)), seed=options.seed)
    with atomic_folder(options.output, verb="limit") as folder:
        write_json(folder / "limit.json", {**report.to_json(), "provenance": record}, schema="limit/limit.json")
        save_figure(limits, folder / "limit")
        save_figure(local, folder / "local_p")
        write_page(folder, mass_blocks(report), record, [("limit.json", "all numbers, and the provenance")])


def _title(options: MassLimitOptions, unit: str) -> str:
    what = r"\sigma \times B" if options.acceptance < 1 else r"\sigma \times A \times B"
    return rf"95% CL limit on ${what}$ [{unit}]"


def _about(report: MassLimitReport, found: Sequence[Signal]) -> tuple[str, ...]:
    widths = {round(signal.width, 4) for signal in found}
    shape = f"signal width {widths.pop():.3g} of the mass" if len(widths) == 1 else "simulated signals"
    return (f"{report.fit.function.name}, {shape}",)


def _bare(spec: str) -> str:
    """A spec without the folders of its file."""
    kind, colon, rest = spec.partition(":")
    if kind == "hist" and colon:
        return f"hist:{_bare(rest)}"
    path, name = spectrum_path(spec)
    if not Path(path).suffix:
        return spec  # a shape of numbers
    return path.name if name is None else f"{path.name}:{name}"
