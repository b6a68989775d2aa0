"""Ratios of what is known of a jet, and which of its N-subjettiness have names."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["JET_RATIOS", "TAU_RATIOS", "ratio"]

_Floats = npt.NDArray[np.float64]

TAU_RATIOS = {
    "tau21": ("tau2", "tau1"),
    "tau32": ("tau3", "tau2"),
    "tau42": ("tau4", "tau2"),
    "tau43": ("tau4", "tau3"),
}
"""Numerator and denominator of each: a jet of too few particles has no denominator."""

JET_RATIOS = {**TAU_RATIOS, "sdrho": ("sdmass", "pt")}
"""These, and the mass in units of the momentum: of QCD it is nearly the same at all momenta, unlike the mass."""


def ratio(above: _Floats, below: _Floats) -> _Floats:
    """`above` / `below`, NaN where that is 0."""
    return np.asarray(np.divide(above, below, out=np.full(len(below), np.nan), where=below > 0))
