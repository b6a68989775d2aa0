"""What happens to one image between its convolutions, as compiled loops: see `hepad.nn.convolution_kernel`.

Images are flat, channels counted first. What a convolution gives has `pitch` pixels in a row, of which `columns` are
meant. What the next one takes has its padding about it: a row and a column before, `TILE` or fewer after;
rows of zeros, columns from the other side of the image. Nothing is added up in another order for another image.
Loops run over whole rows, whose few channels alone would not fill the processor's vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int64, njit, types

from hepad.jit import compiled

__all__ = ["activated", "conditioned", "normalisation", "pooled", "upsampled"]

_numbers = types.Array(float32, 1, "C", readonly=True)
_made = float32[::1]


@njit
def _repeat(values: Any, out: Any) -> None:
    """The numbers of all channels for one pixel after another."""
    for start in range(0, out.size, values.size):
        out[start : start + values.size] = values


@njit
def normalisation(  # noqa: PLR0917  numba knows no groups of arguments
    x: Any, rows: int, columns: int, pitch: int, gain: Any, bias: Any, epsilon: float, scale: Any, shift: Any
) -> None:
    """The factor and the addend, for the numbers of a row, that instance normalisation is for this image.

    Sums are of differences from the pixel in the middle: most pixels of a detector are dark, and alike.
    """
    width, size = gain.size, columns * gain.size
    middle = np.empty(size, np.float32)
    start = (rows // 2 * pitch + columns // 2) * width
    _repeat(x[start : start + width], middle)
    sums, squares = np.zeros(size, np.float32), np.zeros(size, np.float32)
    for y in range(0, rows - 1, 2):  # two at a time save traffic of the sums
        start, after = y * pitch * width, (y + 1) * pitch * width
        one, two = x[start : start + size], x[after : after + size]
        for j in range(size):
            first, second = one[j] - middle[j], two[j] - middle[j]
            sums[j] += first + second
            squares[j] += first * first + second * second
    if rows % 2:
        start = (rows - 1) * pitch * width
        one = x[start : start + size]
        for j in range(size):
            first = one[j] - middle[j]
            sums[j] += first
            squares[j] += first * first
    for c in range(width):
        total = square = 0.0
        for j in range(c, size, width):
            total += np.float64(sums[j])
            square += np.float64(squares[j])
        offset = total / (rows * columns)
        variance = square / (rows * columns) - offset * offset
        variance = 0.0 if variance < 0 else variance  # NaN stays
        factor = np.float32(gain[c] / np.sqrt(variance + epsilon))
        scale[c], shift[c] = factor, bias[c] - factor * (middle[c] + offset)
    _repeat(scale[:width], scale[width:size])
    _repeat(shift[:width], shift[width:size])


@njit
def _wrap(out: Any, row: int, columns: int, pitch: int, width: int) -> None:
    """Fill the columns before the first and after the last of a row of pixels."""
    start = row * pitch * width
    out[start : start + width] = out[start + columns * width : start + (columns + 1) * width]
    end = start + (columns + 1) * width
    out[end : end + width] = out[start + width : start + 2 * width]


@njit
def activated(  # noqa: PLR0917
    x: Any, rows: int, columns: int, pitch: int, width: int, scale: Any, shift: Any, slope: float, add: bool,
    out: Any, to: int,
) -> None:  # fmt: skip
    """Leaky ReLU of scale x + shift in place of what is in `out`, or added to it; that has `to` pixels a row."""
    size = columns * width
    for y in range(rows):
        here, there = y * pitch * width, ((y + 1) * to + 1) * width
        row, made = x[here : here + size], out[there : there + size]
        if add:
            for j in range(size):
                value = row[j] * scale[j] + shift[j]
                made[j] += value if value > 0 else slope * value
        else:
            for j in range(size):
                value = row[j] * scale[j] + shift[j]
                made[j] = value if value > 0 else slope * value
        _wrap(out, y + 1, columns, to, width)


@njit
def pooled(  # noqa: PLR0917
    x: Any, rows: int, columns: int, pitch: int, width: int, scale: Any, shift: Any, slope: float, out: Any, to: int
) -> None:
    """The largest of 3 by 3 around every second pixel of what `activated` gives, for scales that are not negative.

    It is that of the largest, so that only a quarter of the pixels is scaled.
    """
    highest = np.empty(columns * width, np.float32)
    for row in range((rows + 1) // 2):
        y = 2 * row
        above, below = max(y - 1, 0) * pitch * width, min(y + 1, rows - 1) * pitch * width
        size, here = columns * width, y * pitch * width
        p, q, r = x[above : above + size], x[here : here + size], x[below : below + size]
        for j in range(size):
            highest_two = max(p[j], q[j])
            highest[j] = max(highest_two, r[j])
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


@compiled(types.void(_made, int64, int64, int64, int64, int64, _numbers, _numbers))
def conditioned(  # noqa: PLR0917
    x: Any, parts: int, rows: int, columns: int, width: int, pitch: int, by_row: Any, by_column: Any
) -> None:
    """Multiply x, which has its padding about it, by its conditions.

    The condition of a pixel is the sum of one that follows from its row and which columns are beside it, `by_row`
    (parts, rows, 4, width), and one from its column and which rows are above and below it, `by_column` (parts, 4,
    columns, width): of these four the number is 2, if there is one before, and 1, if there is one after.
    """
    size, part_size = columns * width, x.size // parts
    first = np.empty(size, np.float32)
    for part in range(parts):
        for y in range(rows):
            at = (part * rows + y) * 4 * width
            _repeat(by_row[at + 3 * width : at + 4 * width], first)
            left, right = (1, 2) if columns > 1 else (0, 0)
            first[:width] = by_row[at + left * width : at + (left + 1) * width]
            first[size - width :] = by_row[at + right * width : at + (right + 1) * width]
            kind = 2 * (y > 0) + (y < rows - 1)
            here = part * part_size + ((y + 1) * pitch + 1) * width
            row, second = x[here : here + size], by_column[(part * 4 + kind) * size : (part * 4 + kind + 1) * size]
            for j in range(size):
                row[j] *= first[j] + second[j]
            _wrap(x[part * part_size : (part + 1) * part_size], y + 1, columns, pitch, width)


@njit
def _mixed(near: Any, far: Any, out: Any) -> None:
    """Three quarters of the one and a quarter of the other."""
    most, rest = np.float32(0.75), np.float32(0.25)
    for j in range(out.size):
        out[j] = most * near[j] + rest * far[j]


@compiled(types.void(_numbers, int64, int64, int64, int64, int64, _made, int64))
def upsampled(  # noqa: PLR0917
    x: Any, parts: int, rows: int, columns: int, width: int, pitch: int, out: Any, to: int
) -> None:
    """Twice the rows and columns of x by linear interpolation; x and `out` have their padding about them."""
    size, x_size, out_size = columns * width, x.size // parts, out.size // parts
    mixed = np.empty(size, np.float32)
    for part in range(parts):
        whole, made = x[part * x_size : (part + 1) * x_size], out[part * out_size : (part + 1) * out_size]
        for row in range(2 * rows):
            y = row // 2
            other = min(y + 1, rows - 1) if row % 2 else max(y - 1, 0)
            here, there = ((y + 1) * pitch + 1) * width, ((other + 1) * pitch + 1) * width
            _mixed(whole[here : here + size], whole[there : there + size], mixed)
            for i in range(columns):
                near = mixed[i * width : (i + 1) * width]
                left, right = max(i - 1, 0) * width, min(i + 1, columns - 1) * width
                at = ((row + 1) * to + 2 * i + 1) * width
                _mixed(near, mixed[left : left + width], made[at : at + width])
                _mixed(near, mixed[right : right + width], made[at + width : at + 2 * width])
            _wrap(made, row + 1, 2 * columns, to, width)
