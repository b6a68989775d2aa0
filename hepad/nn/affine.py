"""Affine layers in numpy whose sums have one order, whatever the number of rows, of threads and the matrix library.

The order is that of matrix libraries on common processors: from zero along the inputs with fused multiply-adds, then
the bias. Where the library at hand is seen to keep to it, it does the work; elsewhere plain numpy does the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import numpy as np
import numpy.typing as npt

from hepad.threads import both

__all__ = ["Affine", "Stack"]

_Float32 = npt.NDArray[np.float32]
_Float64 = npt.NDArray[np.float64]

COMPILE_AFTER = 100_000
"""Events that a stack evaluates in plain numpy before it loads the compiled loop, which gives the same bits; see
`hepad.nn.lif`. A matrix library that keeps to the order is as fast."""

TWO_THREADS_FROM = 4096
"""Events from which a second thread pays for being woken up."""

KERNEL = "hepad.nn.lif_kernel"

_TILE = 16
"""At most so many columns are done at a time."""

_BELOW_SINGLE, _HALF = (1 << 29) - 1, 1 << 28
"""The bits of a double that single precision has no place for, and what of them is halfway between two singles."""
_LEAST_NORMAL = float(np.finfo(np.float32).tiny)


class Affine:
    """`weight @ columns + bias`, shape (..., outputs, block), for columns of shape (..., inputs, block).

    Callers pad to `block` columns: matrix libraries choose their order by the shape, and were tried with this one.
    With `binary`, inputs are 0 or 1 (spikes); products are then exact, and sums need no fused operation. With `plain`
    products and sums are rounded each, whatever the inputs: numpy does that as fast as most libraries do the other.
    """

    def __init__(
        self, weight: _Float32, bias: _Float32, block: int, *, binary: bool = False, plain: bool = False
    ) -> None:
        self._weight, self._bias = weight, bias[:, np.newaxis]
        self._sum: Callable[[_Float32, _Float32], _Float32] = _plain if binary or plain else _sequential
        if plain:
            return
        # Numbers without a pattern, without the import of numpy's generators, which takes longer than all else here.
        trial = np.sin(np.square(np.arange(weight.shape[1] * block, dtype=np.float64))).astype(np.float32)
        trial = trial.reshape(weight.shape[1], block)
        if binary:
            trial = (trial > 0).astype(np.float32)
        # The order does not depend on the numbers: one block of generic ones that agrees in each bit tells it. Nor on
        # the column but for its place in the library's tiles, of sizes that no 7 divides: one in 7, and the last ones.
        some = np.r_[0 : block - _TILE : 7, max(block - _TILE, 0) : block]
        if np.array_equal(_matmul(weight, trial)[:, some], self._sum(weight, np.ascontiguousarray(trial[:, some]))):
            self._sum = _matmul

    @property
    def by_library(self) -> bool:
        """Does the matrix library do the work? Plain numpy takes about ten times as long."""
        return self._sum is _matmul

    def __call__(self, columns: _Float32) -> _Float32:
        """The affine map of columns; as many of them as were announced."""
        total: _Float32 = self._sum(self._weight, columns)
        total += self._bias
        return total


class Stack:
    """Affine layers one after the other, some followed by a ReLU: rows in, rows out, whatever the rows around them."""

    def __init__(
        self, layers: Sequence[tuple[_Float32, _Float32, bool]], block: int, *, slope: float = 0.0, plain: bool = False
    ) -> None:
        """Layers as (weight, bias, whether a ReLU follows); events are taken `block` at a time.

        `slope` is that of the ReLU below zero, less than 1; `plain` as of `Affine`.
        """
        self._layers = [(Affine(weight, bias, block, plain=plain), relu) for weight, bias, relu in layers]
        self._outputs, self._block, self._slope, self._plain = len(layers[-1][1]), block, np.float32(slope), plain
        self._sizes = np.array([layers[0][0].shape[1], *(len(bias) for _, bias, _ in layers)], dtype=np.int64)
        self._flat = np.concatenate([part.ravel() for weight, bias, _ in layers for part in (weight, bias)])
        self._relu = np.array([relu for *_, relu in layers])
        self._by_library = all(layer.by_library for layer, _ in self._layers)
        self._evaluated = 0

    def __call__(self, x: _Float32) -> _Float32:
        """The outputs of the last layer, shape (n, outputs), for rows of shape (n, inputs)."""
        result = np.empty((len(x), self._outputs), dtype=np.float32)
        self._evaluated += len(x)
        if not self._by_library and (self._evaluated > COMPILE_AFTER or KERNEL in sys.modules):
            self._compiled(np.ascontiguousarray(x, dtype=np.float32), result)
            return result
        for start in range(0, len(x), self._block):
            rows = x[start : start + self._block]
            columns = np.zeros((x.shape[1], self._block), dtype=np.float32)
            columns[:, : len(rows)] = rows.T
            for layer, relu in self._layers:
                columns = layer(columns)
                if relu:
                    np.maximum(columns, self._slope * columns if self._slope else 0, out=columns)
            result[start : start + self._block] = columns[:, : len(rows)].T
        return result

    def _compiled(self, x: _Float32, result: _Float32) -> None:
        loop, cut = import_module(KERNEL).dense, len(x) // 2
        network = (self._sizes, self._flat, self._relu, self._slope, self._plain)
        if len(x) < TWO_THREADS_FROM:
            loop(x, *network, result)
        else:
            both(lambda: loop(x[:cut], *network, result[:cut]), lambda: loop(x[cut:], *network, result[cut:]))


def _matmul(weight: _Float32, columns: _Float32) -> _Float32:
    product: _Float32 = np.matmul(weight, columns)
    return product


def _plain(weight: _Float32, columns: _Float32) -> _Float32:
    total = np.zeros((*columns.shape[:-2], len(weight), columns.shape[-1]), dtype=np.float32)
    product = np.empty_like(total)
    for i, own in enumerate(weight.T):
        np.multiply(own[:, np.newaxis], columns[..., i, np.newaxis, :], out=product)
        total += product
    return total


def _sequential(weight: _Float32, columns: _Float32) -> _Float32:
    total = np.zeros((*columns.shape[:-2], len(weight), columns.shape[-1]), dtype=np.float32)
    for i, own in enumerate(weight.T.astype(np.float64)):
        total = _rounded_sum(own[:, np.newaxis] * columns[..., i, np.newaxis, :], total.astype(np.float64))
    return total


def _rounded_sum(a: _Float64, b: _Float64) -> _Float32:
    """a + b rounded once to single precision, as a fused multiply-add does.

    `a` is a product of two floats, which double precision holds exactly. Rounding the sum to double and then to single
    precision may go wrong at a tie; rounding to odd first, if at all, does not (Boldo and Melquiond, IEEE Transactions
    on Computers 57 (2008) 462). The sum's own error comes from Knuth's TwoSum.
    """
    total = a + b
    # A sum that is no tie rounds alike at once and in two steps; ties are rare, unless the numbers are round ones.
    ties = (total.view(np.int64) & _BELOW_SINGLE) == _HALF
    ties |= (total != 0) & (np.abs(total) < _LEAST_NORMAL)  # singles have fewer digits there
    if not ties.any():
        return total.astype(np.float32)
    part = total - a
    error = (a - (total - part)) + (b - part)
    even = (total.view(np.int64) & 1) == 0
    towards = np.copysign(np.inf, error)
    return np.where((error != 0) & even & np.isfinite(total), np.nextafter(total, towards), total).astype(np.float32)
