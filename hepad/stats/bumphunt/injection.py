"""Signal injected into pseudo-experiments: what significance to expect of which yield."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from hepad.errors import FitFailedError, UsageError
from hepad.stats.bumphunt.null import Null
from hepad.stats.counts.toys import OnToys, part

__all__ = ["Sensitivity", "gaussian_shape", "sensitivity"]

FloatArray = npt.NDArray[np.float64]

_BANDS = ndtr(np.array([-2.0, -1.0, 0.0, 1.0, 2.0]))


@dataclass(frozen=True)
class Sensitivity:
    """Global significance of injected yields (k,): quantiles `z` (k, 5) at -2, -1, 0, 1, 2 sigma of experiments.

    No significance above `ceiling` can be told with as many pseudo-experiments of background.
    `power` (k,) is the share of experiments of at least three sigma.
    """

    yields: FloatArray
    z: FloatArray
    power: FloatArray
    ceiling: float
    toys: int

    def needed(self, level: float) -> float | None:
        """The yield whose median reaches `level`, linear between yields; None if none does."""
        median = np.maximum.accumulate(self.z[:, 2])
        above = np.flatnonzero(median >= level)
        if len(above) == 0:
            return None
        i = int(above[0])
        if i == 0 or median[i] == median[i - 1]:
            return float(self.yields[i])
        share = (level - median[i - 1]) / (median[i] - median[i - 1])
        return float(self.yields[i - 1] + share * (self.yields[i] - self.yields[i - 1]))


def gaussian_shape(edges: FloatArray, mass: float, width: float) -> FloatArray:
    """Shares (n,) in bins of edges (n+1,) of a Gaussian at `mass` with standard deviation `width` x mass."""
    if not (edges[0] < mass < edges[-1] and width > 0):
        raise UsageError(
            f"a signal needs a mass within {edges[0]:g} to {edges[-1]:g} and a width, found {mass:g} and {width:g}"
        )
    return np.diff(ndtr((edges - mass) / (width * mass)))


def sensitivity(
    null: Null,
    shape: FloatArray,
    yields: FloatArray,
    *,
    background: FloatArray,
    toys: int = 1000,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> Sensitivity:
    """Inject yields (k,) of events of a shape (channels, n), shares of one event, in `toys` experiments each.

    `background` (m,) are statistics of pseudo-experiments without signal, as `Found.toy_statistics`: of them the
    global p-value of an experiment is (j+1)/(m+1), j with a statistic at least as large. `on_toys` is told how many
    experiments are done, of those of all yields.
    """
    if len(background) < 100 or toys < 100:
        raise UsageError("an expected sensitivity needs 100 pseudo-experiments or more")
    ordered = np.sort(background)
    z, power = np.empty((len(yields), len(_BANDS))), np.empty(len(yields))
    for i, amount in enumerate(yields):
        drawn = null.draw(toys, seed + 1 + i, signal=amount * shape, on_toys=part(on_toys, i, len(yields)))
        drawn = drawn[np.isfinite(drawn)]
        if len(drawn) == 0:
            raise FitFailedError(f"no fit converged with {amount:g} events injected")
        above = len(ordered) - np.searchsorted(ordered, drawn - 1e-7 * (1 + drawn))
        found = np.maximum(-ndtri((above + 1) / (len(ordered) + 1)), -10.0)
        z[i] = np.quantile(found, _BANDS)
        power[i] = float(np.mean(found >= 3))
    return Sensitivity(yields, z, power, float(-ndtri(1 / (len(ordered) + 1))), toys)
