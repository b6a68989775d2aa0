"""Leaky integrate-and-fire layers as one compiled loop; see `hepad.nn.lif`, which says when it is worth its start.

Events are taken in blocks with the event as the fast axis, so that each operation works on a whole vector register of
them, and the layers one after the other with all steps, so that a block's potentials stay in the cache.
Every event has its own sums: the results depend on neither the block nor the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, float64, int64, njit, types

from hepad.nn.jit import compiled

__all__ = ["outputs"]

BLOCK = 256
"""Events at a time; on two cores with AVX-512, 64 are a tenth slower and 32 take twice the time."""

_vector = types.Array(float32, 1, "C", readonly=True)
_matrix = types.Array(float32, 2, "C", readonly=True)
_sizes = types.Array(int64, 1, "C", readonly=True)


# The product with a spike (0 or 1) is exact, and so fusing it with the sum changes no bit: it only saves a rounding
# that does nothing. This holds for no other function in this file.
@njit(fastmath={"contract"})
def _currents(w: Any, spikes: Any, current: Any) -> None:
    inputs, bias = len(spikes), len(w) - len(current)
    whole = inputs - inputs % 4
    for j in range(len(current)):
        row, out = j * inputs, current[j]
        out[:] = 0
        for i in range(0, whole, 4):  # four at a time save traffic of `out`; the order of the sum is the same
            w0, w1, w2, w3 = w[row + i], w[row + i + 1], w[row + i + 2], w[row + i + 3]
            s0, s1, s2, s3 = spikes[i], spikes[i + 1], spikes[i + 2], spikes[i + 3]
            for e in range(BLOCK):
                out[e] = (((out[e] + w0 * s0[e]) + w1 * s1[e]) + w2 * s2[e]) + w3 * s3[e]
        for i in range(whole, inputs):
            weight, s = w[row + i], spikes[i]
            for e in range(BLOCK):
                out[e] += weight * s[e]
        for e in range(BLOCK):
            out[e] += w[bias + j]


@njit
def _drive(w: Any, x: Any, current: Any) -> None:
    inputs, bias = len(x), len(w) - len(current)
    for j in range(len(current)):
        out = current[j]
        out[:] = 0
        for i in range(inputs):
            weight, values = float64(w[j * inputs + i]), x[i]
            for e in range(BLOCK):
                # A fused multiply-add: the double-precision product of two floats is exact.
                out[e] = float32(float64(out[e]) + weight * values[e])
        for e in range(BLOCK):
            out[e] += w[bias + j]


@njit
def _fire(current: Any, potential: Any, spikes: Any, beta: Any, threshold: Any) -> None:
    one, zero = np.float32(1), np.float32(0)
    for j in range(len(current)):
        i, u, s = current[j], potential[j], spikes[j]
        for e in range(BLOCK):
            reset = threshold if u[e] > threshold else zero
            u[e] = (beta * u[e] + i[e]) - reset
            s[e] = one if u[e] > threshold else zero


@njit
def _integrate(current: Any, potential: Any, beta: Any) -> None:
    for j in range(len(current)):
        i, u = current[j], potential[j]
        for e in range(BLOCK):
            u[e] = beta * u[e] + i[e]


@njit
def _load(x: Any, start: int, block: Any) -> int:
    """Transpose the rows from `start` on into `block`, zeros where there are no more; how many rows there were."""
    rows = min(BLOCK, len(x) - start)
    block[:, rows:] = 0
    for e in range(rows):
        for i in range(len(block)):
            block[i, e] = x[start + e, i]
    return rows


@compiled(types.void(_matrix, _sizes, _vector, float32, float32, int64, types.Array(float32, 2, "C")))
def outputs(  # noqa: PLR0917  numba knows no groups of arguments
    x: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, steps: int, result: Any
) -> None:
    """Fill `result` of shape (n, last size) with the output potentials after the last step.

    `x` has shape (n, first size); `weights` holds, layer by layer, the matrix (row by row) and the bias.
    """
    last, width = len(sizes) - 2, max(sizes)
    block = np.empty((sizes[0], BLOCK), np.float64)
    spikes = np.empty((steps, width, BLOCK), np.float32)
    current = np.empty((width, BLOCK), np.float32)
    potential = np.empty((width, BLOCK), np.float32)
    for start in range(0, len(x), BLOCK):
        rows, at = _load(x, start, block), 0
        for layer in range(last + 1):
            inputs, neurons = sizes[layer], sizes[layer + 1]
            w, i, u = weights[at : at + neurons * (inputs + 1)], current[:neurons], potential[:neurons]
            at += len(w)
            u[:] = 0
            if layer == 0:
                _drive(w, block, i)
            for t in range(steps):
                if layer > 0:  # the spikes of step t take the place of those of the layer before
                    _currents(w, spikes[t, :inputs], i)
                if layer < last:
                    _fire(i, u, spikes[t, :neurons], beta, threshold)
                else:
                    _integrate(i, u, beta)
        for e in range(rows):
            for j in range(len(u)):
                result[start + e, j] = u[j, e]
