"""Spiking networks without torch: the potentials and spikes of `hepad.nn.spiking.SpikingStack`.

snntorch computes each step as a chain of tensor operations. Here the input's current is computed once, layers are
taken one after the other with all their steps, and where that pays the loops are compiled. What comes after a layer
depends on its spikes alone, of which a narrow layer has few trains: each is decoded once (`_Decoded`).

The sums have one order on every processor, that in which many matrix libraries make them: from zero along the inputs,
with fused multiply-adds, then the bias. Torch's library often keeps to it, and then the numbers are those of snntorch
bit for bit; for other shapes or on other processors it differs by float32's rounding, 1e-7 of the largest term, and a
potential that close to the threshold may fall on its other side.
"""

from __future__ import annotations

import sys
import threading
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
"""Events of one product of matrices in numpy: libraries choose the order of their sums by the shape."""

TOGETHER = 8
"""Blocks at a time: more events share the cost of a call, and what it works on stays in the cache."""

TRAIN_BITS = 20
"""Of the spike trains that a layer may have for what comes after it to be remembered: a table has 4 bytes for each."""

REMEMBER_FROM = 4096
"""Events in a call from which the table pays."""

MOST_REMEMBERED = 1 << 21
"""Numbers of outputs that are remembered, 8 MB; then a table is begun anew."""

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

    An event's numbers depend on no other event and not on how many there are, nor on which of the three ways they
    were computed: all do the same operations on the same numbers in the same order.
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
        self._narrowest = int(np.argmin(sizes[1:-1]))
        self._train_bits = steps * sizes[1 + self._narrowest]
        coded_by_library = all(layer.by_library for layer in self._layers[: self._narrowest + 1])
        self._remembers = self._train_bits <= TRAIN_BITS and coded_by_library
        self._decoded: _Decoded | None = None
        self._evaluated = 0

    def outputs(self, x: npt.NDArray[Any]) -> _Float32:
        """Output potentials after the last step, shape (n, last size), for input of shape (n, first size)."""
        if self._remembers and len(x) >= REMEMBER_FROM:
            with np.errstate(over="ignore", invalid="ignore"):
                return self._remembered(x)
        self._evaluated += len(x)
        result = np.empty((len(x), self._sizes[-1]), dtype=np.float32)
        few = COMPILE_AFTER if self._by_library else min(COMPILE_AFTER, COMPILE_AFTER_IN_NUMPY)
        if self._evaluated > few or KERNEL in sys.modules:
            self._compiled(np.ascontiguousarray(x, dtype=np.float32), result)
            return result
        with np.errstate(over="ignore", invalid="ignore"):  # infinities come out where infinities or NaN went in
            for block in _blocks(len(x)):
                result[block] = _rows(deque(self._from_input(x[block]), maxlen=1).pop(), block)
        return result

    def _remembered(self, x: npt.NDArray[Any]) -> _Float32:
        """The same, by the spike trains of the narrowest layer."""
        trains = np.empty(len(x), dtype=np.int32)
        for block in _blocks(len(x)):
            spikes = next(islice(self._from_input(x[block]), self._narrowest, None))
            trains[block] = _coded(spikes)[: block.stop - block.start]
        known = self._decoded = self._decoded or _Decoded(self._train_bits, int(self._sizes[-1]))
        new = np.unique(trains[known.places[trains] < 0])
        if len(new) and not known.add(new, self._decode(new)):  # it is full: another is begun
            new = np.unique(trains)
            known = _Decoded(self._train_bits, int(self._sizes[-1]), least=len(new))
            known.add(new, self._decode(new))
            self._decoded = known  # not before: what another thread adds could leave no room for these
        return known.outputs[known.places[trains]]

    def _decode(self, trains: npt.NDArray[np.int32]) -> _Float32:
        """The outputs, shape (n, last size), of spike trains of the narrowest layer."""
        result = np.empty((len(trains), self._sizes[-1]), dtype=np.float32)
        width = int(self._sizes[self._narrowest + 1])
        for block in _blocks(len(trains)):
            spikes = _spikes_of(trains[block], self._steps, width)
            result[block] = _rows(deque(self._after(self._narrowest, spikes), maxlen=1).pop(), block)
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
                spikes = next(islice(self._from_input(x[block]), layer, None))
                result[block] = _rows(spikes, block).transpose(1, 0, 2) > 0
        return result

    def _from_input(self, x: npt.NDArray[Any]) -> Iterator[_Float32]:
        """Spikes of each hidden layer, shape (steps, blocks, width, BLOCK), and last the output, without the steps.

        One after the other: a layer that nobody keeps leaves its place in the cache to those that follow.
        """
        drive = self._layers[0](_columns(x))
        spikes = self._fire(np.broadcast_to(drive, (self._steps, *drive.shape)))
        yield spikes
        yield from self._after(0, spikes)

    def _after(self, layer: int, spikes: _Float32) -> Iterator[_Float32]:
        """What comes after the spikes of a hidden layer, counted from 0, as `_from_input` gives it."""
        *hidden, last = self._layers[layer + 1 :]
        for own in hidden:
            spikes = self._fire(own(spikes))
            yield spikes
        currents = last(spikes)
        potential = np.zeros(currents.shape[1:], dtype=np.float32)
        for current in currents:
            potential *= self._beta
            potential += current
        yield potential

    def _fire(self, current: _Float32) -> _Float32:
        """Spikes, of the shape of `current`: (steps, blocks, width, BLOCK)."""
        spikes = np.empty(current.shape, dtype=np.float32)
        np.copyto(spikes[0], current[0] > self._threshold)  # the potential from which it starts is zero
        potential, before = np.empty(current.shape[1:], dtype=np.float32), current[0]
        reset, fires = np.empty_like(potential), np.empty(potential.shape, dtype=np.bool_)
        for step in range(1, self._steps):
            np.multiply(before, self._beta, out=potential)
            potential += current[step]
            np.multiply(spikes[step - 1], self._threshold, out=reset)
            potential -= reset
            np.copyto(spikes[step], np.greater(potential, self._threshold, out=fires))
            before = potential
        return spikes


class _Decoded:
    """Outputs, shape (room, last size), of spike trains of a layer, and the place of each train in them, -1: none.

    A train gets its place when its outputs are there: threads may read while one adds.
    """

    def __init__(self, bits: int, width: int, *, least: int = 0) -> None:
        """Of trains of so many bits none is known; there is room for `least` of them, or for more."""
        self.places = np.full(1 << bits, -1, dtype=np.int32)
        self.outputs = np.empty((max(MOST_REMEMBERED // width, least), width), dtype=np.float32)
        self.known = 0

    def add(self, trains: npt.NDArray[np.int32], outputs: _Float32) -> bool:
        """Remember the outputs of other trains; False if there is no room for them."""
        with _ADDING:
            start, stop = self.known, self.known + len(trains)
            if stop > len(self.outputs):
                return False
            self.outputs[start:stop] = outputs
            self.places[trains] = np.arange(start, stop)
            self.known = stop
            return True


_ADDING = threading.Lock()
"""Of all networks: one of their own could not be sent to another process."""


def _coded(spikes: _Float32) -> npt.NDArray[np.int32]:
    """The spikes of a layer as a number for each event: whole ones below 2^24 are exact in single precision."""
    width = spikes.shape[2]
    places = np.ldexp(np.float32(1), np.arange(width))[np.newaxis]
    code = np.zeros((spikes.shape[1], 1, BLOCK), dtype=np.float32)
    for own in spikes:
        code = code * np.float32(1 << width) + np.matmul(places, own)
    return code.ravel().astype(np.int32)


def _spikes_of(trains: npt.NDArray[np.int32], steps: int, width: int) -> _Float32:
    """The spikes of what `_coded` gave, shape (steps, blocks, width, BLOCK)."""
    later = np.arange(steps - 1, -1, -1)[:, np.newaxis] * width
    bits = trains[:, np.newaxis, np.newaxis] >> (later + np.arange(width)) & 1
    return np.stack([_columns(own) for own in bits.transpose(1, 0, 2).astype(np.float32)])


def _columns(x: npt.NDArray[Any]) -> _Float32:
    """Rows, shape (n, width), as columns in blocks, shape (blocks, width, BLOCK), the last filled up with zeros."""
    whole, rest = divmod(len(x), BLOCK)
    columns = np.zeros((whole + (rest > 0), x.shape[1], BLOCK), dtype=np.float32)
    columns[:whole] = x[: whole * BLOCK].reshape(whole, BLOCK, x.shape[1]).transpose(0, 2, 1)
    if rest:
        columns[whole, :, :rest] = x[whole * BLOCK :].T
    return columns


def _rows(columns: _Float32, block: slice) -> _Float32:
    """What `_columns` made of the rows of a block, shape (..., n, width)."""
    rows = columns.swapaxes(-1, -2).reshape(*columns.shape[:-3], -1, columns.shape[-2])
    own: _Float32 = rows[..., : block.stop - block.start, :]
    return own


def _blocks(rows: int) -> list[slice]:
    size = TOGETHER * BLOCK
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
