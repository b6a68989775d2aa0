"""Where the numbers of a compiled network of images are: see `hepad.nn.residual_compiled`."""

from __future__ import annotations

from math import prod

import numpy as np
import numpy.typing as npt

from hepad.nn.convolution_kernel import TILE

__all__ = ["Image", "Memory", "Room"]

_LINE, _CHUNK = 16, 8 << 20
"""Numbers of a line of the cache, and those that are asked of the system together, which gives what is used."""

_Numbers = npt.NDArray[np.float32]
_NONE: _Numbers = np.zeros(0, dtype=np.float32)


class Memory:
    """Room for the numbers of a network, together in pages as large as there are.

    They are more than the processor's caches hold, and all are read for each event: of small pages it would need so
    many that it forgot where they are.
    """

    def __init__(self) -> None:
        self._left: _Numbers = _NONE

    def of(self, size: int) -> _Numbers:
        """Zeros."""
        taken = -(-size // _LINE) * _LINE
        if taken > self._left.size:
            self._left = np.zeros(max(taken, _CHUNK) + _LINE, dtype=np.float32)
            self._left = self._left[-self._left.ctypes.data % (4 * _LINE) // 4 :]
        given, self._left = self._left[:size], self._left[taken:]
        return given

    def keep(self, numbers: _Numbers) -> _Numbers:
        """A copy."""
        kept = self.of(numbers.size)
        kept[:] = numbers
        return kept


class Image:
    """Room for an image with its padding, in parts of equally many channels: see `hepad.nn.convolution_kernel`."""

    def __init__(self, memory: Memory, rows: int, columns: int, width: int, parts: int = 1) -> None:
        self.rows, self.columns, self.width, self.parts = rows, columns, width // parts, parts
        self.pitch = TILE * -(-columns // TILE) + 2
        self.numbers = memory.of(prod((parts, TILE * -(-rows // TILE) + 2, self.pitch, self.width)))

    @property
    def _within(self) -> _Numbers:
        """Without the rows of the padding; a view that is made anew, as of a copy it would be an array of its own."""
        return self.numbers.reshape(self.parts, -1, self.pitch, self.width)[:, 1 : self.rows + 1]

    @property
    def channels(self) -> int:
        """Those of all parts."""
        return self.parts * self.width

    @property
    def shape(self) -> tuple[int, int, int, int, int]:
        """Parts, rows, columns, channels of a part, pixels in a row with its padding."""
        return self.parts, self.rows, self.columns, self.width, self.pitch

    def take(self, image: _Numbers) -> None:
        """Fill it with (channels, rows, columns), phi being periodic."""
        whole, last = self._within, self.columns
        whole[:, :, 1 : last + 1] = image.reshape(self.parts, self.width, *image.shape[1:]).transpose(0, 2, 3, 1)
        whole[:, :, 0], whole[:, :, last + 1] = whole[:, :, last], whole[:, :, 1]

    def give(self, image: _Numbers) -> None:
        """Fill (channels, rows, columns) with it."""
        inner = self._within[:, :, 1 : self.columns + 1].transpose(0, 3, 1, 2)
        image.reshape(self.parts, self.width, *image.shape[1:])[:] = inner


class Room:
    """Room for what convolutions give, one after the other: as large as the largest, so that it stays in the cache."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.numbers = memory, _NONE

    def of(self, size: int) -> None:
        """See that there is so much."""
        if size > self.numbers.size:
            self.numbers = self.memory.of(size)
