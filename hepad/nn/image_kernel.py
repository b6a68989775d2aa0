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

__all__ = ["activated", "normalisation", "pooled", "upsampled"]

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
        for i in range(columns):
            pixel = x[(y * pitch + i) * width : (y * pitch + i + 1) * width]
            for c in range(width):
                difference = pixel[c] - middle[c]
                row_sums[c] += difference
                row_squares[c] += difference * difference
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


@njit
def _conditioned(  # noqa: PLR0917
    x: Any, y: int, rows: int, columns: int, pitch: int, by_row: Any, by_column: Any, out: Any
) -> None:
    """A row of pixels times its conditions; see `upsampled`."""
    width = out.size // columns
    for i in range(columns):
        here = ((y + 1) * pitch + i + 1) * width
        pixel, made = x[here : here + width], out[i * width : (i + 1) * width]
        if not by_row.size:
            made[:] = pixel
            continue
        kind, kinds = 2 * (y > 0) + (y < rows - 1), 2 * (i > 0) + (i < columns - 1)
        first = by_row[(4 * y + kinds) * width : (4 * y + kinds + 1) * width]
        second = by_column[(kind * columns + i) * width : (kind * columns + i + 1) * width]
        for c in range(width):
            made[c] = pixel[c] * (first[c] + second[c])


@njit
def _mixed(near: Any, far: Any, out: Any) -> None:
    """Three quarters of the one and a quarter of the other."""
    most, rest = np.float32(0.75), np.float32(0.25)
    for j in range(out.size):
        out[j] = most * near[j] + rest * far[j]


@compiled(types.void(_numbers, int64, int64, int64, int64, _numbers, _numbers, _made, int64))
def upsampled(  # noqa: PLR0917
    x: Any, rows: int, columns: int, width: int, pitch: int, by_row: Any, by_column: Any, out: Any, to: int
) -> None:
    """Twice the rows and columns of x times its conditions, by linear interpolation; x has its padding about it.

    The condition of a pixel is the sum of one that follows from its row and which columns are beside it, `by_row`
    (rows, 4, width), and one from its column and which rows are above and below it, `by_column` (4, columns, width):
    of these four the number is 2, if there is one before, and 1, if there is one after. No condition where it is empty.
    """
    size = columns * width
    before, now, after = np.empty(size, np.float32), np.empty(size, np.float32), np.empty(size, np.float32)
    mixed = np.empty(size, np.float32)
    _conditioned(x, 0, rows, columns, pitch, by_row, by_column, now)
    before[:] = now
    for y in range(rows):
        if y < rows - 1:
            _conditioned(x, y + 1, rows, columns, pitch, by_row, by_column, after)
        else:
            after[:] = now
        for half in range(2):
            _mixed(now, after if half else before, mixed)
            row = 2 * y + half + 1
            for i in range(columns):
                near = mixed[i * width : (i + 1) * width]
                left, right = max(i - 1, 0) * width, min(i + 1, columns - 1) * width
                there = (row * to + 2 * i + 1) * width
                _mixed(near, mixed[left : left + width], out[there : there + width])
                _mixed(near, mixed[right : right + width], out[there + width : there + 2 * width])
            _wrap(out, row, 2 * columns, to, width)
        before, now, after = now, after, before
