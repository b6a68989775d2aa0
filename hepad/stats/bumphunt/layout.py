"""Where the windows lie in the bins of a spectrum or of a plane, and the sums of bins over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.stats.bumphunt.windows import IntArray, ScanOptions, make_rectangles, make_sidebands, make_windows

__all__ = ["Layout"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Layout:
    """Windows in bins of `shape`, (n,) or (nx, ny): bins `first` to `last` exclusive, both (axes, windows).

    `sideband_first` and `sideband_last` (2, windows) are those of `make_sidebands`.
    """

    shape: tuple[int, ...]
    first: IntArray
    last: IntArray
    sideband_first: IntArray
    sideband_last: IntArray

    @classmethod
    def line(cls, bins: int, options: ScanOptions) -> Layout:
        """The windows of a spectrum of `bins`."""
        first, last = make_windows(bins, options)
        return cls((bins,), first[None], last[None], *make_sidebands((first, last), bins))

    @classmethod
    def plane(cls, shape: tuple[int, int], options: ScanOptions) -> Layout:
        """The rectangles of a plane of `shape` bins; they have no sidebands."""
        x0, x1, y0, y1 = make_rectangles(shape, options)
        none = np.empty((0, len(x0)), dtype=np.intp)
        return cls(shape, np.stack([x0, y0]), np.stack([x1, y1]), none, none)

    @property
    def bins(self) -> int:
        """The number of bins of one channel."""
        return int(np.prod(self.shape))

    @property
    def windows(self) -> int:
        """The number of windows."""
        return int(self.first.shape[1])

    @property
    def columns(self) -> int:
        """Bins along the second axis; 0 for a spectrum."""
        return self.shape[1] if len(self.shape) == 2 else 0

    def sums(self, values: FloatArray) -> FloatArray:
        """Sums over windows (..., windows) of values (..., bins)."""
        if not self.columns:
            return _between(_from_the_end(values), self.first[0], self.last[0])
        table = values.reshape(*values.shape[:-1], *self.shape)
        table = _from_the_end(np.swapaxes(_from_the_end(table), -1, -2))  # (..., columns + 1, rows + 1)
        (x0, y0), (x1, y1) = self.first, self.last
        return np.asarray(
            (table[..., y0, x0] - table[..., y1, x0]) - (table[..., y0, x1] - table[..., y1, x1]), dtype=np.float64
        )

    def sideband_sums(self, values: FloatArray) -> FloatArray:
        """Sums over sidebands (..., 2, windows) of values (..., bins) of a spectrum."""
        return _between(_from_the_end(values), self.sideband_first, self.sideband_last)

    def corners(self, channels: int) -> npt.NDArray[np.int64]:
        """Places (2 or 4, channels, windows) in the running sums of all channels, one after the other.

        A sum is the first less the second, less the third plus the fourth.
        """
        if not self.columns:
            offset = np.arange(channels)[:, None] * self.bins
            return np.stack([self.last + offset, self.first + offset]).astype(np.int64)
        stride = self.columns + 1
        (x0, y0), (x1, y1) = self.first, self.last
        corners = np.stack([x1 * stride + y1, x0 * stride + y1, x1 * stride + y0, x0 * stride + y0])
        return corners[:, None, :].astype(np.int64)


def _from_the_end(values: FloatArray) -> FloatArray:
    """Sums from each bin to the last, one more than bins: on a falling spectrum the sparse tail keeps its precision."""
    above = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
    above[..., :-1] = np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]
    return above


def _between(above: FloatArray, first: IntArray, last: IntArray) -> FloatArray:
    return np.asarray(above[..., first] - above[..., last], dtype=np.float64)
