"""The windows of a bump hunt, and the sidebands of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from hepad.errors import UsageError

__all__ = ["Direction", "IntArray", "ScanOptions", "make_rectangles", "make_sidebands", "make_windows"]

IntArray = npt.NDArray[np.intp]
Direction = Literal["excess", "deficit", "both"]

DIRECTIONS = ("excess", "deficit", "both")


@dataclass(frozen=True)
class ScanOptions:
    """Which windows are looked at, and for what.

    Widths, steps between widths and between positions are in bins; no `width_max`: half the bins. `direction` says
    whether excesses, deficits or both count. With `sideband_p` a window is skipped if the p-value of an excess or
    deficit in its left or right sideband is at most this (arXiv:1101.0390 uses 0.001); see `make_sidebands`.
    """

    width_min: int = 2
    width_max: int | None = None
    width_step: int = 1
    scan_step: int = 1
    direction: Direction = "excess"
    sideband_p: float | None = None

    def __post_init__(self) -> None:
        if min(self.width_min, self.width_step, self.scan_step) < 1:
            raise UsageError("window widths and steps are at least 1 bin")
        if self.width_max is not None and self.width_max < self.width_min:
            raise UsageError(f"the largest width ({self.width_max} bins) is below the smallest ({self.width_min})")
        if self.direction not in DIRECTIONS:
            raise UsageError(f"the direction is one of {', '.join(DIRECTIONS)}, found {self.direction!r}")
        if self.sideband_p is not None and not 0 < self.sideband_p < 0.5:
            raise UsageError(f"the p-value of the sideband veto lies between 0 and 0.5, found {self.sideband_p:g}")

    @property
    def signs(self) -> tuple[int, ...]:
        """+1 for excesses, -1 for deficits."""
        return {"excess": (1,), "deficit": (-1,), "both": (1, -1)}[self.direction]


def make_windows(n_bins: int, options: ScanOptions) -> tuple[IntArray, IntArray]:
    """First and past-the-last bin, each (windows,), of all windows in `n_bins` bins."""
    largest = max(n_bins // 2, options.width_min) if options.width_max is None else options.width_max
    if largest > n_bins:
        raise UsageError(f"windows of {largest} bins do not fit into {n_bins} bins")
    first, last = [], []
    for width in range(options.width_min, largest + 1, options.width_step):
        starts = np.arange(0, n_bins - width + 1, options.scan_step)
        first.append(starts)
        last.append(starts + width)
    return np.concatenate(first), np.concatenate(last)


def make_sidebands(windows: tuple[IntArray, IntArray], n_bins: int) -> tuple[IntArray, IntArray]:
    """First and past-the-last bin, each (2, windows), of the left and right sideband of each window.

    A sideband touches its window and has half its bins, rounded down, at least one (arXiv:1101.0390, section 3).
    At the ends of the spectrum it is cut off; one without bins is empty, first = last, and vetoes nothing.
    """
    first, last = windows
    width = np.maximum((last - first) // 2, 1)
    return (
        np.stack([np.maximum(first - width, 0), last]),
        np.stack([first, np.minimum(last + width, n_bins)]),
    )


def make_rectangles(shape: tuple[int, int], options: ScanOptions) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """First and past-the-last bins along both axes, four arrays (windows,), of all rectangles in `shape` bins.

    Every width along one axis goes with every width along the other, each bounded as in one dimension.
    """
    x, y = (make_windows(n, options) for n in shape)
    columns, rows = np.meshgrid(np.arange(len(x[0])), np.arange(len(y[0])), indexing="ij")
    i, j = columns.ravel(), rows.ravel()
    return x[0][i], x[1][i], y[0][j], y[1][j]
