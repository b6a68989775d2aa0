"""Vectors of eight numbers for the compiled loops of `hepad.nn.convolution_kernel`: code that numba has no words for.

One product, `ROWS` pixels by `WIDE` outputs, which is what stays in 16 vector registers; and the transforms of
Winograd's convolution of 3 by 3, 4 by 4 pixels at a time (Lavin, Gray, arXiv:1509.09308, F(4 x 4, 3 x 3)).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["LANES", "ROWS", "WIDE", "back", "bottom", "forward", "inside", "left", "product", "right", "top"]
__all__ += ["packed", "packed_winograd"]

ROWS, WIDE = 6, 16
"""Pixels and outputs of a product."""
LANES = 8
"""Numbers of a vector."""
_AHEAD = 1024
"""Weights that are asked for before they are wanted: they are too many to stay in the cache from event to event."""

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

_PAIRS = np.eye(6)
_PAIRS[1:3, 1:3] = _PAIRS[3:5, 3:5] = [[1, 1], [1, -1]]
_PAIRED = np.array([1, 2, 2, 2, 2, 1])
"""Sums and differences of pairs; a matrix that is its own inverse but for these divisors."""

_NUMBER, _INDEX = ir.FloatType(), ir.IntType(64)
_VECTOR = ir.VectorType(_NUMBER, LANES)

_Weights = npt.NDArray[np.float32]


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
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES))


def _multiply_add(builder: Any) -> Any:
    """a * b + c, rounded once where the processor can."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    return builder.module.globals.get(name) or ir.Function(builder.module, kind, name)


def _fetch(builder: Any, pointer: Any) -> None:
    """Ask for what will be read soon."""
    text, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [text, number, number, number])
    read_often = [ir.Constant(number, value) for value in (0, 3, 1)]
    builder.call(
        builder.module.declare_intrinsic("llvm.prefetch", [text], kind), [builder.bitcast(pointer, text), *read_often]
    )


def _arrays(context: Any, builder: Any, signature: Any, arguments: Any) -> list[Any]:
    """The arguments, arrays as pointers to their numbers."""
    return [
        context.make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, arguments, strict=True)
    ]


def _sums(builder: Any, incoming: Any, block: Any) -> list[list[Any]]:
    """Registers of a loop that begins: one of two vectors for each row of a product."""
    registers = [[builder.phi(_VECTOR) for _ in range(WIDE // LANES)] for _ in range(ROWS)]
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
    zeros = [[ir.Constant(_VECTOR, [0.0] * LANES)] * (WIDE // LANES)] * ROWS
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
    weights = [_load(builder, w_here, part) for part in range(WIDE // LANES)]
    _fetch(builder, builder.gep(w_here, [_constant(_AHEAD)]))
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


product: Any = intrinsic(_product_typed)


def _paired(builder: Any, values: list[Any]) -> list[Any]:
    """The sum and the difference of the second and the third of six vectors, and of the fourth and the fifth."""
    first, a, b, c, d, last = values
    return [
        first, builder.fadd(a, b), builder.fsub(a, b), builder.fadd(c, d), builder.fsub(c, d), last,
    ]  # fmt: skip


def _sum_of(builder: Any, values: list[Any], factors: Any) -> Any:
    """Vectors times factors, added up; one of factor 1 comes first, which saves its product."""
    order = sorted(np.flatnonzero(factors), key=lambda place: factors[place] != 1)
    total = values[order[0]]
    if factors[order[0]] != 1:
        total = builder.fmul(total, ir.Constant(_VECTOR, [factors[order[0]]] * LANES))
    for place in order[1:]:
        value, factor = values[place], factors[place]
        if abs(factor) == 1:
            total = builder.fadd(total, value) if factor == 1 else builder.fsub(total, value)
        else:
            total = builder.call(_multiply_add(builder), [value, ir.Constant(_VECTOR, [factor] * LANES), total])
    return total


def _combination(matrix: Any) -> Any:
    """A function that multiplies `LANES` columns of numbers by a matrix: rows are `step` apart in what it reads and
    `pitch` in what it writes.

    The transforms have pairs of rows or of columns that differ in signs, so that half of their products are saved.
    """
    there = len(matrix) == len(_PAIRS)
    inner = (_PAIRS @ matrix) / _PAIRED[:, None] if there else (matrix @ _PAIRS) / _PAIRED

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, step, out, out_at, pitch = _arrays(context, builder, signature, arguments)
        values = [
            _load(builder, builder.gep(x, [builder.add(x_at, builder.mul(step, _constant(j)))]))
            for j in range(matrix.shape[1])
        ]
        made = [_sum_of(builder, values if there else _paired(builder, values), row) for row in inner]
        for i, total in enumerate(_paired(builder, made) if there else made):
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


forward: Any = _combination(_INPUTS)
inside: Any = _upsampling()
top, bottom = _upsampling(first=(0, 0, 0, 0)), _upsampling(last=(0, 0, 0, 0))
left, right = _upsampling(first=(1, 0, 0, 0)), _upsampling(last=(0, 0, 0, 1))  # phi goes around
back: Any = _combination(_OUTPUTS)


def packed(weight: _Weights) -> _Weights:
    """Weights (outputs, inputs of a group, 3, 3) as blocks of `WIDE` outputs, pixel by pixel."""
    outputs, inputs = weight.shape[:2]
    blocks = weight.reshape(outputs // WIDE, WIDE, inputs, 9)
    return np.ascontiguousarray(blocks.transpose(0, 3, 2, 1), dtype=np.float32).ravel()


def packed_winograd(weight: _Weights) -> _Weights:
    """Weights (outputs, inputs of a group, 3, 3) as blocks of `WIDE` outputs, transformed, number by number."""
    outputs, inputs = weight.shape[:2]
    there = np.einsum("ij,okjl,ml->oimk", _WEIGHTS, weight.astype(np.float64), _WEIGHTS)
    blocks = there.reshape(outputs // WIDE, WIDE, 36, inputs)
    return np.ascontiguousarray(blocks.transpose(0, 2, 3, 1), dtype=np.float32).ravel()
