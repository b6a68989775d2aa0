"""Hunts in several spectra, each on its own, and one global p-value over all of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hepad.errors import InputDataError, UsageError
from hepad.io.tables.masses import read_masses
from hepad.output.atomic import check_folder
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.prepare import prepare
from hepad.pipeline.bumphunt.report import BumpHuntReport, TrialsReport
from hepad.spectra.files import Spectrum, spectrum_path
from hepad.spectra.reference import Background
from hepad.stats.bumphunt import (
    FixedNull,
    RefittedNull,
    check_table,
    global_p_of_many,
    hunt_channels,
    make_cells,
)
from hepad.stats.bumphunt.layout import Layout

__all__ = ["bumphunt_trials"]


def bumphunt_trials(
    specs: Sequence[str], events: str | None, *, options: BumpHuntOptions | None = None
) -> TrialsReport:
    """Hunt in each of the spectra and give one global p-value over all.

    `events` is a table (ROOT tree, Parquet, npz) with a column for each spectrum, named as its histogram or its file:
    the mass of the event there, NaN where it is not in the spectrum. Without it no event is shared.
    """
    from hepad.pipeline.bumphunt.output import write_trials

    options = options or BumpHuntOptions()
    _check(specs, options)
    if options.output is not None:
        check_folder(options.output, verb="bumphunt")
    spectra, backgrounds, warnings = prepare(specs, options)
    names = [column_of(spec) for spec in specs]
    if len(set(names)) < len(names):
        raise UsageError(f"spectra need different names, found {', '.join(names)}")
    cells = None
    if events is not None:
        if any(spectrum.is_weighted for spectrum in spectra):
            raise InputDataError("a table of events is for spectra of plain counts, not for weighted ones")
        masses = read_masses(events, names)
        edges = [spectrum.edges for spectrum in spectra]
        check_table(masses, edges, [spectrum.counts for spectrum in spectra], names)
        cells = make_cells(masses, edges, [background.expected for background in backgrounds], names)
    else:
        warnings.append("no table of events was given: the spectra are taken to share none")
    nulls = [_null(s, b, options) for s, b in zip(spectra, backgrounds, strict=True)]
    hunts = [
        hunt_channels(
            s.edges,
            s.counts[None] / b.weights,
            b.expected[None] / b.weights,
            null=null,
            toys=0,
            weights=b.weights[None],
        )
        for s, b, null in zip(spectra, backgrounds, nulls, strict=True)
    ]
    found = global_p_of_many(
        [hunt.statistic for hunt in hunts],
        nulls,
        cells,
        toys=options.toys,
        seed=options.seed,
        on_toys=partial(options.on_toys, "background toys"),
    )
    if found.failed_toys:
        warnings.append(f"{found.failed_toys} pseudo-experiments were left out, their fits did not converge")
    reports = tuple(
        BumpHuntReport((s,), (b,), h, options.seed, ()) for s, b, h in zip(spectra, backgrounds, hunts, strict=True)
    )
    report = TrialsReport(reports, found, tuple(warnings))
    if options.output is not None:
        write_trials(report, specs, options, events)
    return report


def column_of(spec: str) -> str:
    """The column of a spectrum: the name of its histogram, or of its file without the suffix."""
    path, name = spectrum_path(spec)
    return name.rpartition("/")[2] if name else Path(path).stem


def _null(spectrum: Spectrum, background: Background, options: BumpHuntOptions) -> FixedNull | RefittedNull:
    layout = Layout.line(spectrum.n_bins, options.scan)
    if background.fit is not None and options.refit is not False:
        return RefittedNull(spectrum.edges, (background.fit,), layout, options.scan, (background.exposure,))
    return FixedNull(background.expected[None] / background.weights, layout, options.scan)


def _check(specs: Sequence[str], options: BumpHuntOptions) -> None:
    if len(specs) < 2:
        raise UsageError("a global p-value over spectra needs two or more of them")
    if options.reference not in (None, "column"):
        raise UsageError("with --trials each spectrum has a fitted function or its own reference column")
    if options.reference is not None and options.function != "auto":
        raise UsageError("give either a function to fit or a reference, not both")
    if options.inject is not None:
        raise UsageError("signals are injected into one hunt, not into several; drop --inject or --trials")
    if options.toys < 1:
        raise UsageError(f"a global p-value needs pseudo-experiments, found {options.toys}")
