"""Variances of a weighted reference that do not fluctuate with it.

Where few heavy events fell into a bin by chance, its content and its variance are both too small: an excess of the data
above it looks more significant than it is, and pseudo-experiments that throw events of the bin's own weight cannot show
it. A bin therefore takes the weight of an event from its neighbours where theirs is larger.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["steady_variances"]

FloatArray = npt.NDArray[np.float64]

_REACHES = (1, 2, 4, 8)
"""Bins on either side whose mean weight is looked at, as far as they are no more than a third of all bins."""


def steady_variances(events: FloatArray, variances: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Variances (bins,) of a reference of events (bins,), with bins in rows and columns of `shape`.

    Variance / events of a bin is the largest of its own and those of it and its 1, 2, 4 and 8 neighbours on either
    side (squares in a plane), no more than a third of the bins: equal weights stay as they are. Bins with a variance of
    zero are known, and neither change nor count.
    """
    counted = ((events > 0) & (variances > 0)).reshape(shape)
    b, v = (np.where(counted, values.reshape(shape), 0.0) for values in (events, variances))
    weight = np.divide(v, b, out=np.zeros_like(b), where=counted)
    for reach in _REACHES:
        if 6 * reach > min(shape):
            break
        near_b, near_v = (_around(values, reach) for values in (b, v))
        near = np.divide(near_v, near_b, out=np.zeros_like(b), where=counted)
        # Sums of equal weights round: only what is larger by more than that counts.
        weight = np.where(near > weight * (1 + 1e-9), near, weight)
    return np.where(counted, weight * b, variances.reshape(shape)).ravel()


def _around(values: FloatArray, reach: int) -> FloatArray:
    """Sums over each bin and its neighbours; not running ones, which lose the sparse end of a falling spectrum."""
    from scipy.ndimage import convolve1d

    for axis in range(values.ndim):
        values = convolve1d(values, np.ones(2 * reach + 1), axis=axis, mode="constant")
    return values
