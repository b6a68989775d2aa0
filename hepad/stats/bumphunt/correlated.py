"""One p-value over many looks at spectra that share events: windows, masses and methods together.

The events are bootstrapped, one that several spectra share comes or goes in all of them, and each spectrum is fitted
anew. That gives the correlations of all significances; background alone gives normal numbers of these correlations, and
the largest of them is what the largest of the data is held against.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr, ndtr, ndtri_exp

from hepad.errors import FitFailedError

__all__ = ["FEWEST_BOOTSTRAPS", "Bootstraps", "Look", "WindowTrials", "global_p"]

FloatArray = npt.NDArray[np.float64]

FEWEST_BOOTSTRAPS = 50
"""Of these that must be fitted, for correlations."""
_BLOCK_NUMBERS = 4_000_000
_GROUPS = 5
"""Of bootstraps; leaving out one after the other says how far the p-value depends on the bootstraps that there are."""


class Look(Protocol):
    """A spectrum in bins of `edges` (n+1,), and what is looked for in it."""

    @property
    def edges(self) -> FloatArray:
        """Its edges, in GeV."""
        ...

    @property
    def z(self) -> float | FloatArray:
        """The significance of what is looked for, or those (k,) of several, in the data."""
        ...

    def z_of(self, counts: FloatArray) -> FloatArray:
        """The same (T,) or (T, k) of other counts (T, n), each fitted anew, negative for deficits; NaN if it fails."""
        ...


@dataclass(frozen=True)
class WindowTrials:
    """The global p-value over all looks and its error, and the place, `best`, of the largest significance.

    The error is of the finite numbers of draws and of bootstraps, which the correlations are of. That significances
    are normal numbers is not in it: in spectra of few events they are not.
    `effective` is the number of independent looks that would give as many chances; so many `bootstraps` could be
    fitted at the least, and `shared_events` are in more than one spectrum.
    """

    best: int
    global_p: float
    global_p_error: float
    effective: float
    bootstraps: int
    shared_events: int


@dataclass(frozen=True)
class Bootstraps:
    """Significances (K,) of all looks in the data, and `rows` (T, K) of bootstraps: mean 0, variance 1 over rows.

    `owner` (K,) is the look of each, `fitted` (K,) how many bootstraps of it were, `inside` (events, looks) says which
    events its spectrum has.
    """

    z: FloatArray
    rows: FloatArray
    owner: npt.NDArray[np.intp]
    fitted: npt.NDArray[np.intp]
    inside: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, looks: Sequence[Look], masses: Sequence[FloatArray], *, toys: int, seed: int = 0) -> Bootstraps:
        """Bootstrap events; `masses` (events,) are those of each look, NaN where its spectrum has not the event."""
        bins = np.stack([_bins(own, look.edges) for own, look in zip(masses, looks, strict=True)], axis=1)
        counts = _drawn(bins, [len(look.edges) - 1 for look in looks], toys, seed)
        found = [np.reshape(look.z_of(part), (toys, -1)) for look, part in zip(looks, counts, strict=True)]
        z = [np.atleast_1d(np.asarray(look.z, dtype=np.float64)) for look in looks]
        owner = np.repeat(np.arange(len(looks)), [len(one) for one in z])
        rows, fitted = _standard(np.concatenate(found, axis=1))
        return cls(np.concatenate(z), rows, owner, fitted, bins >= 0)

    def trials(self, looks: Sequence[int], *, draws: int = 20_000, seed: int = 0) -> WindowTrials:
        """The global p-value over some of the looks, by their places; `FitFailedError` if too few could be fitted."""
        chosen = np.flatnonzero(np.isin(self.owner, looks))
        fitted = int(self.fitted[chosen].min())
        if fitted < FEWEST_BOOTSTRAPS:
            raise FitFailedError(f"{fitted} of {len(self.rows)} bootstraps of {len(looks)} spectra could be fitted")
        z = self.z[chosen]
        p, error = _tail_of_largest(self.rows[:, chosen], float(z.max()), draws=draws, seed=seed)
        local = float(ndtr(-z.max()))
        effective = float(np.log1p(-p) / np.log1p(-local)) if 0 < local < 1 and 0 < p < 1 else float("nan")
        shared = int(np.count_nonzero(self.inside[:, looks].sum(axis=1) > 1))
        return WindowTrials(int(np.argmax(z)), p, error, effective, fitted, shared)


def global_p(
    looks: Sequence[Look], masses: FloatArray, *, toys: int = 400, draws: int = 20_000, seed: int = 0
) -> WindowTrials:
    """The probability that background alone gives, in any of the looks, as large a significance as the largest.

    `masses` (events, looks) are those of the events of each spectrum, NaN where it has not one. A spectrum that is
    there twice counts once. `FitFailedError` if too few of the fits converge.
    """
    return Bootstraps.of(looks, list(masses.T), toys=toys, seed=seed).trials(range(len(looks)), draws=draws, seed=seed)


def _drawn(bins: npt.NDArray[np.int16], sizes: Sequence[int], toys: int, seed: int) -> list[FloatArray]:
    """Counts (toys, n) of bootstraps of events in bins (events, looks), -1 for none, for each look."""
    from scipy.sparse import csr_array

    cells, seen = np.unique(bins[(bins >= 0).any(axis=1)], axis=0, return_counts=True)
    ends = np.cumsum(np.array(sizes))
    row, column = np.nonzero(cells >= 0)
    places = cells[row, column] + np.append(0, ends)[column]
    incidence = csr_array((np.ones(len(row)), (row, places)), shape=(len(cells), int(ends[-1])))
    rng, block = np.random.default_rng(seed), max(1, _BLOCK_NUMBERS // max(len(cells), 1))
    parts: list[FloatArray] = [
        np.asarray(rng.poisson(seen, (min(block, toys - start), len(seen))).astype(np.float64) @ incidence)
        for start in range(0, toys, block)
    ]
    return np.split(np.concatenate(parts), ends[:-1], axis=1)


def _standard(z: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Columns of mean 0 and variance 1, 0 where a fit failed, and how many did not."""
    good = np.isfinite(z)
    fitted = np.count_nonzero(good, axis=0)
    rows = np.where(good, z - np.where(good, z, 0.0).sum(axis=0) / np.maximum(fitted, 1), 0.0)
    return rows / np.maximum(np.sqrt((rows**2).mean(axis=0)), 1e-12), fitted


def _tail_of_largest(rows: FloatArray, level: float, *, draws: int, seed: int) -> tuple[float, float]:
    """P(the largest of K correlated unit normal numbers >= level) and its error; correlations are those of the rows.

    One of the numbers is drawn above the level and the others as it asks for; the mean of one over how many are above
    it then, times K P(one is), has the probability for its mean, and is as precise for the smallest (D. Naiman,
    C. Priebe, J. Comput. Graph. Stat. 10 (2001) 296). The error is that of the draws and, by a jackknife of groups with
    the same draws, of the rows.
    """
    count, k = rows.shape
    gone = [slice(0, 0), *(slice(group, None, _GROUPS) for group in range(_GROUPS))]
    products = [rows.T @ rows - rows[out].T @ rows[out] for out in gone]
    widths = [np.maximum(np.sqrt(np.diag(product)), 1e-12) for product in products]
    rng, block = np.random.default_rng([seed, 1]), max(1, _BLOCK_NUMBERS // max(count, k))
    inverse = np.empty((len(gone), draws))
    for start in range(0, draws, block):
        size = min(block, draws - start)
        normal = rng.standard_normal((size, count))
        which, here = rng.integers(k, size=size), np.arange(size)
        above = _beyond(level, rng.uniform(size=size))
        # Of T bootstraps, T independent numbers weigh the rows: normal, with the correlations of the rows.
        whole = normal @ rows
        for found, out, product, width in zip(inverse, gone, products, widths, strict=True):
            mixed = (whole - normal[:, out] @ rows[out]) / width
            mixed += (above - mixed[here, which])[:, None] * (product / np.outer(width, width))[which]
            mixed[here, which] = above
            found[start : start + size] = 1 / np.count_nonzero(mixed >= level, axis=1)
    most = k * float(ndtr(-level))
    mean, *left = most * inverse.mean(axis=1)
    errors = most * inverse[0].std() / np.sqrt(draws), np.sqrt(_GROUPS - 1) * np.std(left)
    return min(float(mean), 1.0), float(np.hypot(*errors))


def _beyond(level: float, uniform: FloatArray) -> FloatArray:
    """Normal numbers above a level, of uniform ones."""
    return np.asarray(np.maximum(-ndtri_exp(log_ndtr(-level) + np.log(uniform)), level))


def _bins(mass: FloatArray, edges: FloatArray) -> npt.NDArray[np.int16]:
    """Bins (events,) of masses as of numpy's histogram, -1 for those of none."""
    place = np.searchsorted(edges, mass, side="right") - 1
    place = np.where(mass == edges[-1], len(edges) - 2, place)
    return np.where((mass >= edges[0]) & (mass <= edges[-1]), place, -1).astype(np.int16)
