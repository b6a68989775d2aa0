"""A global p-value from the number of islands above low levels, for bumps that no pseudo-experiment reaches.

The significance Z of a window is a field over the position and the width of the window. Above a high level z it has
mostly no island or one, so the global p-value is about the mean Euler characteristic of the set Z > z, which for a
Gaussian field in two dimensions is p + exp(-z^2/2) (N1 + N2 z) (E. Gross and O. Vitells, arXiv:1005.1891, in two
dimensions arXiv:1105.4355). N1 and N2 follow from its mean at two low levels in a few hundred pseudo-experiments.
The steps of the bins let fewer windows be independent than a smooth field would: the estimate is conservative.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri_exp

from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import Null

__all__ = ["euler_characteristic", "gross_vitells"]

FloatArray = npt.NDArray[np.float64]

_LEVELS = (1.0, 2.0)
"""Significances at which islands are counted."""
_RARE = 3.0
_TOYS = 300
_SEED = 0x6776
"""Mixed into the seed, so that other pseudo-experiments are used."""


def gross_vitells(null: Null, log_p: float, *, seed: int) -> float | None:
    """The global p-value of a bump of local ln p, at most 1.

    None for windows of a plane, whose field has four dimensions, for a search for both signs, and for a bump of less
    than three sigma, where islands are not rare.
    """
    at = -float(ndtri_exp(log_p)) if log_p < 0 else 0.0
    if null.layout.columns or len(null.options.signs) != 1 or at < _RARE:
        return None
    scans = null.scans(_TOYS, seed ^ _SEED)
    if len(scans) < 10:
        return None
    with np.errstate(divide="ignore"):
        z = np.where(scans < 0, -ndtri_exp(np.minimum(scans, -1e-15)), -np.inf)
    grid = _grid(z, null.layout)
    islands = np.array([euler_characteristic(grid > level).mean() for level in _LEVELS])
    levels = np.array(_LEVELS)
    gauss = np.exp(-(levels**2) / 2)
    n1, n2 = np.linalg.solve(np.stack([gauss, gauss * levels], axis=1), islands - ndtr(-levels))
    estimate = float(np.exp(log_p) + np.exp(-(at**2) / 2) * (n1 + n2 * at))
    return min(max(estimate, float(np.exp(log_p))), 1.0)


def euler_characteristic(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Islands less holes (...) of cells that are set (..., rows, columns), neighbours sharing a side."""
    pairs = (mask[..., 1:, :] & mask[..., :-1, :]).sum((-1, -2)) + (mask[..., 1:] & mask[..., :-1]).sum((-1, -2))
    squares = mask[..., 1:, 1:] & mask[..., :-1, 1:] & mask[..., 1:, :-1] & mask[..., :-1, :-1]
    return np.asarray(mask.sum((-1, -2)) - pairs + squares.sum((-1, -2)), dtype=np.int64)


def _grid(values: FloatArray, layout: Layout) -> FloatArray:
    """Values (T, windows) by width and position (T, widths, positions), -inf where no window is."""
    first, last = layout.first[0], layout.last[0]
    row = np.unique(last - first, return_inverse=True)[1]
    column = np.unique(first, return_inverse=True)[1]
    grid = np.full((len(values), row.max() + 1, column.max() + 1), -np.inf)
    grid[:, row, column] = values
    return grid
