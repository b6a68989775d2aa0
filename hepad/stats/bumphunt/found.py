"""What a bump hunt has found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.stats.bumphunt.windows import IntArray
from hepad.stats.counts.poisson import significance

__all__ = ["BumpHunt", "Found", "PlaneHunt", "Tomography"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Tomography:
    """All windows: first and past-the-last bin, both (axes, windows), ln p, sign and veto (windows,)."""

    first: IntArray
    last: IntArray
    log_p: FloatArray
    sign: npt.NDArray[np.int8]
    vetoed: npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Found:
    """The most significant window and what pseudo-experiments say of it.

    `global_p` is (k+1)/(n+1) for k of n pseudo-experiments with a statistic at least as large, `global_p_error` its
    binomial error; both are None without pseudo-experiments. `toy_statistics` (n,) holds only the toys that count:
    `failed_toys` more were drawn whose refit did not converge. `refit` says whether each toy was fitted anew,
    `counted_reference` whether the reference's own fluctuations are in local and global p.
    `estimated_global_p` and its error are those of `rare_p`, for when the pseudo-experiments run out.
    `observed_in` and `expected_in` (channels,) are the events in the window; `direction` is "excess" or "deficit".
    """

    direction: str
    observed_in: FloatArray
    expected_in: FloatArray
    log_p: float
    local_p: float
    local_z: float | None
    statistic: float
    windows: int
    refit: bool
    counted_reference: bool
    toys: int
    failed_toys: int
    toys_above: int
    global_p: float | None
    global_p_error: float | None
    toy_statistics: FloatArray
    estimated_global_p: float | None
    estimated_global_p_error: float | None
    tomography: Tomography

    @property
    def observed(self) -> float:
        """Events in the window, all channels together."""
        return float(self.observed_in.sum())

    @property
    def expected(self) -> float:
        """Expected events in the window, all channels together."""
        return float(self.expected_in.sum())

    @property
    def global_z(self) -> float | None:
        """One-sided Gaussian significance of the global p-value; None if there is none or it is 1."""
        return None if self.global_p is None else significance(float(np.log(self.global_p)))


@dataclass(frozen=True)
class BumpHunt(Found):
    """The window, bins `first` to `last` exclusive, and its edges."""

    first: int
    last: int
    window: tuple[float, float]


@dataclass(frozen=True)
class PlaneHunt(Found):
    """The rectangle, bins `first` to `last` exclusive along both axes, and its edges along each."""

    first: tuple[int, int]
    last: tuple[int, int]
    window: tuple[tuple[float, float], tuple[float, float]]
