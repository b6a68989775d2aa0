"""The page of fits of a spectrum: whether and by what it is described, then figures and parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hepad.output.document import Answer, Block, Figure, Heading, Notes, Table, Text
from hepad.pipeline.fit.report import Background, FitReport

__all__ = ["fit_blocks"]


def fit_blocks(report: FitReport) -> list[Block]:
    """The page; the first background that describes the spectrum is in the answer, else the first of all."""
    best = _best(report)
    others = [background for background in report.backgrounds if background is not best]
    blocks: list[Block] = [
        Heading(f"Background of {Path(report.data.spectrum.name).name}", 1),
        _answer(report, best),
        *([Notes(report.warnings, "warning")] if report.warnings else []),
        Heading("Goodness of fit"),
        _goodness(report.backgrounds),
        Text(
            "The deviance is the likelihood ratio to a model with a parameter for each bin; p is the chance of one as "
            "large or larger, by its chi-square distribution and by pseudo-experiments, each fitted like the data."
        ),
    ]
    for background in (best, *others):
        blocks += [Heading(f"{background.name} ({background.kind})")]
        blocks += [] if background is best else [_figure(background)]
        blocks += [*_order(background), *_parameters(background)]
    return blocks


def _best(report: FitReport) -> Background:
    return next((b for b in report.backgrounds if b.goodness.best_p is not None and not b.poor), report.backgrounds[0])


def _answer(report: FitReport, best: Background) -> Answer:
    good, spectrum = best.goodness, report.data.spectrum
    known = good.best_p is not None
    words = f"{best.name} describes the spectrum" if known else f"How well {best.name} describes the spectrum is open"
    if known and best.poor:
        words = f"{best.name} does not describe the spectrum well"
    words += f", {spectrum.n_bins} bins from {spectrum.edges[0]:g} to {spectrum.edges[-1]:g} GeV."
    if best.steps:
        words += " Its number of parameters was chosen by tests one after another."
    bad = [b.name for b in report.backgrounds if b is not best and b.poor]
    if bad:
        words += f" Not well: {', '.join(bad)}."
    ndf = [] if good.ndf is None else [(f"{good.ndf:.4g}", "degrees of freedom")]
    toys = [] if good.p_toys is None else [(f"{good.p_toys:.2g}", f"p-value, {good.toys} pseudo-experiments")]
    chi2 = [] if good.p_value is None else [(f"{good.p_value:.2g}", "p-value, chi-square")]
    numbers = [(f"{good.deviance:.2f}", "deviance"), *ndf, *chi2, *toys]
    return Answer(words, numbers, _figure(best), "open" if not known else "no" if best.poor else "yes")


def _figure(background: Background) -> Figure:
    return Figure(f"fit_{background.name}.png", f"The spectrum, {background.name} with its error, and the pulls.")


def _goodness(backgrounds: Sequence[Background]) -> Table:
    rows = []
    for background in backgrounds:
        good = background.goodness
        cells = [_number(value) for value in (good.ndf, good.p_value, good.p_toys, good.ks, good.ks_p_toys)]
        rows.append([background.name, f"{good.deviance:.2f}", *cells, f"{good.pearson:.2f}", f"{good.sparse_bins}"])
    header = ["background", "deviance", "ndf", "p (chi-square)", "p (toys)", "KS distance", "its p (toys)"]
    return Table([*header, "Pearson's chi-square", "sparse bins"], rows)


def _order(background: Background) -> Iterator[Block]:
    rows = []
    for step in background.steps:
        numbers = [_number(value) for value in (step.fall, step.p_value, step.p_toys)]
        verdict = "kept" if step.kept else "could not be fitted" if step.fall is None else "not needed"
        rows.append([step.simpler, step.richer, *numbers, verdict])
    if rows:
        yield Text("Whether more parameters are needed:")
        yield Table(["from", "to", "fall of the deviance", "p (chi-square)", "p (toys)", "the richer is"], rows, 2)


def _parameters(background: Background) -> Iterator[Block]:
    if background.process is not None:
        process = background.process
        names = ["amplitude", "length in ln m", "effective parameters"]
        values = (process.amplitude, process.length, process.n_effective)
        yield Table(["", "value"], [[name, f"{value:.3g}"] for name, value in zip(names, values, strict=True)])
    if background.fit is None:
        return
    fit = background.fit
    rows = [
        [name, f"{value:.6g}", f"{error:.3g}"]
        for name, value, error in zip(fit.function.parameter_names, fit.parameters, fit.errors, strict=True)
    ]
    header = ["parameter", "value", "error"]
    if background.minos is not None:
        header += ["MINOS down", "MINOS up"]
        for row, (low, high) in zip(rows, background.minos, strict=True):
            row += [f"{low:+.3g}", f"{high:+.3g}"]
    yield Table(header, rows)
    yield Figure(f"fit_{background.name}_correlation.png", "Correlations of the parameters.")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
