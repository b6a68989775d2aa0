"""Backgrounds fitted to a spectrum: what a weighted one, a name and an order mean, once for every verb.

A weighted spectrum is fitted by its effective counts, with the typical weight of each bin (arXiv:1309.1287); deviance,
degrees of freedom and probabilities are theirs, and the expected events are in units of the spectrum again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.spectra.models import BinnedData, functions_of
from hepad.stats.counts.toys import OnToys
from hepad.stats.fits.fit import FitResult, Refitter, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.gaussian_process import GaussianProcessFit, fit_gaussian_process
from hepad.stats.fits.goodness import Goodness, goodness
from hepad.stats.fits.order import OrderStep, choose_order

__all__ = ["WEIGHTED", "FittedBackground", "fit_functions", "fitted_function", "fitted_process"]

FloatArray = npt.NDArray[np.float64]

_POOR_FIT = 0.01

WEIGHTED = (
    "the spectrum is weighted: what is fitted and counted are its effective counts; deviances, probabilities and "
    "significances are theirs, and approximate"
)
"""What a reader of any result of a weighted spectrum must know."""


@dataclass(frozen=True)
class FittedBackground:
    """A background of a spectrum: expected events (n,) and their standard deviations (n,), in units of the spectrum.

    `fit`, of a function, or `process` are of effective counts; neither is there for a sliding window. `steps` are
    those by which the number of parameters was chosen.
    """

    name: str
    kind: str
    expected: FloatArray
    errors: FloatArray
    goodness: Goodness
    fit: FitResult | None = None
    process: GaussianProcessFit | None = None
    steps: tuple[OrderStep, ...] = ()

    @property
    def poor(self) -> str | None:
        """What to say of a background that does not describe its spectrum; None if it does."""
        good = self.goodness
        if good.best_p is None or good.best_p >= _POOR_FIT:
            return None
        how = "chi-square" if good.p_toys is None else "pseudo-experiments"
        ndf = "" if good.ndf is None else f" for {good.ndf:.4g} degrees of freedom"
        return (
            f"{self.name} describes the spectrum poorly: deviance {good.deviance:.1f}{ndf}, p = {good.best_p:.2g} "
            f"by {how}"
        )


def fit_functions(
    data: BinnedData,
    functions: Sequence[BackgroundFunction],
    *,
    toys: int = 0,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> tuple[FitResult, tuple[OrderStep, ...]]:
    """The fit of the only function, or of the first of one family that the next does not improve (`choose_order`)."""
    if len(functions) == 1:
        return fit_background(data.edges, data.counts, functions[0], exposure=data.exposure), ()
    return choose_order(
        data.edges, data.counts, functions, toys=toys, seed=seed, exposure=data.exposure, on_toys=on_toys
    )


def fitted_function(
    data: BinnedData,
    name: str,
    *,
    order: int | None = None,
    toys: int | None = None,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> FittedBackground:
    """The background by `functions_of(name, order)`, with its goodness of fit by `toys` pseudo-experiments.

    None are enough to be right: 1000 where a bin expects fewer than 5 events, else none. The order is chosen by toys
    only if there is a number. `FitFailedError` if a fit fails, `InputDataError` if the spectrum does not suffice.
    `on_toys` is told how many are done, of the order's and then of the goodness'.
    """
    fit, steps = fit_functions(data, functions_of(name, order), toys=toys or 0, seed=seed, on_toys=on_toys)
    refit = Refitter(data.edges, fit, exposure=data.exposure).fit
    return FittedBackground(
        name=fit.function.name,
        kind="function",
        expected=fit.expected * data.weights,
        errors=fit.expected_errors * data.weights,
        goodness=goodness(data.counts, fit.expected, ndf=fit.ndf, refit=refit, toys=toys, seed=seed, on_toys=on_toys),
        fit=fit,
        steps=steps,
    )


def fitted_process(
    data: BinnedData,
    name: str,
    base: BackgroundFunction,
    *,
    toys: int | None = None,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> FittedBackground:
    """The Gaussian process `name` (`gp` or `gp:NAME`) around its `base`; arguments as of `fitted_function`."""
    fit = fit_gaussian_process(data.edges, data.counts, base, exposure=data.exposure)
    return FittedBackground(
        name=name.replace(":", "_"),
        kind="gaussian process",
        expected=fit.expected * data.weights,
        errors=fit.expected_errors * data.weights,
        goodness=goodness(
            data.counts, fit.expected, ndf=fit.ndf, refit=fit.refit, toys=toys, seed=seed, on_toys=on_toys
        ),
        process=fit,
    )
