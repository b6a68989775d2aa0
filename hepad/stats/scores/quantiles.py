"""Quantiles of a stream in bounded memory."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["StreamSample"]


class StreamSample:
    """A uniform sample of a stream of numbers (reservoir sampling, Vitter's algorithm R, in arrays).

    Exact as long as no more than `capacity` numbers have come; the same stream gives the same sample.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        self._sample = np.empty(0, dtype=np.float32)
        self._capacity = capacity
        self._seen = 0
        self._rng: np.random.Generator | None = None  # loaded where it is needed

    def add(self, values: npt.NDArray[np.float32]) -> None:
        """Take more numbers, of shape (n,)."""
        room = max(self._capacity - self._seen, 0)
        self._sample = np.concatenate([self._sample, values[:room]])
        rest = values[room:]
        if len(rest):
            place = self._seen + len(values[:room]) + np.arange(len(rest))
            self._rng = self._rng or np.random.default_rng(0)
            slot = self._rng.integers(0, place + 1)
            taken = slot < self._capacity
            self._sample[slot[taken]] = rest[taken]
        self._seen += len(values)

    @property
    def exact(self) -> bool:
        """Whether all numbers are in the sample."""
        return self._seen <= self._capacity

    def quantiles(self, fractions: tuple[float, ...]) -> dict[float, float]:
        """The quantile at each fraction; empty if nothing has come."""
        if self._seen == 0:
            return {}
        return {f: float(q) for f, q in zip(fractions, np.quantile(self._sample, fractions), strict=True)}
