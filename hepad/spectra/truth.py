"""The background that pseudo-experiments are thrown from: a fit of the spectrum, or the spectrum itself."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.spectra.backgrounds import fit_functions
from hepad.spectra.models import BinnedData, functions_of, gp_base
from hepad.stats.fits.gaussian_process import fit_gaussian_process

__all__ = ["SPECTRUM", "truth"]

SPECTRUM = "spectrum"
"""The name for the spectrum's own counts as truth."""


def truth(name: str, data: BinnedData) -> npt.NDArray[np.float64]:
    """Expected events (n,) of the background by `name`: a function, `gp`, or `spectrum`.

    `InputDataError` if the spectrum holds no events, or has empty bins and is to be the truth itself.
    """
    spectrum = data.spectrum
    if spectrum.counts.sum() <= 0:
        raise InputDataError(f"{spectrum.name} holds no events in the range")
    if name == SPECTRUM:
        if np.any(spectrum.counts <= 0):
            raise InputDataError(
                f"{spectrum.name} has empty bins and cannot be the truth itself; choose a range or a smooth --truth"
            )
        return spectrum.counts
    base = gp_base(name)
    if base is not None:
        return fit_gaussian_process(data.edges, data.counts, base, exposure=data.exposure).expected * data.weights
    return fit_functions(data, functions_of(name))[0].expected * data.weights
