"""The background of a bump hunt: a fitted function, the file's own column, or another spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError
from hepad.spectra.files import Spectrum, counting_variances, read_spectrum, same_edges
from hepad.stats.fits.fit import FitResult, Refitter, fit_background, select_function
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.goodness import Goodness, goodness

__all__ = ["AUTO_FUNCTIONS", "Background", "background_of", "restricted"]

FloatArray = npt.NDArray[np.float64]

AUTO_FUNCTIONS = ("dijet3", "dijet4", "dijet5", "dijet6")
"""The nested functions among which `auto` chooses by the fall in deviance."""

_POOR_FIT = 0.01


@dataclass(frozen=True)
class Background:
    """Expected events (n,), their variances (n,) if they were counted, a fit and how good it is, and remarks."""

    expected: FloatArray
    variances: FloatArray | None = None
    fit: FitResult | None = None
    goodness: Goodness | None = None
    warnings: tuple[str, ...] = ()


def restricted(spectrum: Spectrum, mass_range: tuple[float, float] | None) -> Spectrum:
    """The whole bins in a range in GeV."""
    return spectrum if mass_range is None else spectrum.restrict(*mass_range)


def background_of(
    spectrum: Spectrum,
    *,
    function: str,
    reference: str | Spectrum | None,
    mass_range: tuple[float, float] | None,
    exact: bool,
) -> Background:
    """Fit `function`, or take the reference: "column" or another spectrum or its spec, without variances if `exact`."""
    if reference == "column":
        if spectrum.reference is None:
            raise InputDataError(f"{spectrum.name} has no reference column; give a function or another spectrum")
        return Background(spectrum.reference)
    if reference is not None:
        return _other(spectrum, restricted(read_spectrum(reference), mass_range), exact=exact)
    if function == "auto":
        candidates = [BackgroundFunction.from_card(load_fit(name)) for name in AUTO_FUNCTIONS]
        fit = select_function(spectrum.edges, spectrum.counts, candidates)
    else:
        fit = fit_background(spectrum.edges, spectrum.counts, BackgroundFunction.from_card(load_fit(function)))
    good = goodness(spectrum.counts, fit.expected, ndf=fit.ndf, refit=Refitter(spectrum.edges, fit).fit)
    if good.best_p is None or good.best_p >= _POOR_FIT:
        return Background(fit.expected, fit=fit, goodness=good)
    remark = (
        f"{fit.function.name} describes the spectrum poorly: deviance {fit.deviance:.1f} for {fit.ndf} degrees of "
        f"freedom (p = {good.best_p:.2g}{'' if good.p_toys is None else ' by pseudo-experiments'})"
    )
    return Background(fit.expected, fit=fit, goodness=good, warnings=(remark,))


def _other(spectrum: Spectrum, other: Spectrum, *, exact: bool) -> Background:
    if not same_edges(other.edges, spectrum.edges):
        raise InputDataError(f"{other.name} has other bins than {spectrum.name}")
    if other.counts.sum() <= 0:
        raise InputDataError(f"{other.name} is zero in all bins of the range")
    variances = counting_variances(other.counts, other.variances)
    if variances is None:
        return Background(other.counts)
    if exact:
        return Background(other.counts, warnings=("the reference's own uncertainty is left out, as asked",))
    return Background(other.counts, variances)
