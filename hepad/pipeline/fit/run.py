"""From a spectrum to its background: fits with errors, goodness of fit, figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.output.atomic import check_folder
from hepad.pipeline.fit.output import write_fits
from hepad.pipeline.fit.report import Background, FitReport
from hepad.provenance import command_line
from hepad.spectra.backgrounds import WEIGHTED, fitted_function, fitted_process
from hepad.spectra.files import Spectrum
from hepad.spectra.models import AUTO, BinnedData, function_of, gp_base, read_binned, short_spec
from hepad.stats.counts.toys import OnStage, OnToys, silent
from hepad.stats.fits.goodness import goodness
from hepad.stats.fits.minos import minos_errors
from hepad.stats.fits.window import WindowFit, WindowOptions

__all__ = ["Background", "FitOptions", "FitReport", "fit_backgrounds", "fit_spectrum"]

FloatArray = npt.NDArray[np.float64]

_WINDOW_TOYS = 100
"""Pseudo-experiments for the errors of a sliding-window fit where none are asked for."""


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """How to fit. `order` None takes the functions as they are, 0 chooses the number of parameters, else it is that.

    `toys` pseudo-experiments for the goodness of fit and the order, 0 for asymptotic formulae only, None for a goodness
    of fit by 1000 of them if bins are sparse; `window` bins either side make it a sliding-window fit, with a signal
    component of relative width `window_signal` if given.
    `mass_range` in GeV keeps whole bins. `on_toys` is told of which pseudo-experiments how many are done.
    """

    functions: tuple[str, ...] = ("dijet3",)
    order: int | None = 0
    mass_range: tuple[float, float] | None = None
    toys: int | None = None
    seed: int = 0
    window: int | None = None
    window_signal: float | None = None
    on_toys: OnStage = silent
    output: Path | None = None


def fit_spectrum(spec: str, *, options: FitOptions | None = None) -> FitReport:
    """Fit backgrounds to the spectrum `spec` (`file.root:name`, `file.json:name` or `file.csv`).

    With `options.output` a folder with fit.json and a table and figures of each is written. `FitFailedError` if any
    fit fails: there is no result then.
    """
    options = options or FitOptions()
    if options.output is not None:
        check_folder(options.output, verb="fit")
    report = fit_backgrounds(spec, options)
    if options.output is not None:
        write_fits(report, spec, options.output, _command(spec, options), options.functions)
    return report


def fit_backgrounds(spectrum: str | Spectrum, options: FitOptions) -> FitReport:
    """The same for a spectrum in memory, too; nothing is written."""
    _check(options)
    data = read_binned(spectrum, options.mass_range)
    if data.counts.sum() <= 0:
        raise InputDataError(f"{data.spectrum.name} holds no events in the range")
    backgrounds = tuple(_background(name, data, options) for name in options.functions)
    warnings = [text for background in backgrounds for text in _warnings(background)]
    if data.spectrum.is_weighted:
        warnings.append(WEIGHTED)
    return FitReport(data, backgrounds, options.seed, tuple(warnings))


def _check(options: FitOptions) -> None:
    if options.toys is not None and options.toys < 0:
        raise UsageError(f"the number of pseudo-experiments is not negative, found {options.toys}")
    if not options.functions or len(set(options.functions)) < len(options.functions):
        raise UsageError("give each function once, and one at least")
    if options.window_signal is not None and (options.window is None or not options.window_signal > 0):
        raise UsageError("--window-signal is a relative width above zero and needs --window")
    if options.window is not None and (options.order == 0 or AUTO in options.functions):
        raise UsageError("a sliding window takes its function as it is; leave out auto")


def _background(name: str, data: BinnedData, options: FitOptions) -> Background:
    on_toys = partial(options.on_toys, f"toys of {name}")
    base = gp_base(name)
    if base is not None:
        if options.window is not None:
            raise UsageError("a Gaussian process needs no sliding window; leave out --window")
        return Background.of(fitted_process(data, name, base, toys=options.toys, seed=options.seed, on_toys=on_toys))
    if options.window is not None:
        return _by_window(name, data, options, on_toys)
    found = fitted_function(data, name, order=options.order, toys=options.toys, seed=options.seed, on_toys=on_toys)
    assert found.fit is not None  # noqa: S101  of a function
    return Background.of(found, minos_errors(data.edges, data.counts, found.fit, exposure=data.exposure))


def _by_window(name: str, data: BinnedData, options: FitOptions, on_toys: OnToys) -> Background:
    assert options.window is not None  # noqa: S101  by the caller
    function = function_of(name, options.order)
    how = WindowOptions(options.window, options.window_signal)
    windows = WindowFit(data.edges, data.counts, function, how, exposure=data.exposure)
    expected = windows.best()
    rng = np.random.default_rng(options.seed)
    toys = rng.poisson(expected, size=(options.toys or _WINDOW_TOYS, len(expected))).astype(np.float64)
    batch = windows.fit(toys)
    if np.count_nonzero(batch.converged) < len(toys) / 2:
        raise FitFailedError(
            f"most pseudo-experiments of the sliding window of {function.name} failed: there are no errors; try wider "
            "windows or fewer parameters"
        )
    errors = batch.expected[batch.converged].std(axis=0)
    good = goodness(
        data.counts, expected, ndf=None, refit=windows.fit, toys=options.toys or 0, seed=options.seed, on_toys=on_toys
    )
    return Background(f"{function.name}_window", "sliding window", expected * data.weights, errors * data.weights, good)


def _warnings(background: Background) -> list[str]:
    """What a reader must know before using the fit."""
    good, name = background.goodness, background.name
    remarks = [] if background.poor is None else [background.poor]
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


def _command(spec: str, options: FitOptions) -> str:
    """The command in its normal form, without folders and without the output's name."""
    order = {None: None, 0: "auto"}.get(options.order, options.order)
    span = None if options.mass_range is None else f"{options.mass_range[0]:g}:{options.mass_range[1]:g}"
    return command_line(
        f"fit {short_spec(spec)}",
        function=[Path(name).name for name in options.functions],
        order=order,
        range=span,
        toys=options.toys,
        window=options.window,
        window_signal=options.window_signal,
        seed=options.seed,
    )
