"""Leaky integrate-and-fire layers as compiled loops, forwards and backwards; `hepad.nn.lif` says when they pay.

So are dense layers (`dense`), of which `hepad.nn.affine` says when.

Events are taken in blocks. A layer's numbers have the shape (neurons, steps * BLOCK), the event being the fast axis:
each operation works on whole vector registers, all steps of a layer are one product with its weights, and a block
stays in the cache from the first layer to the last. Every event has its own sums, so that its output depends on
neither the other events nor on how they are split; gradients are summed block by block, in order.

`weights` holds, layer by layer, the matrix (row by row) and then the bias, in single precision like all numbers here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import boolean, float32, int64, njit, types
from numba.extending import intrinsic

from hepad.jit import compiled

__all__ = ["BLOCK", "dense", "gradients", "outputs", "remember"]

BLOCK = 128
"""Events in a block. Measured with five steps and AVX-512: 256 are as fast, 64 a tenth slower."""

PI = np.float32(np.pi)

_vector = types.Array(float32, 1, "C", readonly=True)
_matrix = types.Array(float32, 2, "C", readonly=True)
_memory = types.Array(float32, 3, "C")
_result = types.Array(float32, 2, "C")
_sizes = types.Array(int64, 1, "C", readonly=True)


def _fused_multiply_add(context: Any, a: Any, b: Any, c: Any) -> Any:  # noqa: ARG001
    """a * b + c rounded once, which Python has no function for before 3.13."""
    return float32(float32, float32, float32), lambda _, builder, __, arguments: builder.fma(*arguments)


_fused: Any = intrinsic(_fused_multiply_add)


@njit
def _rounded(weight: Any, x: Any, total: Any) -> Any:
    """The same with product and sum rounded each."""
    return total + weight * x


def _affine_of(added: Any) -> Any:
    """The function of an affine layer, by that which adds a product to a sum."""

    @njit
    def affine(w: Any, x: Any, out: Any) -> None:
        """`out` = matrix `x` + bias; each sum goes along the inputs from zero, and the bias comes last."""
        inputs, bias, n = len(x), len(w) - len(out), out.shape[1]
        whole = inputs - inputs % 4
        for j in range(len(out)):
            row, o = j * inputs, out[j]
            o[:] = 0
            for i in range(0, whole, 4):  # four at a time save traffic of `out`; the order of the sum is the same
                w0, w1, w2, w3 = w[row + i], w[row + i + 1], w[row + i + 2], w[row + i + 3]
                x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
                for e in range(n):
                    o[e] = added(w3, x3[e], added(w2, x2[e], added(w1, x1[e], added(w0, x0[e], o[e]))))
            for i in range(whole, inputs):
                weight, xi = w[row + i], x[i]
                for e in range(n):
                    o[e] = added(weight, xi[e], o[e])
            for e in range(n):
                o[e] += w[bias + j]

    return affine


_affine, _affine_plain = _affine_of(_fused), _affine_of(_rounded)


@njit
def _rectify(values: Any, slope: Any) -> None:
    """Leaky ReLU in place, as numpy's maximum makes it of infinities and what is no number."""
    zero = np.float32(0)
    for j in range(len(values)):
        v = values[j]
        for e in range(values.shape[1]):
            if v[e] < zero:
                v[e] = slope * v[e] if slope > zero else zero


# The loops over the steps take one row of BLOCK numbers for each, and keep the state in a row of its own: where rows
# might overlap, or an index be negative, as far as the compiler can see, it gives up vector instructions and with
# them a factor of ten.
@njit
def _rows(values: Any) -> Any:
    """A row for each neuron and step."""
    return values.reshape(values.size // BLOCK, BLOCK)


@njit
def _fire(current: Any, potential: Any, spikes: Any, beta: Any, threshold: Any) -> None:
    """Potentials and spikes from currents, which are those of all steps or the same one for each."""
    one, zero = np.float32(1), np.float32(0)
    steps = potential.shape[1] // BLOCK
    each = current.shape[1] // BLOCK
    currents, potentials, fired = _rows(current), _rows(potential), _rows(spikes)
    u = np.empty(BLOCK, np.float32)
    for j in range(len(potential)):
        u[:] = 0
        for t in range(steps):
            i, p, s = currents[j * each + min(t, each - 1)], potentials[j * steps + t], fired[j * steps + t]
            for e in range(BLOCK):
                reset = threshold if u[e] > threshold else zero
                u[e] = (beta * u[e] + i[e]) - reset
                s[e] = one if u[e] > threshold else zero
            for e in range(BLOCK):
                p[e] = u[e]


@njit
def _integrate(current: Any, beta: Any, out: Any) -> None:
    """The last potential of neurons that never fire."""
    steps, currents = current.shape[1] // BLOCK, _rows(current)
    for j in range(len(out)):
        o = out[j]
        o[:] = 0
        for t in range(steps):
            i = currents[j * steps + t]
            for e in range(BLOCK):
                o[e] = beta * o[e] + i[e]


@njit
def _load(x: Any, start: int, block: Any) -> int:
    """Transpose the rows from `start` on into `block`, zeros where there are no more; how many rows there were."""
    rows = min(BLOCK, len(x) - start)
    block[:, rows:] = 0
    for e in range(rows):
        for i in range(len(block)):
            block[i, e] = x[start + e, i]
    return rows


@njit
def _forward(  # noqa: PLR0917  numba knows no groups of arguments
    x: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, potential: Any, spikes: Any, out: Any
) -> None:
    """Fill the potentials and spikes of all hidden neurons, layer by layer, and the output's last potential."""
    last = len(sizes) - 2
    current = np.empty((max(sizes), potential.shape[1]), np.float32)
    drive = np.empty((sizes[1], BLOCK), np.float32)
    at, neuron = sizes[1] * (sizes[0] + 1), sizes[1]
    _affine(weights[:at], x, drive)
    _fire(drive, potential[:neuron], spikes[:neuron], beta, threshold)
    for layer in range(1, last + 1):
        inputs, neurons = sizes[layer], sizes[layer + 1]
        size = neurons * (inputs + 1)
        _affine(weights[at : at + size], spikes[neuron - inputs : neuron], current[:neurons])
        at += size
        if layer < last:
            own = slice(neuron, neuron + neurons)
            _fire(current[:neurons], potential[own], spikes[own], beta, threshold)
            neuron += neurons
        else:
            _integrate(current[:neurons], beta, out)


@njit
def _store(block: Any, start: int, rows: int, result: Any) -> None:
    for e in range(rows):
        for j in range(len(block)):
            result[start + e, j] = block[j, e]


@compiled(types.void(_matrix, _sizes, _vector, float32, float32, int64, _result))
def outputs(  # noqa: PLR0917
    x: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, steps: int, result: Any
) -> None:
    """Fill `result`, shape (n, last size), with the output potentials after the last step for `x`, (n, first size)."""
    hidden = sizes[1:-1].sum()
    block = np.empty((sizes[0], BLOCK), np.float32)
    out = np.empty((sizes[-1], BLOCK), np.float32)
    potential = np.empty((hidden, steps * BLOCK), np.float32)
    spikes = np.empty((hidden, steps * BLOCK), np.float32)
    for start in range(0, len(x), BLOCK):
        rows = _load(x, start, block)
        _forward(block, sizes, weights, beta, threshold, potential, spikes, out)
        _store(out, start, rows, result)


@compiled(types.void(_matrix, _sizes, _vector, types.Array(boolean, 1, "C", readonly=True), float32, boolean, _result))
def dense(  # noqa: PLR0917
    x: Any, sizes: Any, weights: Any, relu: Any, slope: Any, plain: bool, result: Any
) -> None:
    """Fill `result`, shape (n, last size), with the outputs of dense layers; `relu` says after which there is one."""
    widest = max(sizes)
    a, b = np.empty((widest, BLOCK), np.float32), np.empty((widest, BLOCK), np.float32)
    for start in range(0, len(x), BLOCK):
        rows, at = _load(x, start, a[: sizes[0]]), 0
        for layer in range(len(relu)):
            inputs, neurons = sizes[layer], sizes[layer + 1]
            size = neurons * (inputs + 1)
            if plain:
                _affine_plain(weights[at : at + size], a[:inputs], b[:neurons])
            else:
                _affine(weights[at : at + size], a[:inputs], b[:neurons])
            if relu[layer]:
                _rectify(b[:neurons], slope)
            at += size
            a, b = b, a
        _store(a[: sizes[-1]], start, rows, result)


@compiled(types.void(_matrix, _sizes, _vector, float32, float32, _memory, _result))
def remember(  # noqa: PLR0917
    x: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, memory: Any, result: Any
) -> None:
    """As `outputs`; `memory`, shape (blocks, hidden neurons, steps * BLOCK), keeps the potentials for `gradients`."""
    block = np.empty((sizes[0], BLOCK), np.float32)
    out = np.empty((sizes[-1], BLOCK), np.float32)
    spikes = np.empty(memory.shape[1:], np.float32)
    for index in range(len(memory)):
        rows = _load(x, index * BLOCK, block)
        _forward(block, sizes, weights, beta, threshold, memory[index], spikes, out)
        _store(out, index * BLOCK, rows, result)


# From here on nothing decides whether a neuron fires: sums may be rearranged into vector registers. Their order is
# still the same in each run on one kind of processor.
_LOOSE = {"reassoc", "contract"}


@njit(fastmath=_LOOSE)
def _dot(a: Any, b: Any) -> Any:
    total = np.float32(0)
    for e in range(len(a)):
        total += a[e] * b[e]
    return total


@njit(fastmath=_LOOSE)
def _dots(a: Any, b: Any, w: Any, x: Any, y: Any, z: Any) -> Any:  # noqa: PLR0917
    """The eight products of two with four vectors, each of which is read once."""
    aw = ax = ay = az = bw = bx = by = bz = np.float32(0)
    for e in range(len(a)):
        aw += a[e] * w[e]
        ax += a[e] * x[e]
        ay += a[e] * y[e]
        az += a[e] * z[e]
        bw += b[e] * w[e]
        bx += b[e] * x[e]
        by += b[e] * y[e]
        bz += b[e] * z[e]
    return (aw, ax, ay, az), (bw, bx, by, bz)


@njit(fastmath=_LOOSE)
def _add_products(g: Any, x: Any, gradient: Any) -> None:
    """Add to the gradient of an affine layer: `g` is that of its output, `x` its input."""
    inputs, bias = len(x), len(gradient) - len(g)
    pairs, fours = len(g) - len(g) % 2, inputs - inputs % 4
    for j in range(0, pairs, 2):
        for i in range(0, fours, 4):
            first, second = _dots(g[j], g[j + 1], x[i], x[i + 1], x[i + 2], x[i + 3])
            for k in range(4):
                gradient[j * inputs + i + k] += first[k]
                gradient[(j + 1) * inputs + i + k] += second[k]
    for j in range(len(g)):
        for i in range(fours if j < pairs else 0, inputs):
            gradient[j * inputs + i] += _dot(g[j], x[i])
        total = np.float32(0)
        for e in range(g.shape[1]):
            total += g[j, e]
        gradient[bias + j] += total


@njit(fastmath=_LOOSE)
def _transposed(w: Any, g: Any, out: Any) -> None:
    """`out` = transposed matrix `g`: from the gradient of an affine layer's output to that of its input."""
    inputs, n = len(out), g.shape[1]
    whole = len(g) - len(g) % 4
    for i in range(inputs):
        o = out[i]
        o[:] = 0
        for j in range(0, whole, 4):
            w0, w1 = w[j * inputs + i], w[(j + 1) * inputs + i]
            w2, w3 = w[(j + 2) * inputs + i], w[(j + 3) * inputs + i]
            g0, g1, g2, g3 = g[j], g[j + 1], g[j + 2], g[j + 3]
            for e in range(n):
                o[e] += w0 * g0[e] + w1 * g1[e] + w2 * g2[e] + w3 * g3[e]
        for j in range(whole, len(g)):
            weight, gj = w[j * inputs + i], g[j]
            for e in range(n):
                o[e] += weight * gj[e]


@njit(fastmath=_LOOSE, error_model="numpy")  # the other model would look at each divisor
def _through_neurons(g: Any, potential: Any, beta: Any, threshold: Any) -> None:
    """Turn the gradient of spikes into that of currents, in place.

    The spike's derivative is snntorch's arctangent surrogate (alpha = 2), 1 / (1 + (pi (u - threshold))^2); the reset
    is constant, as snntorch detaches it.
    """
    one = np.float32(1)
    steps = potential.shape[1] // BLOCK
    gs, us = _rows(g), _rows(potential)
    later = np.empty(BLOCK, np.float32)
    for j in range(len(potential)):
        later[:] = 0
        for row in range((j + 1) * steps - 1, j * steps - 1, -1):
            own, u = gs[row], us[row]
            for e in range(BLOCK):
                slope = PI * (u[e] - threshold)
                later[e] = own[e] / (one + slope * slope) + beta * later[e]
            for e in range(BLOCK):
                own[e] = later[e]


@njit(fastmath=_LOOSE)
def _spread_steps(values: Any, decay: Any, out: Any) -> None:
    """The transpose of `_integrate`: the last step gets the value itself, each earlier one `decay` times the next."""
    steps, rows = out.shape[1] // BLOCK, _rows(out)
    for j in range(len(values)):
        factor = np.float32(1)
        for t in range(steps - 1, -1, -1):
            v, o = values[j], rows[j * steps + t]
            for e in range(BLOCK):
                o[e] = factor * v[e]
            factor *= decay


@njit
def _backward(  # noqa: PLR0917
    x: Any, g: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, potential: Any, gradient: Any
) -> None:
    """Add to `gradient` what one block gives; `x` and `g`, the output's gradient, have the shape (width, BLOCK)."""
    last, width = len(sizes) - 2, max(sizes)
    spikes = np.empty(potential.shape, np.float32)
    for j in range(len(potential)):
        s, u = spikes[j], potential[j]
        for e in range(potential.shape[1]):
            s[e] = np.float32(1) if u[e] > threshold else np.float32(0)
    a, b = np.empty((width, potential.shape[1]), np.float32), np.empty((width, potential.shape[1]), np.float32)
    short = np.empty((width, BLOCK), np.float32)
    steps = potential.shape[1] // BLOCK
    # The output layer is linear in the spikes of all steps, so one product does for all of them.
    at, neuron, inputs = len(weights) - sizes[-1] * (sizes[-2] + 1), len(potential), sizes[-2]
    _integrate(spikes[neuron - inputs : neuron], beta, short[:inputs])
    own = gradient[at:]
    bias = len(own) - len(g)
    before = own[bias:].copy()
    _add_products(g, short[:inputs], own)
    total = np.float32(0)
    for _ in range(steps):
        total = beta * total + np.float32(1)
    for j in range(len(g)):
        own[bias + j] = before[j] + total * (own[bias + j] - before[j])
    _transposed(weights[at:], g, short[:inputs])
    _spread_steps(short[:inputs], beta, a[:inputs])
    for layer in range(last - 1, 0, -1):
        inputs, neurons = sizes[layer], sizes[layer + 1]
        size = neurons * (inputs + 1)
        _through_neurons(a[:neurons], potential[neuron - neurons : neuron], beta, threshold)
        neuron -= neurons
        at -= size
        _add_products(a[:neurons], spikes[neuron - inputs : neuron], gradient[at : at + size])
        _transposed(weights[at : at + size], a[:neurons], b[:inputs])
        a, b = b, a
    _through_neurons(a[:neuron], potential[:neuron], beta, threshold)
    _integrate(a[:neuron], np.float32(1), short[:neuron])
    _add_products(short[:neuron], x, gradient[:at])


@compiled(types.void(_matrix, _matrix, _sizes, _vector, float32, float32, _memory, types.Array(float32, 1, "C")))
def gradients(  # noqa: PLR0917
    x: Any, g: Any, sizes: Any, weights: Any, beta: Any, threshold: Any, memory: Any, gradient: Any
) -> None:
    """Fill `gradient`, of the shape of `weights`, from `g`, that of the outputs, and what `remember` kept."""
    gradient[:] = 0
    block = np.empty((sizes[0], BLOCK), np.float32)
    out = np.empty((sizes[-1], BLOCK), np.float32)
    for index in range(len(memory)):
        _load(x, index * BLOCK, block)
        _load(g, index * BLOCK, out)
        _backward(block, out, sizes, weights, beta, threshold, memory[index], gradient)
