"""Goodness of fit of a background, by asymptotic formulae and by pseudo-experiments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.counts.toys import OnToys, silent
from hepad.stats.fits.fit import BatchFit, chi_square_p, deviance

__all__ = ["Goodness", "Refit", "goodness", "toy_p"]

FloatArray = npt.NDArray[np.float64]

Refit = Callable[[FloatArray], BatchFit]
"""Fits the background to each of counts (T, n), as it was fitted to the data."""

_SPARSE = 5.0
"""Bins that expect fewer events than this make Pearson's statistic and the deviance unlike a chi-square (Cochran)."""
_BLOCK = 2000
SPARSE_TOYS = 1000
"""Pseudo-experiments where bins are sparse and nobody said how many."""


@dataclass(frozen=True)
class Goodness:
    """How well a background describes its data.

    `deviance` is the likelihood ratio to the saturated model, `p_value` its chi-square probability for `ndf` (None
    where there is no number of degrees of freedom) and `p_toys` the share of pseudo-experiments, each fitted like the
    data, that are no better, (k+1)/(n+1). `ks` is the largest distance of the cumulated data from the cumulated
    background, both of unit sum; as the background was fitted it has a p-value by pseudo-experiments only.
    `pearson` is sum (n-E)^2/E, and `sparse_bins` are those that spoil it.
    """

    deviance: float
    ndf: float | None
    p_value: float | None
    p_toys: float | None
    ks: float
    ks_p_toys: float | None
    pearson: float
    pearson_p: float | None
    sparse_bins: int
    toys: int
    failed_toys: int

    @property
    def best_p(self) -> float | None:
        """The p-value to go by: of pseudo-experiments where there are any."""
        return self.p_value if self.p_toys is None else self.p_toys


def goodness(
    counts: FloatArray,
    expected: FloatArray,
    *,
    ndf: float | None,
    refit: Refit,
    toys: int | None = None,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> Goodness:
    """Compare counts (n,) with the background (n,) fitted to them; `refit` is asked for if there are `toys`.

    `toys` None: 1000 if a bin expects fewer than 5 events, where the deviance is no chi-square (its probability is 0.9
    on average for a right background of 1000 falling events in 50 bins, and too small with a few in every bin), else 0.
    `on_toys` is told how many are done. `FitFailedError` if not one pseudo-experiment can be fitted.
    """
    found = float(deviance(counts, expected))
    distance = float(_ks(counts, expected))
    pearson = float(np.sum((counts - expected) ** 2 / expected))
    sparse = int(np.count_nonzero(expected < _SPARSE))
    if toys is None:
        toys = SPARSE_TOYS if sparse else 0
    p_toys = ks_p = None
    failed = 0
    if toys > 0:
        deviances, distances = _toys(expected, refit, toys, np.random.default_rng(seed), on_toys)
        failed = toys - len(deviances)
        p_toys, ks_p = toy_p(found, deviances), toy_p(distance, distances)
    return Goodness(
        deviance=found,
        ndf=ndf,
        p_value=None if ndf is None else chi_square_p(found, ndf),
        p_toys=p_toys,
        ks=distance,
        ks_p_toys=ks_p,
        pearson=pearson,
        pearson_p=None if ndf is None else chi_square_p(pearson, ndf),
        sparse_bins=sparse,
        toys=toys - failed,
        failed_toys=failed,
    )


def toy_p(value: float, toys: FloatArray) -> float:
    """(k+1)/(n+1) for k of n toys (n,) with a statistic at least as large as `value`; never 0."""
    return float((np.count_nonzero(toys >= value) + 1) / (len(toys) + 1))


def _toys(
    expected: FloatArray, refit: Refit, toys: int, rng: np.random.Generator, on_toys: OnToys | None
) -> tuple[FloatArray, FloatArray]:
    deviances, distances = [], []
    say = on_toys or silent
    say(0, toys)
    for begin in range(0, toys, _BLOCK):
        counts = rng.poisson(expected, size=(min(_BLOCK, toys - begin), len(expected))).astype(np.float64)
        batch = refit(counts)
        good = batch.converged
        deviances.append(batch.deviance[good])
        distances.append(_ks(counts[good], batch.expected[good]))
        say(begin + len(counts), toys)
    if not sum(map(len, deviances)):
        raise FitFailedError(f"none of the {toys} pseudo-experiments could be fitted; try fewer parameters")
    return np.concatenate(deviances), np.concatenate(distances)


def _ks(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Largest distance between the cumulative distributions of counts and expected (..., n)."""
    data, model = np.cumsum(counts, axis=-1), np.cumsum(expected, axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.max(np.abs(data / data[..., -1:] - model / model[..., -1:]), axis=-1))
