"""What happens to one image between its convolutions, as compiled loops: see `hepad.nn.convolution_kernel`.

Images are flat, channels counted first. What a convolution gives has `pitch` pixels in a row, of which `columns` are
meant. What the next one takes has its padding about it: a row and a column before, `TILE` or fewer after;
rows of zeros, columns from the other side of the image. Nothing is added up in another order for another image.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, int64, njit, types

from hepad.jit import compiled

__all__ = ["activated", "conditioned", "normalisation", "pooled", "upsampled"]

_numbers = types.Array(float32, 1, "C", readonly=True)
_made = float32[::1]


@compiled(types.void(_numbers, int64, int64, int64, _numbers, _numbers, float32, _made, _made))
def normalisation(  # noqa: PLR0917  numba knows no groups of arguments
    x: Any, rows: int, columns: int, pitch: int, gain: Any, bias: Any, epsilon: float, scale: Any, shift: Any
) -> None:
    """The factor and the addend of each channel that instance normalisation is for this image.

    Sums are of differences from the pixel in the middle: most pixels of a detector are dark, and alike.
    """
    width, number = gain.size, rows * columns
    sums, squares = np.zeros(width), np.zeros(width)
    row_sums, row_squares = np.empty(width, np.float32), np.empty(width, np.float32)
    start = (rows // 2 * pitch + columns // 2) * width
    middle = x[start : start + width].copy()
    for y in range(rows):
        row_sums[:] = 0
        row_squares[:] = 0
        for i in range(0, columns - 1, 2):  # two at a time save traffic of the sums
            start = (y * pitch + i) * width
            one, two = x[start : start + width], x[start + width : start + 2 * width]
            for c in range(width):
                first, second = one[c] - middle[c], two[c] - middle[c]
                row_sums[c] += first + second
                row_squares[c] += first * first + second * second
        if columns % 2:
            start = (y * pitch + columns - 1) * width
            one = x[start : start + width]
            for c in range(width):
                first = one[c] - middle[c]
                row_sums[c] += first
                row_squares[c] += first * first
        sums += row_sums
        squares += row_squares
    for c in range(width):
        offset = sums[c] / number
        variance = squares[c] / number - offset * offset
        variance = 0.0 if variance < 0 else variance  # NaN stays
        scale[c] = gain[c] / np.sqrt(variance + epsilon)
        shift[c] = bias[c] - scale[c] * (middle[c] + offset)


@njit
def _wrap(out: Any, row: int, columns: int, pitch: int, width: int) -> None:
    """Fill the columns before the first and after the last of a row of pixels."""
    start = row * pitch * width
    out[start : start + width] = out[start + columns * width : start + (columns + 1) * width]
    end = start + (columns + 1) * width
    out[end : end + width] = out[start + width : start + 2 * width]


@compiled(types.void(_numbers, int64, int64, int64, _numbers, _numbers, float32, boolean, _made, int64))
def activated(  # noqa: PLR0917
    x: Any, rows: int, columns: int, pitch: int, scale: Any, shift: Any, slope: float, add: bool, out: Any, to: int
) -> None:
    """Leaky ReLU of scale x + shift in place of what is in `out`, or added to it; that has `to` pixels a row."""
    width = scale.size
    for y in range(rows):
        for i in range(columns):
            here, there = (y * pitch + i) * width, ((y + 1) * to + i + 1) * width
            pixel, made = x[here : here + width], out[there : there + width]
            if add:
                for c in range(width):
                    value = pixel[c] * scale[c] + shift[c]
                    made[c] += value if value > 0 else slope * value
            else:
                for c in range(width):
                    value = pixel[c] * scale[c] + shift[c]
                    made[c] = value if value > 0 else slope * value
        _wrap(out, y + 1, columns, to, width)


@compiled(types.void(_numbers, int64, int64, int64, _numbers, _numbers, float32, _made, int64))
def pooled(  # noqa: PLR0917
    x: Any, rows: int, columns: int, pitch: int, scale: Any, shift: Any, slope: float, out: Any, to: int
) -> None:
    """The largest of 3 by 3 around every second pixel of what `activated` gives, for scales that are not negative.

    It is that of the largest, so that only a quarter of the pixels is scaled.
    """
    width = scale.size
    highest = np.empty(columns * width, np.float32)
    for row in range((rows + 1) // 2):
        y = 2 * row
        above, below = max(y - 1, 0) * pitch * width, min(y + 1, rows - 1) * pitch * width
        size, here = columns * width, y * pitch * width
        p, q, r = x[above : above + size], x[here : here + size], x[below : below + size]
        for j in range(size):
            top = max(p[j], q[j])
            highest[j] = max(top, r[j])
        for column in range((columns + 1) // 2):
            i = 2 * column
            left, right = (i - 1) % columns * width, (i + 1) % columns * width
            a, b, d = highest[left : left + width], highest[i * width : (i + 1) * width], highest[right : right + width]
            there = ((row + 1) * to + column + 1) * width
            made = out[there : there + width]
            for c in range(width):
                top = max(a[c], b[c])
                top = max(top, d[c])
                value = top * scale[c] + shift[c]
                made[c] = value if value > 0 else slope * value
        _wrap(out, row + 1, (columns + 1) // 2, to, width)


@compiled(types.void(_made, int64, int64, int64, int64, _numbers, _numbers))
def conditioned(  # noqa: PLR0917
    x: Any, rows: int, columns: int, width: int, pitch: int, by_row: Any, by_column: Any
) -> None:
    """Multiply x, which has its padding about it, by its conditions.

    The condition of a pixel is the sum of one that follows from its row and which columns are beside it, `by_row`
    (rows, 4, width), and one from its column and which rows are above and below it, `by_column` (4, columns, width):
    of these four the number is 2, if there is one before, and 1, if there is one after.
    """
    for y in range(rows):
        kind = 2 * (y > 0) + (y < rows - 1)
        for i in range(columns):
            beside = 2 * (i > 0) + (i < columns - 1)
            here = ((y + 1) * pitch + i + 1) * width
            pixel = x[here : here + width]
            first = by_row[(4 * y + beside) * width : (4 * y + beside + 1) * width]
            second = by_column[(kind * columns + i) * width : (kind * columns + i + 1) * width]
            for c in range(width):
                pixel[c] *= first[c] + second[c]
        _wrap(x, y + 1, columns, pitch, width)


@njit
def _mixed(near: Any, far: Any, out: Any) -> None:
    """Three quarters of the one and a quarter of the other."""
    most, rest = np.float32(0.75), np.float32(0.25)
    for j in range(out.size):
        out[j] = most * near[j] + rest * far[j]


@compiled(types.void(_numbers, int64, int64, int64, int64, _made, int64))
def upsampled(  # noqa: PLR0917
    x: Any, rows: int, columns: int, width: int, pitch: int, out: Any, to: int
) -> None:
    """Twice the rows and columns of x by linear interpolation; x and `out` have their padding about them."""
    size = columns * width
    mixed = np.empty(size, np.float32)
    for row in range(2 * rows):
        y = row // 2
        other = min(y + 1, rows - 1) if row % 2 else max(y - 1, 0)
        here, there = ((y + 1) * pitch + 1) * width, ((other + 1) * pitch + 1) * width
        _mixed(x[here : here + size], x[there : there + size], mixed)
        for i in range(columns):
            near = mixed[i * width : (i + 1) * width]
            left, right = max(i - 1, 0) * width, min(i + 1, columns - 1) * width
            at = ((row + 1) * to + 2 * i + 1) * width
            _mixed(near, mixed[left : left + width], out[at : at + width])
            _mixed(near, mixed[right : right + width], out[at + width : at + 2 * width])
        _wrap(out, row + 1, 2 * columns, to, width)
