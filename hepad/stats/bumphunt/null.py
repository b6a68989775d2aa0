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
from hepad.stats.counts.toys import OnToys, Sampler, in_blocks
from hepad.stats.fits.fit import FitResult, Refitter

__all__ = ["CountedNull", "FixedNull", "Null", "RefittedNull"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_BLOCK_NUMBERS = 500_000
"""Floating-point numbers per working array of a block of pseudo-experiments: bounds the memory to some 100 MB."""
_PROMISING = 0.08
"""Windows of a smaller p-value are looked up in the tables; only where there is none, all are."""
_BLOCK_TOYS = 1024
"""Pseudo-experiments of a fixed expectation in a block: their counts stay in the processor's cache."""


@dataclass(frozen=True)
class FixedNull:
    """Pseudo-experiments compared with known expected events (channels, bins)."""

    events: FloatArray
    layout: Layout
    options: ScanOptions

    def draw(
        self, toys: int, seed: int, *, signal: FloatArray | None = None, on_toys: OnToys | None = None
    ) -> FloatArray:
        """t (toys,) of Poisson counts of the expected events, and of `signal` (channels, bins) on top."""
        import hepad.stats.counts.toys_kernel  # noqa: F401  which scans them: then it draws them, too

        sampler = Sampler.of(self.means(signal).ravel())
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            found[start:stop] = self._scan(sampler.draw(seed, start, stop - start))

        in_blocks(block, toys, _BLOCK_TOYS, on_toys=on_toys)
        return found

    def means(self, signal: FloatArray | None = None) -> FloatArray:
        """What Poisson counts (channels, bins) of a pseudo-experiment have as their means."""
        return _with(self.events, signal)

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
        from hepad.stats.counts.toys_kernel import scan_toys

        out = np.empty(len(counts))
        arguments = (counts, *self._arguments, out)
        scan_toys(*arguments)
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
        corners, signs = layout.corners(channels), np.array(options.signs, dtype=np.int64)
        ends, bound = np.empty((0, layout.windows), dtype=np.uint64), np.empty((0, layout.windows), dtype=np.int64)
        if channels == 1 and not layout.columns:
            ends = np.ascontiguousarray(corners[:, 0], dtype=np.uint64)
            bound = tables.bounds(options.signs, _PROMISING)
        return (
            *(channels, layout.columns, corners, ends, bound, signs),
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

    def draw(
        self, toys: int, seed: int, *, signal: FloatArray | None = None, on_toys: OnToys | None = None
    ) -> FloatArray:
        """t (toys,), with `signal` (channels, bins) in the data if given."""
        sampler = Sampler.of(self.means(signal).ravel())
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            found[start:stop] = self.of(sampler.draw(seed, start, stop - start))

        size = max(1, _BLOCK_NUMBERS // (self.counts.size + len(self.counts) * self.layout.windows))
        in_blocks(block, toys, size, on_toys=on_toys)
        return found

    def of(self, counts: IntArray) -> FloatArray:
        """t (T,) of whole counts (T, 2 x channels, bins) of data and reference."""
        data, again = self._pair(counts)
        return np.asarray(np.abs(smallest(data, again, self.layout, self.options)), dtype=np.float64)

    @cached_property
    def _weight(self) -> FloatArray:
        assert self.reference.variances is not None  # noqa: S101 - a reference without variances is a FixedNull
        return self.reference.per_event(self.reference.events, self.reference.variances)

    @cached_property
    def _known(self) -> npt.NDArray[np.bool_]:
        """Bins with events of no variance: they are known and stay as they are."""
        known = (self.reference.events > 0) & (np.asarray(self.reference.variances) == 0)
        return np.asarray(known, dtype=np.bool_)

    def means(self, signal: FloatArray | None = None) -> FloatArray:
        """What Poisson counts (2 x channels, bins) of data and reference have as their means."""
        events, weight = self.reference.events, self._weight
        pooled = np.where(self._known, events, (self.counts * weight + events) / (1 + weight))
        others = np.where(self._known, 0.0, pooled / weight)
        return np.concatenate([_with(pooled, signal), others])

    def _pair(self, drawn: IntArray) -> tuple[FloatArray, Expectation]:
        """Data (T, channels, bins) and reference of what was drawn, of any shape of as many numbers."""
        events = self.reference.events
        data, others = drawn.astype(np.float64).reshape(len(drawn), 2, *events.shape).swapaxes(0, 1)
        again = np.where(self._known, events, others * self._weight)
        variances = np.where(self._known, 0.0, others * self._weight**2)
        return data, Expectation(again, variances, self.reference.weight)


@dataclass(frozen=True)
class RefittedNull:
    """Pseudo-experiments of fitted backgrounds (channels, bins), each fitted anew as the data were.

    `exposures` are those of the fits of the channels, None for all without.
    """

    edges: FloatArray
    fits: tuple[FitResult, ...]
    layout: Layout
    options: ScanOptions
    exposures: tuple[FloatArray | None, ...] | None = None

    def draw(
        self, toys: int, seed: int, *, signal: FloatArray | None = None, on_toys: OnToys | None = None
    ) -> FloatArray:
        """t (toys,), NaN where a fit did not converge, with `signal` (channels, bins) in the data if given."""
        sampler = Sampler.of(self.means(signal).ravel())
        found = np.empty(toys)

        def block(start: int, stop: int) -> None:
            counts = sampler.draw(seed, start, stop - start).reshape(stop - start, len(self.fits), -1)
            found[start:stop] = self.of(counts)

        in_blocks(block, toys, self._block, on_toys=on_toys)
        return found

    def of(self, counts: IntArray) -> FloatArray:
        """t (T,) of whole counts (T, channels, bins), NaN where a fit did not converge."""
        data, expected, good = self._fitted(counts)
        t = np.full(len(counts), np.nan)
        t[good] = np.abs(smallest(data, expected, self.layout, self.options))
        return t

    def means(self, signal: FloatArray | None = None) -> FloatArray:
        """What Poisson counts (channels, bins) of a pseudo-experiment have as their means."""
        return _with(np.stack([fit.expected for fit in self.fits]), signal)

    def _fitted(self, counts: IntArray) -> tuple[FloatArray, Expectation, npt.NDArray[np.bool_]]:
        """Data and expectation of the fits that converged, and which of them did (T,)."""
        data = counts.astype(np.float64)
        batches = [refitter.fit(data[:, i]) for i, refitter in enumerate(self._refitters)]
        good = np.logical_and.reduce([batch.converged for batch in batches])
        expected = np.stack([batch.expected[good] for batch in batches], axis=1)
        return data[good], Expectation(expected), good

    @cached_property
    def fitted_covariance(self) -> FloatArray:
        """The covariance (channels, bins, bins) of the expected events that are fitted to pseudo-experiments."""
        return np.stack([refitter.covariance for refitter in self._refitters])

    @cached_property
    def _refitters(self) -> list[Refitter]:
        exposures = self.exposures or (None,) * len(self.fits)
        return [Refitter(self.edges, fit, exposure=own) for fit, own in zip(self.fits, exposures, strict=True)]

    @property
    def _block(self) -> int:
        return max(1, _BLOCK_NUMBERS // max(self.layout.windows * len(self.fits), self.layout.bins * 5))


def _with(events: FloatArray, signal: FloatArray | None) -> FloatArray:
    return events if signal is None else events + signal


Null = FixedNull | CountedNull | RefittedNull
