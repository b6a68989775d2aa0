"""MINOS intervals of the parameters of a background function."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from iminuit import Minuit

from hepad.stats.fits.fit import Design, FitResult, deviance

__all__ = ["minos_errors"]

FloatArray = npt.NDArray[np.float64]


def minos_errors(
    edges: FloatArray, counts: FloatArray, fit: FitResult, *, exposure: FloatArray | None = None
) -> FloatArray:
    """Errors (k, 2) down (negative) and up at which the profile deviance has risen by one; NaN where there is none.

    A parameter is a linear function of the orthogonal coordinates in which the fit is well conditioned. They are
    rotated so that the first of them is that parameter, and iminuit's MINOS runs along it. For p1 it runs along its
    logarithm, which gives the same interval as likelihoods do not mind.
    """
    design = Design(edges, counts, fit.function, exposure=exposure)
    centre = design.to_phi(fit.parameters)
    rows = [_interval(design, counts, centre, direction) for direction in design.to_linear]
    errors = np.array(rows)
    errors[0] = fit.parameters[0] * np.expm1(errors[0])
    return errors


def _interval(design: Design, counts: FloatArray, centre: FloatArray, direction: FloatArray) -> tuple[float, float]:
    """Errors down and up of the parameter `direction` @ phi."""
    length = float(np.linalg.norm(direction))
    rotation, _ = np.linalg.qr(np.column_stack([direction / length, np.eye(len(centre))]))
    rotation[:, 0] = direction / length  # a QR decomposition may turn its sign

    def cost(psi: FloatArray) -> float:
        return 0.5 * float(deviance(counts, design.predict((centre + rotation @ psi)[None, :])[0][0]))

    def gradient(psi: FloatArray) -> FloatArray:
        expected, slopes = design.predict((centre + rotation @ psi)[None, :])
        return np.asarray(((1 - counts / expected[0]) @ slopes[0]) @ rotation, dtype=np.float64)

    with np.errstate(all="ignore"):
        minuit = Minuit(cost, np.zeros(len(centre)), grad=gradient)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.migrad()
        if not minuit.valid:
            return np.nan, np.nan
        minuit.minos("x0")
    found = minuit.merrors["x0"]
    shift = float(minuit.values[0])
    down = shift + float(found.lower) if found.lower_valid else np.nan
    up = shift + float(found.upper) if found.upper_valid else np.nan
    return down * length, up * length
