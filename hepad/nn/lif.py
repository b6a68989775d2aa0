"""Spiking networks without torch: the potentials and spikes of `hepad.nn.spiking.SpikingStack`, bit for bit.

snntorch computes each step as a chain of tensor operations. Here the input's current is computed once, layers are
taken one after the other with all their steps, and where that pays the loops are compiled.

The sums are made in the order in which matrix libraries make them on common processors: from zero along the inputs,
with fused multiply-adds, then the bias. So tests find the very numbers of snntorch; a library that sums in another
order differs from both by float32's rounding, 1e-7 of the largest term, and then a potential that close to the
threshold may fall on its other side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.nn.affine import affine

__all__ = ["LifNetwork", "lif_shapes"]

_Float32 = npt.NDArray[np.float32]

BLOCK = 512
"""Events at a time in numpy, so that what it works on stays in the cache."""

COMPILE_AFTER = 200_000
"""Events that one network evaluates before it loads the compiled loop. Loading takes about a second (the compiler's
tables, whether or not the machine code was cached), in which numpy does about this many events: no sample costs
more than twice the better of the two, and a small one never waits for a compiler."""


def lif_shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of layers of the given widths, as in `SpikingStack`'s state."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (inputs, neurons) in enumerate(pairwise(sizes)):
        shapes[f"layers.{index}.weight"] = (neurons, inputs)
        shapes[f"layers.{index}.bias"] = (neurons,)
    return shapes


class LifNetwork:
    """A trained `SpikingStack`, from copies of its weights. Reentrant, on one thread a call.

    An event's numbers depend on no other event and not on how many there are, nor on which of the two ways they were
    computed: both do the same operations on the same numbers in the same order.
    """

    def __init__(
        self,
        weights: Mapping[str, npt.NDArray[Any]],
        sizes: Sequence[int],
        *,
        steps: int,
        beta: float,
        threshold: float,
    ) -> None:
        arrays = {name: np.array(weights[name], dtype=np.float32, order="C") for name in lif_shapes(sizes)}
        self._layers = [(arrays[f"layers.{i}.weight"], arrays[f"layers.{i}.bias"]) for i in range(len(sizes) - 1)]
        self._sizes = np.array(sizes, dtype=np.int64)
        self._steps, self._beta, self._threshold = steps, np.float32(beta), np.float32(threshold)
        self._evaluated = 0

    def outputs(self, x: npt.NDArray[Any]) -> _Float32:
        """Output potentials after the last step, shape (n, last size), for input of shape (n, first size)."""
        self._evaluated += len(x)
        if self._evaluated > COMPILE_AFTER:
            return self._compiled(x)
        result = np.empty((len(x), self._sizes[-1]), dtype=np.float32)
        for start in range(0, len(x), BLOCK):
            *_, result[start : start + BLOCK] = self._block(x[start : start + BLOCK])
        return result

    def spikes(self, x: npt.NDArray[Any], layer: int) -> npt.NDArray[np.bool_]:
        """The spikes of hidden layer `layer`, counted from 0, shape (n, steps, width)."""
        result = np.empty((len(x), self._steps, self._sizes[layer + 1]), dtype=np.bool_)
        for start in range(0, len(x), BLOCK):
            result[start : start + BLOCK] = self._block(x[start : start + BLOCK])[layer].transpose(2, 0, 1) > 0
        return result

    def _compiled(self, x: npt.NDArray[Any]) -> _Float32:
        from hepad.nn.lif_kernel import outputs  # a second to import

        result = np.empty((len(x), self._sizes[-1]), dtype=np.float32)
        weights = np.concatenate([part.ravel() for layer in self._layers for part in layer])
        rows = np.ascontiguousarray(x, dtype=np.float32)
        outputs(rows, self._sizes, weights, self._beta, self._threshold, self._steps, result)
        return result

    def _block(self, x: npt.NDArray[Any]) -> list[_Float32]:
        """Spikes of each hidden layer, shape (steps, width, n), and last the output, shape (n, last size)."""
        (weight, bias), *others = self._layers
        done: list[_Float32] = []
        with np.errstate(over="ignore", invalid="ignore"):  # infinities come out where infinities or NaN went in
            current = np.broadcast_to(_drive(weight, bias, x), (self._steps, len(weight), len(x)))
            for weight, bias in others:
                done.append(self._fire(current))
                current = affine(weight, bias, done[-1])
            potential = np.zeros(current.shape[1:], dtype=np.float32)
            for own in current:
                potential = self._beta * potential + own
        return [*done, potential.T]

    def _fire(self, current: _Float32) -> _Float32:
        """Spikes, of the shape of `current`: (steps, width, n)."""
        spikes = np.empty(current.shape, dtype=np.float32)
        potential = np.zeros(current.shape[1:], dtype=np.float32)
        reset = np.zeros_like(potential)
        for own, spike in zip(current, spikes, strict=True):
            potential *= self._beta
            potential += own
            potential -= reset
            np.copyto(spike, potential > self._threshold)
            np.multiply(spike, self._threshold, out=reset)
        return spikes


def _drive(weight: _Float32, bias: _Float32, x: npt.NDArray[Any]) -> _Float32:
    """The first layer's current, shape (neurons, n)."""
    columns = np.ascontiguousarray(x.T, dtype=np.float64)
    current = np.zeros((len(weight), len(x)), dtype=np.float32)
    for own, values in zip(weight.T.astype(np.float64), columns, strict=True):
        # A fused multiply-add: the double-precision product of two floats is exact.
        current = (current + own[:, np.newaxis] * values).astype(np.float32)
    current += bias[:, np.newaxis]
    return current
