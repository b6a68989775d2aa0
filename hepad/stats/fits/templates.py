"""Shapes of signals in a mass spectrum, and the events that several spectra share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from hepad.errors import InputDataError, UsageError

__all__ = ["crystal_ball_template", "gaussian_template", "kernel_template"]
__all__ += ["kernel_products", "kernel_width", "overlap_matrix", "signal_shape"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_ONE_SIGMA = 0.158655
_GRID = 2001
_BLOCK = 4096


def gaussian_template(edges: FloatArray, mass: float, relative_width: float) -> FloatArray:
    """Fractions (n,) of a Gaussian signal of this mass, in GeV, and width / mass in bins of edges (n+1,) in GeV.

    What lies outside the edges is lost: the sum is below one there.
    """
    if not mass > 0 or not relative_width > 0:
        raise UsageError(f"a Gaussian needs a mass and a width above zero, found {mass:g} and {relative_width:g}")
    pulls = (np.asarray(edges, dtype=np.float64) - mass) / (relative_width * mass)
    # Above the mass the difference of upper tails keeps its precision.
    lower, upper = np.diff(ndtr(pulls)), -np.diff(ndtr(-pulls))
    return np.asarray(np.where(pulls[:-1] > 0, upper, lower), dtype=np.float64)


def kernel_template(
    edges: FloatArray, masses: FloatArray, weights: FloatArray, *, width: float | None = None
) -> FloatArray:
    """The sum of weights expected in bins of `edges` (n+1,) GeV, from few simulated events: a Gaussian kernel estimate.

    Filled as they are, a hundred events in fifty bins look like fifty peaks, which no background could imitate, and
    give limits that are too strong: with four events by a factor of three. The kernel acts on ln m and has Silverman's
    width, 0.9 min(spread, quartile range / 1.34) n_eff^(-1/5) (Density Estimation, 1986, equation 3.31), so that it
    vanishes against the bins as events grow many; another `width` may be given. What it moves beyond the edges is lost;
    weights may be negative.
    """
    total, squares = float(weights.sum()), float(np.square(weights).sum())
    if total <= 0 or squares <= 0:
        return np.zeros(len(edges) - 1)
    places = np.log(masses)
    width = kernel_width(masses, weights) if width is None else width
    if width <= 0:  # one event, or all at one mass
        return np.histogram(masses, edges, weights=weights)[0].astype(np.float64)
    contents = np.zeros(len(edges) - 1)
    for start in range(0, len(places), _BLOCK):
        block = slice(start, start + _BLOCK)
        contents += _kernels(edges, places[block], width) @ weights[block]
    return contents


def kernel_products(
    edges: FloatArray, masses: FloatArray, weights: FloatArray, matrix: FloatArray
) -> Iterator[tuple[slice, FloatArray]]:
    """Blocks of the events, and a matrix (n, n) times the kernel of each event of the block in `kernel_template`."""
    width = kernel_width(masses, weights)
    for start in range(0, len(masses), _BLOCK):
        block = slice(start, start + _BLOCK)
        yield block, matrix @ _kernels(edges, np.log(masses[block]), width)


def _kernels(edges: FloatArray, places: FloatArray, width: float) -> FloatArray:
    """The parts (n, m) in the bins of Gaussian kernels around places (m,) in ln m; of no width all is in one bin."""
    away = np.log(edges)[:, None] - places
    below = ndtr(away / width) if width > 0 else away > 0
    return np.diff(below.astype(np.float64), axis=0)


def kernel_width(masses: FloatArray, weights: FloatArray, effective: float | None = None) -> float:
    """Silverman's width of a kernel in ln m, for as many `effective` events as there are or as many as are said."""
    places, weight = np.log(masses), np.abs(weights)
    middle = np.average(places, weights=weight)
    spread = float(np.sqrt(np.average(np.square(places - middle), weights=weight)))
    low, high = _quantiles(places, weight, (0.25, 0.75))
    number = float(weights.sum()) ** 2 / float(np.square(weights).sum()) if effective is None else effective
    return float(0.9 * min(spread, (high - low) / 1.34 or spread) * number**-0.2)


def _quantiles(values: FloatArray, weights: FloatArray, at: tuple[float, ...]) -> list[float]:
    order = np.argsort(values)
    running = np.cumsum(weights[order])
    return [float(values[order][np.searchsorted(running, q * running[-1])]) for q in at]


def crystal_ball_template(edges: FloatArray, mass: float, relative_width: float, tails: Sequence[float]) -> FloatArray:
    """Fractions (n,) of a double-sided Crystal Ball signal in bins of edges (n+1,) in GeV.

    A Gaussian core of width `relative_width` x `mass`, beyond -alpha_l and alpha_r standard deviations power laws of
    exponents n_l and n_r, so that value and slope go on (J. Gaiser, SLAC-R-255, appendix F); `tails` are alpha_l,
    n_l, alpha_r, n_r. What lies outside the edges is lost. `UsageError` for values that make no density.
    """
    if not mass > 0 or not relative_width > 0:
        raise UsageError(f"a Crystal Ball needs a mass and a width above zero, found {mass:g} and {relative_width:g}")
    alpha_l, n_l, alpha_r, n_r = tails
    if not (alpha_l > 0 and alpha_r > 0 and n_l > 1 and n_r > 1):
        raise UsageError(
            "a Crystal Ball needs alphas above 0 and exponents above 1, found "
            f"{alpha_l:g}, {n_l:g}, {alpha_r:g}, {n_r:g}"
        )
    pulls = (np.asarray(edges, dtype=np.float64) - mass) / (relative_width * mass)
    core = np.sqrt(2 * np.pi)
    sides = []
    for sign, alpha, n in ((-1.0, alpha_l, n_l), (1.0, alpha_r, n_r)):
        # From the tail inwards, so that small differences far out keep their precision.
        t = np.maximum(sign * pulls, 0.0)
        at_joint = np.exp(-(alpha**2) / 2) * n / alpha / (n - 1)
        beyond = at_joint * (1 + alpha * np.maximum(t - alpha, 0.0) / n) ** (1 - n)
        inside = core * (ndtr(-np.minimum(t, alpha)) - ndtr(-alpha))
        sides.append(beyond + inside)
    left, right = sides
    total = _whole(alpha_l, n_l) + _whole(alpha_r, n_r)
    lower, upper = np.diff(left), -np.diff(right)
    # A bin across the peak holds both halves: one of the two differences is zero elsewhere.
    return np.asarray((lower + upper) / total, dtype=np.float64)


def _whole(alpha: float, n: float) -> float:
    """The integral of one half of a Crystal Ball in standard deviations, for a peak of height one."""
    tail = np.exp(-(alpha**2) / 2) * n / alpha / (n - 1)
    return float(tail + np.sqrt(2 * np.pi) * (0.5 - ndtr(-alpha)))


def signal_shape(edges: FloatArray, counts: FloatArray) -> tuple[float, float]:
    """Peak mass in GeV and relative width of a weighted signal (n,) in bins of edges (n+1,) in GeV.

    The peak is the middle of the shortest interval that holds half of the events, the width half of the central 68 %
    interval over the median: neither minds long tails. Both interpolate within bins.
    `InputDataError` if there are no events.
    """
    values = np.maximum(counts, 0.0)
    total = float(values.sum())
    if not total > 0:
        raise InputDataError("the signal has no events in the spectrum: it has neither a peak nor a width")
    cumulative = np.concatenate([[0.0], np.cumsum(values) / total])
    # Steps of equal height have no inverse: a slope far below one event per spectrum gives them one.
    cumulative += np.linspace(0.0, 1e-9, len(cumulative))
    cumulative /= cumulative[-1]
    low, median, high = np.interp([_ONE_SIGMA, 0.5, 1 - _ONE_SIGMA], cumulative, edges)
    starts = np.linspace(0.0, 0.5, _GRID)
    left, right = np.interp(starts, cumulative, edges), np.interp(starts + 0.5, cumulative, edges)
    lengths = right - left
    # Equal lengths, as of a single filled bin, share the peak.
    shortest = lengths <= lengths.min() * (1 + 1e-9)
    peak = float(np.mean((left + right)[shortest]) / 2)
    return peak, float((high - low) / 2 / median)


def overlap_matrix(masks: BoolArray, weights: FloatArray) -> FloatArray:
    """Shared events of channels: entry (i, j) is the weighted fraction of channel i's events that are in j as well.

    `masks` (c, n) say which of n events, of `weights` (n,), each of c channels holds. The diagonal is 1, and all of a
    row is 0 where a channel is empty.
    """
    held = np.asarray(masks, dtype=np.float64)
    if held.ndim != 2 or held.shape[1] != len(weights):
        raise UsageError(f"masks of shape {held.shape} do not fit {len(weights)} events")
    shared = (held * weights) @ held.T
    own = np.diag(shared)
    return np.asarray(np.divide(shared, own[:, None], out=np.zeros_like(shared), where=own[:, None] > 0))
