"""Hunt in rectangles of a plane of two variables: histograms in, the best rectangle and its figure out."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from hepad.errors import InputDataError, UsageError
from hepad.output.atomic import atomic_folder, check_folder
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.pipeline.bumphunt.output import p_value_lines
from hepad.provenance import command_line, provenance
from hepad.spectra.files import counting_variances, same_edges, spectrum_path
from hepad.spectra.planes import Plane, read_plane
from hepad.spectra.source import data_context
from hepad.stats.bumphunt import ScanOptions, hunt_plane
from hepad.stats.bumphunt.found import PlaneHunt
from hepad.stats.counts.poisson import on_off_root, signed_root

__all__ = ["PlaneOptions", "PlaneReport", "bumphunt_plane"]


@dataclass(frozen=True, kw_only=True)
class PlaneOptions:
    """Options of `bumphunt_plane`; widths and steps of `scan` hold for both axes.

    A reference with variances fluctuates itself unless `exact_reference`.
    """

    scan: ScanOptions = field(default_factory=ScanOptions)
    exact_reference: bool = False
    toys: int = 10_000
    seed: int = 0
    output: Path | None = None


@dataclass(frozen=True)
class PlaneReport:
    """The best rectangle of a plane, held against a reference."""

    plane: Plane
    reference: Plane
    hunt: PlaneHunt

    def to_json(self) -> dict[str, Any]:
        """The result in JSON types; `window` is [[x low, x high], [y low, y high]] in units of the axes."""
        hunt = self.hunt
        return {
            "plane": Path(self.plane.name).name,
            "reference": Path(self.reference.name).name,
            "window": [list(axis) for axis in hunt.window],
            "direction": hunt.direction,
            "observed": hunt.observed,
            "expected": hunt.expected,
            "statistic": hunt.statistic,
            "local_p": hunt.local_p,
            "log10_local_p": hunt.log_p / float(np.log(10)),
            "local_z": hunt.local_z,
            "global_p": hunt.global_p,
            "global_p_error": hunt.global_p_error,
            "global_z": hunt.global_z,
            "estimated_global_p": hunt.estimated_global_p,
            "estimated_global_p_error": hunt.estimated_global_p_error,
            "toys": hunt.toys,
            "windows": hunt.windows,
            "counted_reference": hunt.counted_reference,
        }


def bumphunt_plane(plane: str, reference: str, *, options: PlaneOptions | None = None) -> PlaneReport:
    """Hunt for the largest deviation of a TH2 from the expected background in a TH2 with the same bins.

    With `options.output` a folder with plane.json and the figure plane is written.
    """
    options = options or PlaneOptions()
    if options.toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.toys}")
    if options.output is not None:
        check_folder(options.output, verb="bumphunt2d")
    data, expected = read_plane(plane), read_plane(reference)
    if not all(same_edges(a, b) for a, b in zip(data.edges, expected.edges, strict=True)):
        raise InputDataError(f"{expected.name} has other bins than {data.name}")
    variances = None if options.exact_reference else counting_variances(expected.counts, expected.variances)
    hunt = hunt_plane(
        data.edges,
        data.counts,
        expected.counts,
        variances=variances,
        options=options.scan,
        toys=options.toys,
        seed=options.seed,
    )
    report = PlaneReport(data, replace(expected, variances=variances), hunt)
    if options.output is not None:
        _write(report, (plane, reference), options, options.output)
    return report


def _write(report: PlaneReport, specs: tuple[str, str], options: PlaneOptions, output: Path) -> None:
    from hepad.plot.plane import plot_plane

    counts, reference = report.plane.counts, report.reference
    if reference.variances is not None:
        significance = on_off_root(counts, reference.counts, reference.variances)
    else:
        filled = reference.counts > 0
        significance = np.where(filled, signed_root(counts, np.where(filled, reference.counts, 1.0)), 0.0)
    significance = np.where((counts == 0) & (reference.counts == 0), np.nan, significance)
    figure = plot_plane(
        report.plane.edges,
        significance,
        window=report.hunt.window,
        titles=report.plane.titles,
        remarks=_remarks(report.hunt),
        context=data_context(specs[0]),
    )
    paths = list(dict.fromkeys(spectrum_path(spec)[0] for spec in specs))
    command = command_line(
        "bumphunt2d",
        reference=Path(specs[1]).name,
        direction=options.scan.direction,
        width_min=options.scan.width_min,
        width_max=options.scan.width_max,
        toys=options.toys,
        seed=options.seed,
    )
    record = provenance(command, inputs=paths, seed=options.seed)
    with atomic_folder(output, verb="bumphunt2d") as folder:
        text = json_text("bumphunt2d/plane.json", {**report.to_json(), "provenance": record}, indent=2)
        (folder / "plane.json").write_text(text, encoding="utf-8")
        save_figure(figure, folder / "plane")


def _remarks(hunt: PlaneHunt) -> tuple[str, ...]:
    """The window, and how likely background alone has it."""
    (x0, x1), (y0, y1) = hunt.window
    events = f"{hunt.observed:g} events, {hunt.expected:.4g} expected"
    return f"{x0:g} to {x1:g}, {y0:g} to {y1:g}", f"Largest {hunt.direction}: {events}", ", ".join(p_value_lines(hunt))
