"""Write fits of a spectrum: results, tables, figures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hepad.output.atomic import atomic_folder
from hepad.output.closing import write_page
from hepad.output.figure_context import FigureContext
from hepad.output.figures import save_figure
from hepad.output.json_text import json_text
from hepad.pipeline.fit.page import fit_blocks
from hepad.pipeline.fit.report import Background, FitReport, correlation
from hepad.provenance import provenance
from hepad.spectra.files import spectrum_path
from hepad.spectra.models import BinnedData, card_hashes
from hepad.spectra.source import data_context
from hepad.stats.counts.poisson import signed_root

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fit_figure", "write_fits"]


def write_fits(report: FitReport, spec: str, output: Path, command: str, functions: tuple[str, ...]) -> None:
    """Write report.html, fit.json, and a table and figures of each background, for a provenance with `command`."""
    from hepad.plot.correlation import plot_correlation

    cards, context = card_hashes(functions), data_context(spec)
    record = provenance(command, inputs=[spectrum_path(spec)[0]], seed=report.seed, cards=cards)
    with atomic_folder(output, verb="fit") as folder:
        text = json_text("fit/fit.json", {**report.to_json(), "provenance": record}, indent=2)
        (folder / "fit.json").write_text(text, encoding="utf-8")
        for background in report.backgrounds:
            stem = folder / f"fit_{background.name}"
            _write_table(stem.with_suffix(".csv"), report.data, background)
            figure = fit_figure(report, background, context=context)
            save_figure(figure, stem, numbers=f"{stem.name}_drawn")  # with errors, which the table has no place for
            if background.fit is not None:
                matrix = plot_correlation(
                    correlation(background.fit), background.fit.function.parameter_names, context=context
                )
                save_figure(matrix, stem.with_name(f"{stem.name}_correlation"))
        tables = [(f"fit_{b.name}.csv", f"the spectrum with {b.name} as reference") for b in report.backgrounds]
        write_page(folder, fit_blocks(report), record, [("fit.json", "all numbers, and the provenance"), *tables])


def fit_figure(
    report: FitReport, background: Background, *, context: FigureContext | None = None, ax: Axes | None = None
) -> Figure:
    """The spectrum with one of its backgrounds over the pulls; on `ax`, if given, without them."""
    from hepad.plot.spectrum import plot_spectrum

    spectrum, weights = report.data.spectrum, report.data.weights
    return plot_spectrum(
        spectrum.edges,
        spectrum.counts,
        background.expected,
        pulls=signed_root(report.data.counts, np.maximum(background.expected / weights, 1e-9)),
        background_label=f"{background.name} ({background.kind})",
        background_errors=background.errors,
        count_errors=np.sqrt(spectrum.counts * weights) if spectrum.is_weighted else None,
        remarks=_remarks(background),
        context=context,
        ax=ax,
    )


def _write_table(path: Path, data: BinnedData, background: Background) -> None:
    """The spectrum with the background as its reference, which `hepad bumphunt --reference column` reads."""
    edges = data.edges
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["low", "high", "counts", "expected"])
        writer.writerows(
            [f"{low:.17g}", f"{high:.17g}", f"{n:.17g}", f"{e:.17g}"]
            for low, high, n, e in zip(edges[:-1], edges[1:], data.spectrum.counts, background.expected, strict=True)
        )


def _remarks(background: Background) -> tuple[str, ...]:
    good = background.goodness
    ndf = "" if good.ndf is None else f" / {good.ndf:.3g}"
    lines = [f"Deviance{' / ndf' if ndf else ''} = {good.deviance:.1f}{ndf}"]
    if good.p_value is not None:
        lines.append(f"p = {good.p_value:.2g} (chi-square)")
    if good.p_toys is not None:
        lines.append(f"p = {good.p_toys:.2g} ({good.toys} toys)")
    return tuple(lines)
