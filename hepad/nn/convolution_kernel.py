"""Convolutions of 3 by 3 of one image as compiled loops, for processors: what a trigger's farm runs event by event.

An image is flat here, channels counted first, then columns, then rows, and has its padding about it already. Weights
are packed by `packed` and `packed_winograd`: blocks of `WIDE` outputs of a group beside one another. Both loops rest on
one product: `ROWS` pixels by `WIDE` outputs, which is what stays in 16 vector registers.

`winograd` computes 4 by 4 pixels at a time with 36 products in place of 144 (Lavin, Gray, arXiv:1509.09308, F(4 x 4,
3 x 3)): the same function, with rounding errors some ten times those of a plain sum. Each pixel's sum has one order,
whatever the processor and the images around it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import boolean, float32, int64, njit, types
from numba.extending import intrinsic

from hepad.jit import compiled

__all__ = ["ROWS", "TILE", "WIDE", "direct", "packed", "packed_winograd", "winograd"]

ROWS, WIDE = 6, 16
"""Pixels and outputs of a product."""
TILE = 4
"""Rows and columns of pixels that `winograd` computes together."""

_INPUTS = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=float,
)
_OUTPUTS = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]], dtype=float)
_WEIGHTS = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=float) / 24
"""The transforms of section 4.3 there: B^T, A^T and G."""

_BETWEEN = np.array([[3, 1, 0, 0], [1, 3, 0, 0], [0, 3, 1, 0], [0, 1, 3, 0], [0, 0, 3, 1], [0, 0, 1, 3]]) / 4
"""Six pixels of an image that was upsampled by 2 with linear interpolation, from the four next to them."""

_LANES = 8
_NUMBER, _INDEX = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_NUMBER, _LANES)

_Weights = npt.NDArray[np.float32]


def packed(weight: _Weights, groups: int) -> _Weights:
    """Weights (outputs, inputs of a group, 3, 3) as `direct` takes them."""
    outputs, inputs = weight.shape[:2]
    blocks = weight.reshape(groups * (outputs // groups // WIDE), WIDE, inputs, 9)
    return np.ascontiguousarray(blocks.transpose(0, 3, 2, 1), dtype=np.float32).ravel()


def packed_winograd(weight: _Weights, groups: int) -> _Weights:
    """Weights (outputs, inputs of a group, 3, 3) as `winograd` takes them."""
    outputs, inputs = weight.shape[:2]
    there = np.einsum("ij,okjl,ml->oimk", _WEIGHTS, weight.astype(np.float64), _WEIGHTS)
    blocks = there.reshape(groups * (outputs // groups // WIDE), WIDE, 36, inputs)
    return np.ascontiguousarray(blocks.transpose(0, 2, 3, 1), dtype=np.float32).ravel()


def _constant(number: int) -> Any:
    return ir.Constant(_INDEX, number)


def _vector_at(builder: Any, pointer: Any, place: int) -> Any:
    return builder.gep(builder.bitcast(pointer, _VECTOR.as_pointer()), [_constant(place)])


def _load(builder: Any, pointer: Any, place: int = 0) -> Any:
    value = builder.load(_vector_at(builder, pointer, place))
    value.align = 4
    return value


def _store(builder: Any, value: Any, pointer: Any, place: int = 0) -> None:
    builder.store(value, _vector_at(builder, pointer, place)).align = 4


def _all(builder: Any, number: Any) -> Any:
    """A vector of one number."""
    nothing = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), _LANES), [0] * _LANES))


def _multiply_add(builder: Any) -> Any:
    """a * b + c, rounded once where the processor can."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    name = f"llvm.fmuladd.v{_LANES}f32"
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def _arrays(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, arrays as pointers to their numbers."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def _sums(builder: Any, incoming: Any, block: Any) -> list[list[Any]]:
    """Registers of a loop that begins: one of two vectors for each row of a product."""
    registers = [[builder.phi(_VECTOR) for _ in range(WIDE // _LANES)] for _ in range(ROWS)]
    for row, values in zip(registers, incoming, strict=True):
        for register, value in zip(row, values, strict=True):
            register.add_incoming(value, block)
    return registers


def _come_back(registers: list[list[Any]], values: list[list[Any]], block: Any) -> None:
    for row, new in zip(registers, values, strict=True):
        for register, value in zip(row, new, strict=True):
            register.add_incoming(value, block)


def _product_code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    x, starts, first, taps, count, inputs, w, w_at, out, out_at, pitch = _arrays(context, builder, signature, arguments)
    rows = [
        builder.gep(x, [builder.load(builder.gep(starts, [builder.add(first, _constant(row))]))]) for row in range(ROWS)
    ]
    entry, multiply_add = builder.block, _multiply_add(builder)
    outer, inner, after, done = (builder.append_basic_block(name) for name in ("tap", "input", "next", "done"))
    begin = builder.gep(w, [w_at])
    zeros = [[ir.Constant(_VECTOR, [0.0] * _LANES)] * (WIDE // _LANES)] * ROWS
    builder.branch(outer)

    builder.position_at_end(outer)
    tap, w_tap = builder.phi(_INDEX), builder.phi(begin.type)
    tap.add_incoming(_constant(0), entry)
    w_tap.add_incoming(begin, entry)
    sums_tap = _sums(builder, zeros, entry)
    offset = builder.load(builder.gep(taps, [tap]))
    here = [builder.gep(row, [offset]) for row in rows]
    builder.branch(inner)

    builder.position_at_end(inner)
    place, w_here = builder.phi(_INDEX), builder.phi(begin.type)
    place.add_incoming(_constant(0), outer)
    w_here.add_incoming(w_tap, outer)
    sums = _sums(builder, sums_tap, outer)
    weights = [_load(builder, w_here, part) for part in range(WIDE // _LANES)]
    new = []
    for row, totals in zip(here, sums, strict=True):
        value = _all(builder, builder.load(builder.gep(row, [place])))
        new.append([builder.call(multiply_add, [value, v, s]) for v, s in zip(weights, totals, strict=True)])
    following, w_following = builder.add(place, _constant(1)), builder.gep(w_here, [_constant(WIDE)])
    place.add_incoming(following, inner)
    w_here.add_incoming(w_following, inner)
    _come_back(sums, new, inner)
    builder.cbranch(builder.icmp_signed("<", following, inputs), inner, after)

    builder.position_at_end(after)
    tap_following = builder.add(tap, _constant(1))
    tap.add_incoming(tap_following, after)
    w_tap.add_incoming(w_following, after)
    _come_back(sums_tap, new, after)
    builder.cbranch(builder.icmp_signed("<", tap_following, count), outer, done)

    builder.position_at_end(done)
    for row, totals in enumerate(new):
        target = builder.gep(out, [builder.add(out_at, builder.mul(pitch, _constant(row)))])
        for part, total in enumerate(totals):
            _store(builder, total, target, part)
    return context.get_dummy_value()


def _product_typed(  # noqa: PLR0917  numba knows no groups of arguments
    _: Any, x: Any, starts: Any, first: Any, taps: Any, count: Any, inputs: Any, w: Any, w_at: Any,
    out: Any, out_at: Any, pitch: Any,
) -> Any:  # fmt: skip
    """For each of `ROWS` pixels, which begin at `starts[first:]` in x, the sums over taps and inputs of `WIDE` outputs.

    `taps` are `count` offsets from a pixel's start, at each of which are `inputs` numbers; `w` from `w_at` has their
    weights. Sums go to `out` from `out_at`, `pitch` numbers between pixels.
    """
    return types.void(x, starts, first, taps, count, inputs, w, w_at, out, out_at, pitch), _product_code


_product: Any = intrinsic(_product_typed)


def _combination(matrix: Any) -> Any:
    """A function that multiplies `_LANES` columns of numbers by a matrix: rows are `step` apart in what it reads and
    `pitch` in what it writes.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, step, out, out_at, pitch = _arrays(context, builder, signature, arguments)
        multiply_add = _multiply_add(builder)
        values = [
            _load(builder, builder.gep(x, [builder.add(x_at, builder.mul(step, _constant(j)))]))
            for j in range(matrix.shape[1])
        ]
        for i, row in enumerate(matrix):
            total = None
            for value, factor in zip(values, row, strict=True):
                if factor == 0:
                    continue
                if total is None:
                    total = value if factor == 1 else builder.fmul(value, ir.Constant(_VECTOR, [factor] * _LANES))
                elif abs(factor) == 1:
                    total = builder.fadd(total, value) if factor == 1 else builder.fsub(total, value)
                else:
                    total = builder.call(multiply_add, [value, ir.Constant(_VECTOR, [factor] * _LANES), total])
            _store(builder, total, builder.gep(out, [builder.add(out_at, builder.mul(pitch, _constant(i)))]))
        return context.get_dummy_value()

    def combine(_: Any, x: Any, x_at: Any, step: Any, out: Any, out_at: Any, pitch: Any) -> Any:  # noqa: PLR0917
        return types.void(x, x_at, step, out, out_at, pitch), code

    return intrinsic(combine)


def _upsampling(first: tuple[int, ...] | None = None, last: tuple[int, ...] | None = None) -> Any:
    """The transform of inputs from the four pixels before the upsampling; at an edge, what is beyond it is known."""
    values = _BETWEEN.copy()
    if first is not None:
        values[:2] = [first, (0, 1, 0, 0)]
    if last is not None:
        values[4:] = [(0, 0, 1, 0), last]
    return _combination(_INPUTS @ values)


_forward: Any = _combination(_INPUTS)
_inside: Any = _upsampling()
_top, _bottom = _upsampling(first=(0, 0, 0, 0)), _upsampling(last=(0, 0, 0, 0))
_left, _right = _upsampling(first=(1, 0, 0, 0)), _upsampling(last=(0, 0, 0, 1))  # phi goes around
_back: Any = _combination(_OUTPUTS)

_numbers = types.Array(float32, 1, "C", readonly=True)
_indices = types.Array(int64, 1, "C", readonly=True)


@compiled(types.void(_numbers, _indices, _indices, int64, int64, _numbers, float32[::1]))
def direct(  # noqa: PLR0917
    x: Any, starts: Any, taps: Any, inputs: int, groups: int, w: Any, out: Any
) -> None:
    """Convolve: `starts` say where in x the neighbourhood of each output pixel begins, `taps` where its pixels are.

    `inputs` are those of a group. There are a multiple of `ROWS` starts; `out` has all outputs of one after another.
    """
    blocks = w.size // (taps.size * inputs * WIDE)
    outputs = blocks * WIDE
    shifted = np.empty_like(taps)
    for block in range(blocks):
        for tap in range(taps.size):
            shifted[tap] = taps[tap] + block * groups // blocks * inputs
        for first in range(0, starts.size, ROWS):
            _product(
                x, starts, first, shifted, taps.size, inputs, w, block * taps.size * inputs * WIDE,
                out, first * outputs + block * WIDE, outputs,
            )  # fmt: skip


@njit
def _to_tiles(  # noqa: PLR0917
    x: Any, at: int, pitch: int, pixel: int, inputs: int, half: Any, there: Any, place: int
) -> None:
    """The 36 numbers of each input of one tile of 6 by 6 pixels, the `place`-th of `there` (36, ROWS, inputs)."""
    for channel in range(0, inputs, _LANES):
        for column in range(6):
            _forward(x, at + column * pixel + channel, pitch, half, column * _LANES, 6 * _LANES)
        for row in range(6):
            target = (row * 6 * ROWS + place) * inputs + channel
            _forward(half, row * 6 * _LANES, _LANES, there, target, ROWS * inputs)


@njit
def _one_of(  # noqa: PLR0917
    kind: int, x: Any, x_at: int, step: int, out: Any, out_at: int, pitch: int
) -> None:
    """The transform of a kind: 0 inside, 1 and 2 at the top and the bottom, 3 and 4 at the left and the right."""
    if kind == 0:
        _inside(x, x_at, step, out, out_at, pitch)
    elif kind == 1:
        _top(x, x_at, step, out, out_at, pitch)
    elif kind == 2:
        _bottom(x, x_at, step, out, out_at, pitch)
    elif kind == 3:
        _left(x, x_at, step, out, out_at, pitch)
    else:
        _right(x, x_at, step, out, out_at, pitch)


@njit
def _to_upsampled_tiles(  # noqa: PLR0917
    x: Any, at: int, pitch: int, pixel: int, inputs: int, half: Any, there: Any, place: int, down: int, along: int
) -> None:
    """The same for a tile of the upsampled image, from 4 by 4 pixels of x; `down`, `along`: kinds of `_one_of`."""
    for channel in range(0, inputs, _LANES):
        for column in range(4):
            _one_of(down, x, at + column * pixel + channel, pitch, half, column * _LANES, 4 * _LANES)
        for row in range(6):
            target = (row * 6 * ROWS + place) * inputs + channel
            _one_of(along, half, row * 4 * _LANES, _LANES, there, target, ROWS * inputs)


@njit
def _from_tiles(  # noqa: PLR0917
    sums: Any, place: int, half: Any, out: Any, at: int, pitch: int, pixel: int
) -> None:
    """4 by 4 pixels of `WIDE` outputs from their 36 sums, the `place`-th of `sums` (36, ROWS, WIDE)."""
    for channel in range(0, WIDE, _LANES):
        for column in range(6):
            _back(sums, (column * ROWS + place) * WIDE + channel, 6 * ROWS * WIDE, half, column * _LANES, 6 * _LANES)
        for row in range(TILE):
            _back(half, row * 6 * _LANES, _LANES, out, at + row * pitch + channel, pixel)


@compiled(types.void(_numbers, int64, int64, int64, int64, int64, _numbers, boolean, float32[::1]))
def winograd(  # noqa: PLR0917
    x: Any, tall: int, wide: int, x_pitch: int, inputs: int, groups: int, w: Any, up: bool, out: Any
) -> None:
    """Convolve `tall` by `wide` tiles of x, whose rows are `x_pitch` numbers apart; `inputs` are those of a group.

    `out` has 4 wide pixels in each of its 4 tall rows, and all outputs of one pixel after another. With `up` what is
    convolved is x upsampled by 2 with linear interpolation, which is never made: x has 2 tall rows of 2 wide pixels, at
    least 4 of each, and its edges as ever.
    """
    blocks = w.size // (36 * inputs * WIDE)
    each, outputs, pixel, tiles = blocks // groups, blocks * WIDE, groups * inputs, tall * wide
    out_pitch = TILE * wide * outputs
    there, sums = np.zeros(36 * ROWS * inputs, np.float32), np.empty(36 * ROWS * WIDE, np.float32)
    half = np.empty(36 * _LANES, np.float32)
    starts, tap = np.arange(ROWS) * inputs, np.zeros(1, np.int64)
    for group in range(groups):
        for first in range(0, tiles, ROWS):
            now = min(ROWS, tiles - first)
            for place in range(now):
                row, column = divmod(first + place, wide)
                if up:
                    down = 1 if row == 0 else 2 if row == tall - 1 else 0
                    along = 3 if column == 0 else 4 if column == wide - 1 else 0
                    at = 2 * (row * x_pitch + column * pixel) + group * inputs
                    _to_upsampled_tiles(x, at, x_pitch, pixel, inputs, half, there, place, down, along)
                else:
                    at = TILE * (row * x_pitch + column * pixel) + group * inputs
                    _to_tiles(x, at, x_pitch, pixel, inputs, half, there, place)
            for block in range(group * each, (group + 1) * each):
                for number in range(36):
                    tap[0] = number * ROWS * inputs
                    _product(
                        there, starts, 0, tap, 1, inputs, w, (block * 36 + number) * inputs * WIDE,
                        sums, number * ROWS * WIDE, WIDE,
                    )  # fmt: skip
                for place in range(now):
                    row, column = divmod(first + place, wide)
                    at = TILE * (row * out_pitch + column * outputs) + block * WIDE
                    _from_tiles(sums, place, half, out, at, out_pitch, outputs)
