"""The background of a bump hunt: a fitted function, the file's own column, or another spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.spectra.backgrounds import fitted_function
from hepad.spectra.files import Spectrum, counting_variances, read_spectrum, same_edges
from hepad.spectra.models import BinnedData
from hepad.stats.fits.fit import FitResult
from hepad.stats.fits.goodness import Goodness

__all__ = ["Background", "background_of", "restricted"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Background:
    """Expected events (n,) in units of the spectrum, their variances (n,) if they were counted, and remarks.

    `fit`, of effective counts, and how good it is are there for a fitted one; `weights` (n,) are what an event of the
    spectrum stands for (`BinnedData`).
    """

    expected: FloatArray
    weights: FloatArray
    variances: FloatArray | None = None
    fit: FitResult | None = None
    goodness: Goodness | None = None
    warnings: tuple[str, ...] = ()

    @property
    def exposure(self) -> FloatArray | None:
        """Effective counts per count (n,); None where they are the same."""
        return None if np.all(self.weights == 1) else 1 / self.weights


def restricted(spectrum: Spectrum, mass_range: tuple[float, float] | None) -> Spectrum:
    """The whole bins in a range in GeV."""
    return spectrum if mass_range is None else spectrum.restrict(*mass_range)


def background_of(
    data: BinnedData,
    *,
    function: str,
    reference: str | Spectrum | None,
    mass_range: tuple[float, float] | None,
    exact: bool,
    seed: int = 0,
) -> Background:
    """Fit `function`, or take the reference: "column" or another spectrum or its spec, without variances if `exact`.

    `seed` is that of the pseudo-experiments for the goodness of fit.
    """
    spectrum, weights = data.spectrum, data.weights
    if reference == "column":
        if spectrum.reference is None:
            raise InputDataError(f"{spectrum.name} has no reference column; give a function or another spectrum")
        return Background(spectrum.reference, weights)
    if reference is not None:
        return _other(data, restricted(read_spectrum(reference), mass_range), exact=exact)
    found = fitted_function(data, function, seed=seed)
    remarks = () if found.poor is None else (found.poor,)
    return Background(found.expected, weights, fit=found.fit, goodness=found.goodness, warnings=remarks)


def _other(data: BinnedData, other: Spectrum, *, exact: bool) -> Background:
    spectrum, weights = data.spectrum, data.weights
    if not same_edges(other.edges, spectrum.edges):
        raise InputDataError(f"{other.name} has other bins than {spectrum.name}")
    if other.counts.sum() <= 0:
        raise InputDataError(f"{other.name} is zero in all bins of the range")
    variances = counting_variances(other.counts, other.variances)
    if variances is None:
        return Background(other.counts, weights)
    if exact:
        return Background(other.counts, weights, warnings=("the reference's own uncertainty is left out, as asked",))
    return Background(other.counts, weights, variances)
