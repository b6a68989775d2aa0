"""From a spectrum to its background: fits with errors, goodness of fit, figures."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError, UsageError
from hepad.io.atomic import atomic_folder, check_folder
from hepad.io.spectra import spectrum_path
from hepad.pipeline.figures import save_figure
from hepad.pipeline.fit_models import (
    BinnedData,
    card_hashes,
    family_members,
    function_of,
    gp_base,
    read_binned,
    short_spec,
)
from hepad.provenance import command_line, provenance
from hepad.stats.fit import FitResult, Refitter, fit_background
from hepad.stats.gaussian_process import GaussianProcessFit, fit_gaussian_process
from hepad.stats.goodness import Goodness, goodness
from hepad.stats.minos import minos_errors
from hepad.stats.order import OrderStep, choose_order
from hepad.stats.poisson import signed_root
from hepad.stats.window import WindowFit, WindowOptions

__all__ = ["Background", "FitOptions", "FitReport", "fit_spectrum"]

FloatArray = npt.NDArray[np.float64]

_OURS = ("fit.json", "fit_*.png", "fit_*.pdf", "fit_*.csv")
_POOR_FIT = 0.01
_WINDOW_TOYS = 100
"""Pseudo-experiments for the errors of a sliding-window fit where none are asked for."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How to fit. `order` None takes the functions as they are, 0 chooses the number of parameters, else it is that.

    `toys` pseudo-experiments for the goodness of fit and the order, 0 for asymptotic formulae only; `window` bins
    either side make it a sliding-window fit, with a signal component of relative width `window_signal` if given.
    `mass_range` in GeV keeps whole bins.
    """

    functions: tuple[str, ...] = ("dijet3",)
    order: int | None = 0
    mass_range: tuple[float, float] | None = None
    toys: int = 0
    seed: int = 0
    window: int | None = None
    window_signal: float | None = None
    output: Path | None = None


@dataclass(frozen=True)
class Background:
    """One background of the spectrum: expected events (n,) and their standard deviations (n,), in its own units.

    `fit` is there for a function on the whole range, with its `minos` errors (k, 2) down and up, NaN where MINOS
    failed; `process` for a Gaussian process; neither for a sliding window.
    """

    name: str
    kind: str
    expected: FloatArray
    errors: FloatArray
    goodness: Goodness
    fit: FitResult | None = None
    minos: FloatArray | None = None
    process: GaussianProcessFit | None = None
    steps: tuple[OrderStep, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The background in plain JSON types, without a key for what it does not have."""
        content: dict[str, Any] = {"name": self.name, "kind": self.kind, "goodness": asdict(self.goodness)}
        if self.steps:
            content["order"] = [asdict(step) for step in self.steps]
        if self.fit is not None:
            content |= _parameters(self.fit, self.minos)
        if self.process is not None:
            names = ("amplitude", "length", "at_limit", "n_effective", "log_evidence")
            content["process"] = {name: getattr(self.process, name) for name in names}
            content["process"]["base"] = self.process.base.name
        return content | {"expected": self.expected.tolist(), "expected_errors": self.errors.tolist()}


@dataclass(frozen=True)
class FitReport:
    """The spectrum, its backgrounds in the order asked for, and remarks that a reader of them must know."""

    data: BinnedData
    backgrounds: tuple[Background, ...]
    seed: int
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The report in plain JSON types; masses in GeV."""
        spectrum = self.data.spectrum
        return {
            "spectrum": {
                "name": Path(spectrum.name).name,
                "bins": spectrum.n_bins,
                "range": [float(spectrum.edges[0]), float(spectrum.edges[-1])],
                "weighted": spectrum.is_weighted,
            },
            "fits": [background.to_json() for background in self.backgrounds],
            "seed": self.seed,
            "warnings": list(self.warnings),
        }


def fit_spectrum(spec: str, *, options: FitOptions | None = None) -> FitReport:
    """Fit backgrounds to the spectrum `spec` (`file.root:name`, `file.json:name` or `file.csv`).

    With `options.output` a folder with fit.json and a table and figures of each is written. `FitFailedError` if any
    fit fails: there is no result then.
    """
    options = options or FitOptions()
    _check(options)
    if options.output is not None:
        check_folder(options.output, ours=_OURS)
    data = read_binned(spec, options.mass_range)
    if data.counts.sum() <= 0:
        raise InputDataError(f"{spec} holds no events in the range")
    backgrounds = tuple(_background(name, data, options) for name in options.functions)
    warnings = [text for background in backgrounds for text in _warnings(background)]
    if data.spectrum.is_weighted:
        warnings.append(
            "the spectrum is weighted: effective counts were fitted; deviances and p-values are theirs, and approximate"
        )
    report = FitReport(data, backgrounds, options.seed, tuple(warnings))
    if options.output is not None:
        _write(report, spec, options, options.output)
    return report


def _check(options: FitOptions) -> None:
    if options.toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.toys}")
    if not options.functions or len(set(options.functions)) < len(options.functions):
        raise UsageError("give each function once, and one at least")
    if options.window_signal is not None and (options.window is None or not options.window_signal > 0):
        raise UsageError("--window-signal is a relative width above zero and needs --window")
    if options.window is not None and options.order == 0:
        raise UsageError("a sliding window takes its function as it is; leave out --order auto")


def _background(name: str, data: BinnedData, options: FitOptions) -> Background:
    base = gp_base(name)
    if base is not None:
        if options.window is not None:
            raise UsageError("a Gaussian process needs no sliding window; leave out --window")
        return _by_process(name, data, options)
    return _by_function(name, data, options) if options.window is None else _by_window(name, data, options)


def _by_function(name: str, data: BinnedData, options: FitOptions) -> Background:
    edges, counts, exposure = data.edges, data.counts, data.exposure
    steps: tuple[OrderStep, ...] = ()
    if options.order == 0:
        members = family_members(name)
        fit, steps = choose_order(edges, counts, members, toys=options.toys, seed=options.seed, exposure=exposure)
    else:
        fit = fit_background(edges, counts, function_of(name, options.order), exposure=exposure)
    refit = Refitter(edges, fit, exposure=exposure).fit
    return Background(
        name=fit.function.name,
        kind="function",
        expected=fit.expected * data.weights,
        errors=fit.expected_errors * data.weights,
        goodness=goodness(counts, fit.expected, ndf=fit.ndf, refit=refit, toys=options.toys, seed=options.seed),
        fit=fit,
        minos=minos_errors(edges, counts, fit, exposure=exposure),
        steps=steps,
    )


def _by_process(name: str, data: BinnedData, options: FitOptions) -> Background:
    base = gp_base(name)
    assert base is not None  # noqa: S101  by the caller
    fit = fit_gaussian_process(data.edges, data.counts, base, exposure=data.exposure)
    good = goodness(data.counts, fit.expected, ndf=fit.ndf, refit=fit.refit, toys=options.toys, seed=options.seed)
    expected, errors = fit.expected * data.weights, fit.expected_errors * data.weights
    return Background(name.replace(":", "_"), "gaussian process", expected, errors, good, process=fit)


def _by_window(name: str, data: BinnedData, options: FitOptions) -> Background:
    assert options.window is not None  # noqa: S101  by the caller
    function = function_of(name, options.order)
    how = WindowOptions(options.window, options.window_signal)
    windows = WindowFit(data.edges, data.counts, function, how, exposure=data.exposure)
    expected = windows.best()
    rng = np.random.default_rng(options.seed)
    toys = rng.poisson(expected, size=(options.toys or _WINDOW_TOYS, len(expected))).astype(np.float64)
    batch = windows.fit(toys)
    errors = batch.expected[batch.converged].std(axis=0) if batch.converged.sum() > 1 else np.zeros_like(expected)
    good = goodness(data.counts, expected, ndf=None, refit=windows.fit, toys=options.toys, seed=options.seed)
    return Background(f"{function.name}_window", "sliding window", expected * data.weights, errors * data.weights, good)


def _warnings(background: Background) -> list[str]:
    """What a reader must know before using the fit."""
    good, name = background.goodness, background.name
    remarks = []
    if good.best_p is not None and good.best_p < _POOR_FIT:
        how = "chi-square" if good.p_toys is None else "pseudo-experiments"
        remarks.append(
            f"{name} describes the spectrum poorly: deviance {good.deviance:.1f}, p = {good.best_p:.2g} by {how}"
        )
    if good.sparse_bins:
        remarks.append(
            f"{name}: {good.sparse_bins} bins expect fewer than 5 events: Pearson's chi-square ({good.pearson:.1f}) "
            "misleads there" + ("" if good.p_toys is not None else ", and the deviance's p-value needs --toys")
        )
    if good.failed_toys:
        remarks.append(f"{name}: {good.failed_toys} pseudo-experiments were left out, their fits did not converge")
    if background.minos is not None and not np.all(np.isfinite(background.minos)):
        remarks.append(f"{name}: MINOS found no interval for some parameters; their errors are the covariance's only")
    if background.process is not None and background.process.at_limit:
        remarks.append(f"{name}: amplitude or length of the Gaussian process is at the end of its range")
    return remarks


def _parameters(fit: FitResult, minos: FloatArray | None) -> dict[str, Any]:
    names = fit.function.parameter_names
    found = np.full((len(names), 2), np.nan) if minos is None else minos
    intervals = [None if np.isnan(pair).any() else pair.tolist() for pair in found]
    return {
        "parameters": dict(zip(names, fit.parameters.tolist(), strict=True)),
        "errors": dict(zip(names, fit.errors.tolist(), strict=True)),
        "minos": dict(zip(names, intervals, strict=True)),
        "covariance": fit.covariance.tolist(),
        "correlation": correlation(fit).tolist(),
    }


def correlation(fit: FitResult) -> FloatArray:
    """The correlation matrix (k, k) of the parameters."""
    return np.asarray(fit.covariance / np.outer(fit.errors, fit.errors), dtype=np.float64)


def _write(report: FitReport, spec: str, options: FitOptions, output: Path) -> None:
    from hepad.plot.correlation import plot_correlation
    from hepad.plot.spectrum import plot_spectrum

    order = {None: None, 0: "auto"}.get(options.order, options.order)
    span = None if options.mass_range is None else f"{options.mass_range[0]:g}:{options.mass_range[1]:g}"
    command = command_line(
        f"fit {short_spec(spec)}",
        function=[Path(name).name for name in options.functions],
        order=order,
        range=span,
        toys=options.toys,
        window=options.window,
        window_signal=options.window_signal,
        seed=options.seed,
    )
    cards = card_hashes(options.functions)
    record = provenance(command, inputs=[spectrum_path(spec)[0]], seed=options.seed, cards=cards)
    spectrum, weights = report.data.spectrum, report.data.weights
    with atomic_folder(output, ours=_OURS) as folder:
        text = json.dumps({**report.to_json(), "provenance": record}, indent=2, allow_nan=False)
        (folder / "fit.json").write_text(text + "\n", encoding="utf-8")
        for background in report.backgrounds:
            stem = folder / f"fit_{background.name}"
            figure = plot_spectrum(
                spectrum.edges,
                spectrum.counts,
                background.expected,
                pulls=signed_root(report.data.counts, np.maximum(background.expected / weights, 1e-9)),
                background_label=f"{background.name} ({background.kind})",
                background_errors=background.errors,
                count_errors=np.sqrt(spectrum.counts * weights) if spectrum.is_weighted else None,
                remarks=_remarks(background),
            )
            save_figure(figure, stem)
            if background.fit is not None:
                matrix = plot_correlation(correlation(background.fit), background.fit.function.parameter_names)
                save_figure(matrix, stem.with_name(f"{stem.name}_correlation"))
            _write_table(stem.with_suffix(".csv"), report.data, background)


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
