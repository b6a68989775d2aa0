"""Weights that give a sample the distribution of another in one number, so that it tells nothing of which is which."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["matching_factors"]

BINS, LEAST, MOST = 20, 0.1, 5.0
"""Of CMS, arXiv:2412.03747: bins of momentum, and the bounds of the ratio."""


def matching_factors(
    values: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float64],
    wanted: npt.NDArray[np.bool_],
    changed: npt.NDArray[np.bool_],
) -> npt.NDArray[np.float64]:
    """Factors of the weights of events `changed` that give them the distribution in `values` (n,) of those `wanted`.

    In 20 bins of as many wanted events each; the ratio of the shares in a bin is kept between 0.1 and 5. Events beyond
    the wanted ones are in the outermost bins.
    """
    inner = np.unique(np.quantile(values[wanted], np.linspace(0, 1, BINS + 1)[1:-1]))
    bins = np.searchsorted(inner, values, side="right")

    def shares(rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        found = np.bincount(bins[rows], weight[rows], minlength=len(inner) + 1)
        return np.asarray(found / found.sum(), dtype=np.float64)

    ratio = shares(wanted) / np.maximum(shares(changed), 1e-12)
    return np.asarray(np.clip(ratio, LEAST, MOST)[bins[changed]])
