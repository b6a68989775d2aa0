"""One global p-value of hunts in several spectra whose events overlap.

Events are counted in cells: those in the same bin of every spectrum, or in none of it, share one. The means of the
cells are fitted to the expected events of all spectra at once by iterative proportional fitting (W. Deming and
F. Stephan, Ann. Math. Stat. 11 (1940) 427), from the observed cells: background alone, with the overlaps of the data.
Where these cannot give the expected events, because no event happened to be in one spectrum alone, cells of such
events take what is missing. Cells fluctuate by Poisson, so that an event shared by spectra comes or goes in all of
them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from scipy.special import pdtr

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.bumphunt.null import FixedNull, RefittedNull
from hepad.stats.counts.toys import OnToys, Sampler, part

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["Cells", "Trials", "check_table", "global_p_of_many", "make_cells"]

FloatArray = npt.NDArray[np.float64]

_ITERATIONS = 2000
_TOLERANCE = 0.01
"""How far, in standard deviations of a bin, its mean over pseudo-experiments may lie from the expected events."""
_SEED_MEAN = 1e-4
"""Of cells that no event was seen in: next to nothing, unless the expected events cannot do without them."""
_UNLIKELY = 1e-6
"""Backgrounds that would let so few events be in one spectrum alone, as few as there are, with less than this
probability do not belong to these events."""
_BLOCK_NUMBERS = 4_000_000


@dataclass(frozen=True)
class Cells:
    """Background means (cells,) and which bins of all spectra, one after the other, each cell counts in."""

    means: FloatArray
    incidence: csr_array
    shared: int


@dataclass(frozen=True)
class Trials:
    """The global p-value over all spectra: of the smallest single one, `best`.

    `single_p` (spectra,) are the global p-values of each alone, (k+1)/(n+1) with the same n pseudo-experiments.
    `effective` is the number of independent spectra that would give as many chances.
    """

    best: int
    single_p: FloatArray
    global_p: float
    global_p_error: float
    effective: float
    toys: int
    failed_toys: int
    shared_events: int


def make_cells(
    masses: FloatArray, edges: Sequence[FloatArray], expected: Sequence[FloatArray], names: Sequence[str] | None = None
) -> Cells:
    """Cells of events with masses (events, spectra), NaN where an event is not in a spectrum, for all spectra.

    `FitFailedError` if the data have far fewer events in one spectrum alone than the backgrounds ask for: a spectrum
    that is part of another cannot expect more than it.
    """
    from scipy.sparse import csr_array

    bins = np.stack([_bin_of(masses[:, i], edge) for i, edge in enumerate(edges)], axis=1)
    bins = bins[np.any(bins >= 0, axis=1)]
    shared = int(np.count_nonzero(np.count_nonzero(bins >= 0, axis=1) > 1))
    cells, seen = _with_alone(*np.unique(bins, axis=0, return_counts=True), expected)
    means = _rake(cells, np.maximum(seen, _SEED_MEAN), expected)
    _check_alone(cells, seen, means, names or [f"spectrum {i + 1}" for i in range(len(expected))])
    offsets = np.concatenate([[0], np.cumsum([len(b) for b in expected])])
    row, column = np.nonzero(cells >= 0)
    places = cells[row, column] + offsets[column]
    incidence = csr_array((np.ones(len(row)), (row, places)), shape=(len(cells), int(offsets[-1])))
    return Cells(means, incidence, shared)


def _with_alone(
    cells: npt.NDArray[np.intp], seen: npt.NDArray[np.intp], expected: Sequence[FloatArray]
) -> tuple[npt.NDArray[np.intp], FloatArray]:
    """Cells and the events in them, and one of events in a spectrum alone for each bin of each that expects some."""
    more = []
    for i, b in enumerate(expected):
        mine = np.count_nonzero(cells >= 0, axis=1) == 1
        missing = np.setdiff1d(np.flatnonzero(b > 0), cells[mine, i])
        alone = np.full((len(missing), cells.shape[1]), -1, dtype=cells.dtype)
        alone[:, i] = missing
        more.append(alone)
    added = np.concatenate(more)
    return np.concatenate([cells, added]), np.concatenate([seen, np.zeros(len(added))]).astype(np.float64)


def _check_alone(cells: npt.NDArray[np.intp], seen: FloatArray, means: FloatArray, names: Sequence[str]) -> None:
    """`FitFailedError` if there are too few events in one spectrum alone for the fitted means of such events.

    Bins without any event of the spectrum do not count: their background has no other cell than that.
    """
    mine = np.count_nonzero(cells >= 0, axis=1) == 1
    for i, name in enumerate(names):
        filled = np.unique(cells[seen > 0, i])
        here = mine & (cells[:, i] >= 0) & np.isin(cells[:, i], filled)
        n, mean = float(seen[here].sum()), float(means[here].sum())
        if pdtr(n, mean) < _UNLIKELY:
            raise FitFailedError(
                f"the backgrounds do not agree with the overlaps of the events: they ask for {mean:.4g} events in "
                f"{name} alone, where {n:g} are; a spectrum that is part of another cannot expect more than it"
            )


def global_p_of_many(
    observed: Sequence[float],
    nulls: Sequence[FixedNull | RefittedNull],
    cells: Cells | None,
    *,
    toys: int = 10_000,
    seed: int = 0,
    on_toys: OnToys | None = None,
) -> Trials:
    """The global p-value of observed statistics (spectra,) with their nulls; without cells nothing is shared.

    The test statistic is the smallest single global p-value (P. Westfall and S. Young, 1993). Data and
    pseudo-experiments are ranked together, so identical spectra count once. Toys with a failed refit are left out.
    `on_toys` is told how many are done; of spectra that share nothing, those of each count.
    """
    t = np.empty((toys, len(nulls)))
    if cells is None:
        for i, null in enumerate(nulls):
            t[:, i] = null.draw(toys, seed + i, on_toys=part(on_toys, i, len(nulls)))
    else:
        _fill(t, nulls, cells, seed, on_toys)
    good = np.all(np.isfinite(t), axis=1)
    if not good.any():
        raise FitFailedError(f"none of the {toys} refitted pseudo-experiments converged")
    # Rounded, because tables and sums differ in the last bits where data and toys are equal.
    pool = np.round(np.concatenate([[list(observed)], t[good]]), 6)
    n = len(pool)
    p = np.empty_like(pool)
    for i, column in enumerate(pool.T):
        ordered = np.sort(column)
        p[:, i] = (n - np.searchsorted(ordered, column, side="left")) / n
    lowest = p.min(axis=1)
    global_p = float(np.count_nonzero(lowest <= lowest[0]) / n)
    with np.errstate(divide="ignore"):
        effective = float(np.log1p(-global_p) / np.log1p(-lowest[0])) if global_p < 1 else float("nan")
    return Trials(
        best=int(np.argmin(p[0])),
        single_p=p[0],
        global_p=global_p,
        global_p_error=float(np.sqrt(global_p * (1 - global_p) / n)),
        effective=effective,
        toys=n - 1,
        failed_toys=int(np.count_nonzero(~good)),
        shared_events=0 if cells is None else cells.shared,
    )


def _fill(
    t: FloatArray, nulls: Sequence[FixedNull | RefittedNull], cells: Cells, seed: int, on_toys: OnToys | None
) -> None:
    """Fill statistics t (toys, spectra) with pseudo-experiments of the cells."""
    sampler = Sampler.of(cells.means)
    sizes = np.cumsum([null.layout.bins for null in nulls])[:-1]
    block = max(1, _BLOCK_NUMBERS // len(cells.means))
    for start in range(0, len(t), block):
        stop = min(start + block, len(t))
        drawn = sampler.draw(seed, start, stop - start)
        counts = np.rint(drawn @ cells.incidence).astype(np.int64)
        for i, own in enumerate(np.split(counts, sizes, axis=1)):
            t[start:stop, i] = nulls[i].of(own[:, None, :])
        if on_toys is not None:
            on_toys(stop, len(t))


def _bin_of(mass: FloatArray, edges: FloatArray) -> npt.NDArray[np.intp]:
    """Bins (events,) of masses, -1 outside the edges and for NaN; the last edge belongs to the last bin."""
    place = np.searchsorted(edges, mass, side="right") - 1
    place = np.where(mass == edges[-1], len(edges) - 2, place)
    return np.where((mass >= edges[0]) & (mass <= edges[-1]), place, -1)


def _rake(cells: npt.NDArray[np.intp], means: FloatArray, expected: Sequence[FloatArray]) -> FloatArray:
    """Scale the means of cells (cells, spectra) until their sums are the expected events of every spectrum."""
    means = means.copy()
    worst = np.inf
    for _ in range(_ITERATIONS):
        worst = 0.0
        for i, b in enumerate(expected):
            inside = cells[:, i] >= 0
            place = cells[inside, i]
            sums = np.bincount(place, weights=means[inside], minlength=len(b))
            worst = max(worst, float(np.max(np.abs(sums - b) / np.sqrt(np.maximum(b, 1.0)))))
            means[inside] *= (b / np.where(sums > 0, sums, 1.0))[place]
        if worst < 1e-9:
            break
    if worst > _TOLERANCE:
        raise FitFailedError(
            "the overlaps of the spectra do not allow their expected events together: some bin is "
            f"{worst:.2g} standard deviations off; use backgrounds that agree with one another"
        )
    return means


def check_table(
    masses: FloatArray, edges: Sequence[FloatArray], counts: Sequence[FloatArray], names: list[str]
) -> None:
    """`InputDataError` if the events of the table (events, spectra) are not those of the spectra."""
    for i, name in enumerate(names):
        place = _bin_of(masses[:, i], edges[i])
        found = np.bincount(place[place >= 0], minlength=len(counts[i]))
        wrong = np.flatnonzero(found != counts[i])
        if len(wrong):
            at = int(wrong[0])
            raise InputDataError(
                f"the table has {found[at]} events of {name} in {edges[i][at]:g} to {edges[i][at + 1]:g}, "
                f"the spectrum {counts[i][at]:g}"
            )
