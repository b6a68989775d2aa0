"""Blocks of networks of images, a convolution of 3 by 3 with what follows it, as one compiled loop for one image.

That is what a trigger's farm runs event by event. An image is flat here: channels counted first, then columns, then
rows, and has its padding about it (`hepad.nn.image_kernel`). An image of many channels is made of parts, one after
another, each an image of some of the channels: those of a group of the convolutions, which is all that the same group
of the next one looks at. A part is convolved, normalised and activated before the next one: it is still in the cache.

`winograd` computes 4 by 4 pixels at a time with 36 products in place of 144 (`hepad.nn.vector_code`): the same
function, with rounding errors some ten times those of a plain sum. Each pixel's sum has one order, whatever the
processor and the images around it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int64, njit, types

from hepad.jit import compiled, sources_of
from hepad.nn import image_kernel, vector_code
from hepad.nn.image_kernel import activated, normalisation, pooled
from hepad.nn.vector_code import LANES, ROWS, WIDE, back, bottom, forward, inside, left, product, right, top

__all__ = ["ADDED", "ALONE", "POOLED", "TILE", "block", "convolved"]

TILE = 4
"""Rows and columns of pixels that `winograd` computes together."""
_TILES = 24
"""Tiles for which the weights are read once; a multiple of `ROWS`."""

ALONE, ADDED, POOLED = 0, 1, 2
"""What becomes of what a block gives: it is an image, is added to one, or is an image of its largest of 3 by 3."""

_numbers = types.Array(float32, 1, "C", readonly=True)
_indices = types.Array(int64, 1, "C", readonly=True)
_made = float32[::1]


@njit
def direct(  # noqa: PLR0917  numba knows no groups of arguments
    x: Any, starts: Any, taps: Any, inputs: int, w: Any, out: Any
) -> None:
    """Convolve: `starts` say where in x the neighbourhood of each output pixel begins, `taps` where its pixels are.

    There are a multiple of `ROWS` starts; `out` has all outputs of one after another.
    """
    blocks = w.size // (taps.size * inputs * WIDE)
    for number in range(blocks):
        for first in range(0, starts.size, ROWS):
            product(
                x, starts, first, taps, taps.size, inputs, w, number * taps.size * inputs * WIDE,
                out, (first * blocks + number) * WIDE, blocks * WIDE,
            )  # fmt: skip


@njit
def _to_tiles(  # noqa: PLR0917
    x: Any, at: int, pitch: int, inputs: int, half: Any, there: Any, place: int
) -> None:
    """The 36 numbers of each input of one tile of 6 by 6 pixels, the `place`-th of `there` (36, `_TILES`, inputs)."""
    for channel in range(0, inputs, LANES):
        for column in range(6):
            forward(x, at + column * inputs + channel, pitch, half, column * LANES, 6 * LANES)
        for row in range(6):
            target = (row * 6 * _TILES + place) * inputs + channel
            forward(half, row * 6 * LANES, LANES, there, target, _TILES * inputs)


@njit
def _one_of(  # noqa: PLR0917
    kind: int, x: Any, x_at: int, step: int, out: Any, out_at: int, pitch: int
) -> None:
    """The transform of a kind: 0 inside, 1 and 2 at the top and the bottom, 3 and 4 at the left and the right."""
    if kind == 0:
        inside(x, x_at, step, out, out_at, pitch)
    elif kind == 1:
        top(x, x_at, step, out, out_at, pitch)
    elif kind == 2:
        bottom(x, x_at, step, out, out_at, pitch)
    elif kind == 3:
        left(x, x_at, step, out, out_at, pitch)
    else:
        right(x, x_at, step, out, out_at, pitch)


@njit
def _to_upsampled_tiles(  # noqa: PLR0917
    x: Any, at: int, pitch: int, inputs: int, half: Any, there: Any, place: int, down: int, along: int
) -> None:
    """The same for a tile of the upsampled image, from 4 by 4 pixels of x; `down`, `along`: kinds of `_one_of`."""
    for channel in range(0, inputs, LANES):
        for column in range(4):
            _one_of(down, x, at + column * inputs + channel, pitch, half, column * LANES, 4 * LANES)
        for row in range(6):
            target = (row * 6 * _TILES + place) * inputs + channel
            _one_of(along, half, row * 4 * LANES, LANES, there, target, _TILES * inputs)


@njit
def _from_tiles(  # noqa: PLR0917
    sums: Any, place: int, half: Any, out: Any, at: int, pitch: int, outputs: int
) -> None:
    """4 by 4 pixels of `WIDE` outputs from their 36 sums, the `place`-th of `sums` (36, `_TILES`, WIDE)."""
    for channel in range(0, WIDE, LANES):
        for column in range(6):
            back(sums, (column * _TILES + place) * WIDE + channel, 6 * _TILES * WIDE, half, column * LANES, 6 * LANES)
        for row in range(TILE):
            back(half, row * 6 * LANES, LANES, out, at + row * pitch + channel, outputs)


@njit
def winograd(  # noqa: PLR0917
    x: Any, tall: int, wide: int, pitch: int, inputs: int, w: Any, up: bool, out: Any
) -> None:
    """Convolve `tall` by `wide` tiles of x, whose rows are `pitch` numbers apart.

    `out` has 4 wide pixels in each of its 4 tall rows, and all outputs of one pixel after another. With `up` what is
    convolved is x upsampled by 2 with linear interpolation, which is never made: x has 2 tall rows of 2 wide pixels, at
    least 4 of each, and its edges as ever.
    """
    blocks, tiles = w.size // (36 * inputs * WIDE), tall * wide
    outputs = blocks * WIDE
    out_pitch = TILE * wide * outputs
    there, sums = np.zeros(36 * _TILES * inputs, np.float32), np.empty(36 * _TILES * WIDE, np.float32)
    half = np.empty(36 * LANES, np.float32)
    starts, tap = np.arange(_TILES) * inputs, np.zeros(1, np.int64)
    for first in range(0, tiles, _TILES):
        now = min(_TILES, tiles - first)
        for place in range(now):
            row, column = divmod(first + place, wide)
            if up:
                down = 1 if row == 0 else 2 if row == tall - 1 else 0
                along = 3 if column == 0 else 4 if column == wide - 1 else 0
                at = 2 * (row * pitch + column * inputs)
                _to_upsampled_tiles(x, at, pitch, inputs, half, there, place, down, along)
            else:
                _to_tiles(x, TILE * (row * pitch + column * inputs), pitch, inputs, half, there, place)
        for number in range(blocks):
            for term in range(36):
                tap[0] = term * _TILES * inputs
                for some in range(0, now, ROWS):
                    product(
                        there, starts, some, tap, 1, inputs, w, (number * 36 + term) * inputs * WIDE,
                        sums, (term * _TILES + some) * WIDE, WIDE,
                    )  # fmt: skip
            for place in range(now):
                row, column = divmod(first + place, wide)
                at = TILE * (row * out_pitch + column * outputs) + number * WIDE
                _from_tiles(sums, place, half, out, at, out_pitch, outputs)


def _kept_for(sources: str) -> Any:
    """The compiled functions, whose machine code on disk is that for these sources of what it calls."""
    signature = types.void(
        _numbers, int64, int64, _indices, _indices, _indices, _numbers, _numbers, _numbers, float32, float32, int64,
        _made, _made,
    )  # fmt: skip

    @compiled(signature)
    def block(  # noqa: PLR0917
        x: Any, x_parts: int, parts: int, shape: Any, starts: Any, taps: Any, w: Any, gain: Any, bias: Any,
        epsilon: float, slope: float, then: int, room: Any, out: Any,
    ) -> None:  # fmt: skip
        """Convolution, instance normalisation and leaky ReLU of x for each of the `parts` of `out` (`then`: of it).

        `shape`: inputs of a convolution; pixels in a row of x, padding counted; rows and columns of what the
        convolution gives, and its pixels in a row; pixels in a row of `out`, padding counted; 0 for `direct`, which has
        `starts` and `taps`, 1 for `winograd`, 2 for that of x upsampled. x has as many parts as `out`, or one that all
        look at; `w`, `gain` and `bias` have those of one part after another; `room` takes what the convolution gives.
        """
        _ = sources
        inputs, x_pitch, rows, columns, pitch, to, way = shape
        width = gain.size // parts
        x_size, w_size, out_size = x.size // x_parts, w.size // parts, out.size // parts
        scale, shift = np.empty(columns * width, np.float32), np.empty(columns * width, np.float32)
        for part in range(parts):
            seen = x[part % x_parts * x_size : (part % x_parts + 1) * x_size]
            weights, made = w[part * w_size : (part + 1) * w_size], out[part * out_size : (part + 1) * out_size]
            if way:
                tall, wide = -(-rows // TILE), pitch // TILE
                winograd(seen, tall, wide, x_pitch * inputs, inputs, weights, way == 2, room)
            else:
                direct(seen, starts, taps, inputs, weights, room)
            channels = slice(part * width, (part + 1) * width)
            normalisation(room, rows, columns, pitch, gain[channels], bias[channels], epsilon, scale, shift)
            if then == POOLED:
                pooled(room, rows, columns, pitch, width, scale, shift, slope, made, to)
            else:
                activated(room, rows, columns, pitch, width, scale, shift, slope, then == ADDED, made, to)

    @compiled(types.void(_numbers, _indices, _indices, int64, _numbers, _made))
    def convolved(x: Any, starts: Any, taps: Any, inputs: int, w: Any, out: Any) -> None:  # noqa: PLR0917
        """See `direct`."""
        _ = sources
        direct(x, starts, taps, inputs, w, out)

    return block, convolved


block, convolved = _kept_for(sources_of(image_kernel, vector_code))
