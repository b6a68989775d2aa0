"""The statistic in pseudo-experiments: of a fixed expectation by tables, of a fitted or counted one in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.scan import Expectation, fisher, smallest
from hepad.stats.bumphunt.tables import allowed_counts, make_tables
from hepad.stats.bumphunt.windows import ScanOptions
from hepad.stats.fit import FitResult, Refitter
from hepad.stats.toys import Sampler, in_blocks
from hepad.stats.toys_kernel import scan_toys

__all__ = ["CountedNull", "FixedNull", "Null", "RefittedNull"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK_NUMBERS = 500_000
"""Floating-point numbers per working array of a block of pseudo-experiments: bounds the memory to some 100 MB."""
_BLOCK_TOYS = 512
"""Pseudo-experiments of a fixed expectation in a block: their counts stay in the processor's cache."""


@dataclass(frozen=True)
class FixedNull:
    """Pseudo-experiments compared with known expected events (channels, bins)."""

    events: FloatArray
    layout: Layout
    options: ScanOptions

    def draw(self, toys: int, seed: int, *, means: FloatArray | None = None) -> FloatArray:
        """t (toys,) of Poisson counts of `means` (channels, bins), by default the expected events."""
        sampler = Sampler.of((self.events if means is None else means).ravel())
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            found[start:stop] = self._scan(sampler.draw(seed, start, stop - start))

        in_blocks(block, toys, _BLOCK_TOYS)
        return found

    def of(self, counts: IntArray) -> FloatArray:
        """t (T,) of whole counts (T, channels, bins)."""
        flat = counts.reshape(len(counts), -1)
        found = np.empty(len(flat))

        def block(start: int, stop: int) -> None:
            found[start:stop] = self._scan(np.ascontiguousarray(flat[start:stop], dtype=np.int64))

        in_blocks(block, len(flat), _BLOCK_TOYS)
        return found

    def _scan(self, counts: IntArray) -> FloatArray:
        """t (T,) of counts (T, channels x bins)."""
        out = np.empty(len(counts))
        scan_toys(counts, *self._arguments, out)
        beyond = np.flatnonzero(out > 0)  # no table reached that far
        t = np.abs(fisher(np.minimum(out, 0.0), len(self.events)))
        if len(beyond):
            whole = counts[beyond].reshape(len(beyond), *self.events.shape).astype(np.float64)
            t[beyond] = np.abs(smallest(whole, Expectation(self.events[None]), self.layout, self.options))
        return t

    @cached_property
    def _arguments(self) -> tuple[Any, ...]:
        """What the compiled scan takes after the counts."""
        layout, options, channels = self.layout, self.options, len(self.events)
        tables = make_tables(layout.sums(self.events), options.signs, both_sides=channels > 1)
        if options.sideband_p is None:
            bands = [np.empty((0, layout.windows), dtype=np.int64)] * 4
        else:
            offsets = layout.bins * np.repeat(np.arange(channels), 2)[:, None]
            allowed = allowed_counts(layout.sideband_sums(self.events), options.sideband_p)
            bands = [np.tile(edge, (channels, 1)) + offsets for edge in (layout.sideband_first, layout.sideband_last)]
            bands += [limit.reshape(-1, layout.windows) for limit in allowed]
        return (
            *(channels, layout.columns, layout.corners(channels), np.array(options.signs, dtype=np.int64)),
            *(tables.origin, tables.step, tables.place, tables.size, tables.table),
            *(np.ascontiguousarray(band, dtype=np.int64) for band in bands),
        )


@dataclass(frozen=True)
class CountedNull:
    """Pseudo-experiments of a reference (channels, bins) that was counted itself: both fluctuate.

    The mean of both is the best estimate if they have one: data and reference pooled, each with its weight.
    """

    counts: FloatArray
    reference: Expectation
    layout: Layout
    options: ScanOptions

    def draw(self, toys: int, seed: int) -> FloatArray:
        """t (toys,)."""
        events, variances = self.reference.events, self.reference.variances
        assert variances is not None  # noqa: S101 - a reference without variances is a FixedNull
        weight = self.reference.per_event(events, variances)
        pooled = (self.counts * weight + events) / (1 + weight)
        # A bin with events of no variance is known and stays as it is.
        known = (events > 0) & (variances == 0)
        pooled = np.where(known, events, pooled)
        sampler = Sampler.of(np.concatenate([pooled.ravel(), np.where(known, 0.0, pooled / weight).ravel()]))
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            drawn = sampler.draw(seed, start, stop - start).astype(np.float64)
            data, other = drawn.reshape(stop - start, 2, *events.shape).swapaxes(0, 1)
            again = Expectation(np.where(known, events, other * weight), other * weight**2, self.reference.weight)
            found[start:stop] = np.abs(smallest(data, again, self.layout, self.options))

        in_blocks(block, toys, max(1, _BLOCK_NUMBERS // (events.size + len(events) * self.layout.windows)))
        return found


@dataclass(frozen=True)
class RefittedNull:
    """Pseudo-experiments of fitted backgrounds (channels, bins), each fitted anew as the data were."""

    edges: FloatArray
    fits: tuple[FitResult, ...]
    layout: Layout
    options: ScanOptions

    def draw(self, toys: int, seed: int) -> FloatArray:
        """t (toys,), NaN where a fit did not converge."""
        sampler = Sampler.of(np.concatenate([fit.expected for fit in self.fits]))
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            counts = sampler.draw(seed, start, stop - start).reshape(stop - start, len(self.fits), -1)
            found[start:stop] = self.of(counts)

        in_blocks(block, toys, self._block)
        return found

    def of(self, counts: IntArray) -> FloatArray:
        """t (T,) of whole counts (T, channels, bins), NaN where a fit did not converge."""
        data = counts.astype(np.float64)
        batches = [refitter.fit(data[:, i]) for i, refitter in enumerate(self._refitters)]
        good = np.logical_and.reduce([batch.converged for batch in batches])
        expected = Expectation(np.stack([batch.expected[good] for batch in batches], axis=1))
        t = np.full(len(counts), np.nan)
        t[good] = np.abs(smallest(data[good], expected, self.layout, self.options))
        return t

    @cached_property
    def _refitters(self) -> list[Refitter]:
        return [Refitter(self.edges, fit) for fit in self.fits]

    @property
    def _block(self) -> int:
        return max(1, _BLOCK_NUMBERS // max(self.layout.windows * len(self.fits), self.layout.bins * 5))


Null = FixedNull | CountedNull | RefittedNull
