"""Casts, products and squares of C++'s fixed-point types as logic: what `hepad.nn.fixed_point` does to numpy arrays.

All functions take da4ml's traced arrays only.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hepad.nn.fixed_point import FixedType, fraction_of
from hepad.trigger.fixed import Format, Numbers, floor_to, lookup

__all__ = ["cast", "format_of", "products_summed", "sum_of_squares"]

_TABLE_BITS = 8
"""Numbers up to so many bits are squared by a table; wider ones by the sum of their bits' products."""


def format_of(kind: FixedType) -> Format:
    """The numbers of a type, without what it does to others."""
    return Format(kind.signed, kind.integer - int(kind.signed), kind.fraction)


def cast(x: Numbers, kind: FixedType) -> Numbers:
    """x as numbers of a type: rounded, then saturated or wrapped, as `FixedType.cast`."""
    form = format_of(kind)
    rounded = floor_to(_nudged(x, kind), form.fraction) if int(x.kif[2].max()) > form.fraction else x
    overflow = "SAT" if kind.overflow == "AP_SAT" else "WRAP"
    signed, integer, _ = x.kif
    if overflow == "WRAP" and not form.signed and np.any(signed & (integer + 1 < form.integer)):
        # da4ml keeps the lowest bits of a narrow negative number and puts no signs above them.
        rounded = np.where(rounded < 0, rounded + 2.0**form.integer, rounded)
    return rounded.quantize(int(form.signed), form.integer, form.fraction, overflow, "TRN")


def _nudged(x: Numbers, kind: FixedType) -> Numbers:
    """x such that rounding down gives what the type's rounding gives."""
    half = 2.0 ** -(kind.fraction + 1)
    if kind.rounding == "AP_TRN":
        return x
    if kind.rounding == "AP_RND":
        return x + half
    # To even: what is half way goes up from an odd number only. Two additions of constants, and its last bit chooses.
    odd = x.quantize(0, 1 - kind.fraction, kind.fraction, "WRAP", "TRN")
    return _where_set(odd, x + half, x + (half - 2.0 ** -int(x.kif[2].max())))


def _where_set(bit: Numbers, one: Any, other: Any) -> Numbers:
    """`one` where a bit is set, else `other`.

    The bit is asked by its inverse, which costs nothing: da4ml 0.6 takes a number's top bit for the number itself, and
    reads the one below when it has no sign.
    """
    return np.where(~bit, other, one)


def products_summed(x: Numbers, weight: Any, bias: Any, accumulator: FixedType) -> Numbers:
    """x (..., inputs) @ weight (inputs, outputs) + bias, with each product cast to the accumulator."""
    if int(x.kif[2].max()) + fraction_of(weight) <= accumulator.fraction:
        return x @ weight + bias
    columns = [np.sum(floor_to(x * column, accumulator.fraction), axis=-1, keepdims=True) for column in weight.T]
    return np.concatenate(columns, axis=-1) + bias


def sum_of_squares(x: Numbers, kind: FixedType) -> Numbers:
    """The sum of the squares of numbers (k,), each cast to a type that wraps, shape (1,)."""
    squares: list[Numbers] = []
    exact = 2 * int(x.kif[2].max()) <= kind.fraction
    for i in range(len(x)):
        terms = _square_terms(x[i : i + 1])
        # Terms of all squares go into one tree of adders, unless something happens to a square before.
        squares.append(terms if exact else floor_to(np.sum(terms, keepdims=True), kind.fraction))
    return np.sum(np.concatenate(squares), keepdims=True)


def _square_terms(x: Numbers) -> Numbers:
    """Numbers (k,) whose sum is the square of one number (1,): x^2 itself from a table, or a term a bit of x.

    With u = sum of bits u_i 2^i, u^2 is the sum of u_i (2^(2 i) + 2^(i + 1) (u mod 2^i)); a sign bit s adds
    s (2^(2 n) - 2^(n + 1) u).
    """
    signed, integer, fraction = (int(part[0]) for part in x.kif)
    bits = signed + integer + fraction
    if bits <= _TABLE_BITS:
        largest = max(abs(float(x.lhs[0][0])), abs(float(x.lhs[1][0])))
        return lookup(x, np.square, Format(False, int(np.ceil(np.log2(largest**2 + 1))), 2 * fraction))
    terms = [x.quantize(0, 1 - fraction, fraction, "WRAP", "TRN") * 2.0**-fraction]
    for place in range(1 - fraction, integer):
        below = x.quantize(0, place, fraction, "WRAP", "TRN")
        there = x.quantize(0, place + 1, -place, "WRAP", "TRN")
        terms.append(_where_set(there, below * 2.0 ** (place + 1) + 4.0**place, 0.0))
    if signed:
        below = x.quantize(0, integer, fraction, "WRAP", "TRN")
        terms.append(np.where(x < 0, below * -(2.0 ** (integer + 1)) + 4.0**integer, 0.0))
    return np.concatenate(terms)
