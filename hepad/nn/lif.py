"""Spiking networks without torch: the potentials and spikes of `hepad.nn.spiking.SpikingStack`.

snntorch computes each step as a chain of tensor operations. Here the input's current is computed once, layers are
taken one after the other with all their steps, and where that pays the loops are compiled.

The sums have one order on every processor, that in which many matrix libraries make them: from zero along the inputs,
with fused multiply-adds, then the bias. Torch's library often keeps to it, and then the numbers are those of snntorch
bit for bit; for other shapes or on other processors it differs by float32's rounding, 1e-7 of the largest term, and a
potential that close to the threshold may fall on its other side.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.nn.affine import KERNEL, TWO_THREADS_FROM, Affine
from hepad.threads import both

__all__ = ["LifNetwork", "lif_shapes"]

_Float32 = npt.NDArray[np.float32]

BLOCK = 512
"""Events at a time in numpy, so that what it works on stays in the cache."""

COMPILE_AFTER = 2_000_000
"""Events that one network evaluates before it loads the compiled loop. Loading takes a second (the compiler's tables,
whether or not the machine code was cached), which the loop gains back in about this many events: no sample costs more
than twice the better of the two, and a small one never waits for a compiler."""

COMPILE_AFTER_IN_NUMPY = 100_000
"""The same where a layer is left to plain numpy, as the matrix library sums in another order."""


def lif_shapes(sizes: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of layers of the given widths, as in `SpikingStack`'s state."""
    shapes: dict[str, tuple[int, ...]] = {}
    for index, (inputs, neurons) in enumerate(pairwise(sizes)):
        shapes[f"layers.{index}.weight"] = (neurons, inputs)
        shapes[f"layers.{index}.bias"] = (neurons,)
    return shapes


class LifNetwork:
    """A trained `SpikingStack`, from copies of its weights. Reentrant.

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
        arrays = [np.array(weights[name], dtype=np.float32, order="C") for name in lif_shapes(sizes)]
        self._flat = np.concatenate([array.ravel() for array in arrays])
        self._layers = [
            Affine(weight, bias, BLOCK, binary=index > 0)
            for index, (weight, bias) in enumerate(zip(arrays[::2], arrays[1::2], strict=True))
        ]
        self._sizes = np.array(sizes, dtype=np.int64)
        self._steps, self._beta, self._threshold = steps, np.float32(beta), np.float32(threshold)
        self._by_library = all(layer.by_library for layer in self._layers)
        self._evaluated = 0

    def outputs(self, x: npt.NDArray[Any]) -> _Float32:
        """Output potentials after the last step, shape (n, last size), for input of shape (n, first size)."""
        self._evaluated += len(x)
        result = np.empty((len(x), self._sizes[-1]), dtype=np.float32)
        few = COMPILE_AFTER if self._by_library else min(COMPILE_AFTER, COMPILE_AFTER_IN_NUMPY)
        if self._evaluated > few or KERNEL in sys.modules:
            self._compiled(np.ascontiguousarray(x, dtype=np.float32), result)
            return result
        with np.errstate(over="ignore", invalid="ignore"):  # infinities come out where infinities or NaN went in
            for block in _blocks(len(x)):
                result[block] = deque(self._block(x[block]), maxlen=1).pop().T
        return result

    def _compiled(self, x: _Float32, result: _Float32) -> None:
        loop, cut = import_module(KERNEL).outputs, len(x) // 2
        network = (self._sizes, self._flat, self._beta, self._threshold, self._steps)
        if len(x) < TWO_THREADS_FROM:
            loop(x, *network, result)
        else:
            both(lambda: loop(x[:cut], *network, result[:cut]), lambda: loop(x[cut:], *network, result[cut:]))

    def spikes(self, x: npt.NDArray[Any], layer: int) -> npt.NDArray[np.bool_]:
        """The spikes of hidden layer `layer`, counted from 0, shape (n, steps, width)."""
        result = np.empty((len(x), self._steps, self._sizes[layer + 1]), dtype=np.bool_)
        with np.errstate(over="ignore", invalid="ignore"):
            for block in _blocks(len(x)):
                spikes = next(islice(self._block(x[block]), layer, None))
                result[block] = spikes.transpose(2, 0, 1) > 0
        return result

    def _block(self, x: npt.NDArray[Any]) -> Iterator[_Float32]:
        """Spikes of each hidden layer, shape (steps, width, n), and last the output, shape (last size, n).

        One after the other: a layer that nobody keeps leaves its place in the cache to those that follow.
        """
        n = len(x)
        columns = np.zeros((x.shape[1], BLOCK), dtype=np.float32)
        columns[:, :n] = x.T
        first, *others = self._layers
        drive = first(columns)
        current = np.broadcast_to(drive, (self._steps, *drive.shape))
        for layer in others:
            spikes = self._fire(current)
            yield spikes[..., :n]
            current = layer(spikes)
        potential = np.zeros(current.shape[1:], dtype=np.float32)
        for own in current:
            potential *= self._beta
            potential += own
        yield potential[:, :n]

    def _fire(self, current: _Float32) -> _Float32:
        """Spikes, of the shape of `current`: (steps, width, n)."""
        spikes = np.empty(current.shape, dtype=np.float32)
        np.copyto(spikes[0], current[0] > self._threshold)  # the potential from which it starts is zero
        potential, before = np.empty(current.shape[1:], dtype=np.float32), current[0]
        reset = np.empty_like(potential)
        for step in range(1, self._steps):
            np.multiply(before, self._beta, out=potential)
            potential += current[step]
            np.multiply(spikes[step - 1], self._threshold, out=reset)
            potential -= reset
            np.copyto(spikes[step], potential > self._threshold)
            before = potential
        return spikes


def _blocks(rows: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK)]
