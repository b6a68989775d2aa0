"""The bins of a search that are fitted together, in events at its luminosity."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hepad.errors import InputDataError, UsageError
from hepad.search.bins import BELOW, Bin, bin_names, read_counts, read_yields
from hepad.search.search import Search
from hepad.stats.limits.published import PublishedExperiment
from hepad.stats.limits.simultaneous import (
    CountingBin,
    Normalisation,
    simultaneous_experiment,
    simultaneous_workspace,
)

__all__ = ["FittedBins", "bin_label", "fitted_bins"]


@dataclass(frozen=True)
class FittedBins:
    """The bins that have simulated background, in the order of the card; `every` has those without too.

    `has_data` says whether counts were observed, and `unmodelled` has those of the bins without simulated background.
    """

    bins: Mapping[Bin, CountingBin]
    every: tuple[Bin, ...]
    processes: Mapping[str, Normalisation]
    luminosity_fb: float
    luminosity_error: float
    has_data: bool
    unmodelled: Mapping[Bin, float]

    @property
    def control(self) -> tuple[Bin, ...]:
        """The control bins: what is in no region of its category."""
        return tuple(one for one in self.bins if one[1] == BELOW)

    @property
    def regions(self) -> tuple[Bin, ...]:
        """The discovery regions: all bins but the control ones."""
        return tuple(one for one in self.every if one[1] != BELOW)

    def experiment(self, bins: Sequence[CountingBin], signal_error: float = 0.0) -> PublishedExperiment:
        """The fit of some bins; to be used inside `numpy_backend`."""
        error = self.luminosity_error
        return simultaneous_experiment(bins, self.processes, luminosity_error=error, signal_error=signal_error)

    def workspace(self, bins: Sequence[CountingBin], signal_error: float = 0.0) -> dict[str, Any]:
        """That fit as a workspace of pyhf."""
        error = self.luminosity_error
        return simultaneous_workspace(bins, self.processes, luminosity_error=error, signal_error=signal_error)

    def with_signal(self, chosen: Sequence[Bin], signal: Mapping[Bin, float]) -> list[CountingBin]:
        """Some of the bins with their signal events."""
        return [replace(self.bins[one], signal=signal.get(one, 0.0)) for one in chosen]

    def merged(self, region: Bin) -> tuple[Bin, ...]:
        """What a discovery region is of: its bin and those above it."""
        return tuple(one for one in self.every[self.every.index(region) :] if one[0] == region[0])

    def of_region(self, region: Bin) -> list[CountingBin]:
        """The bins of a fit for one discovery region: the region with one event of signal in it, the others without.

        The region is its bin and those above it, as one, and what is observed in it has bins without simulated
        background too; beside it are all control bins, and the less anomalous bins of its category. `InputDataError` if
        no simulated background is in the region.
        """
        own = self.merged(region)
        parts = [self.bins[one] for one in own if one in self.bins]
        if not parts:
            raise InputDataError(f"{bin_label(region)} has no simulated background: merge it with another")
        lower = [one for one in self.every if one[0] == region[0] and one not in own]
        others = [bin_ for one, bin_ in self.bins.items() if one in lower or one[1] == BELOW]
        more = sum(self.unmodelled.get(one, 0.0) for one in own)
        return [_merged(bin_label(region), parts, more), *others]


def fitted_bins(search: Search, observed: Path | None = None) -> FittedBins | None:
    """The bins of a search with the yields that its card names, None if it names none.

    `observed` is a table of counts in place of the card's. `UsageError` for a search that fits no bins together;
    `InputDataError` for tables that do not fit the search, or counts of some bins only.
    """
    own, luminosity = search.card.simultaneous, search.card.luminosity
    if own is None or luminosity is None:
        raise UsageError(f"{search.card.name} has no bins that are fitted together: its card lacks 'simultaneous'")
    if own.yields is None:
        return None
    table = read_yields(search.folder / own.yields, search)
    file = observed or (None if own.observed is None else search.folder / own.observed)
    counts = None if file is None else read_counts(file, search)
    every = tuple((category.name, name) for category in search.card.categories for name in bin_names(category))
    present = [one for one in every if one in table]
    if counts is not None and (missing := [bin_label(one) for one in every if one not in counts]):
        raise InputDataError(f"{file}: {', '.join(missing)} of {search.card.name} has no count")
    scale = 1000 * luminosity.fb
    bins = {
        one: CountingBin(
            bin_label(one),
            {name: (scale * part.cross_section_pb, scale * part.error_pb) for name, part in table[one].items()},
            observed=None if counts is None else counts[one],
        )
        for one in present
    }
    return FittedBins(
        bins=bins,
        every=every,
        processes={name: Normalisation(one.free, one.error) for name, one in own.processes.items()},
        luminosity_fb=luminosity.fb,
        luminosity_error=luminosity.relative_error,
        has_data=counts is not None,
        unmodelled={} if counts is None else {one: counts[one] for one in every if one not in table},
    )


def _merged(name: str, parts: Sequence[CountingBin], more: float) -> CountingBin:
    """Bins as one, with one event of signal; `more` events were observed beside those of the bins."""
    background: dict[str, tuple[float, float]] = {}
    for part in parts:
        for process, (events, error) in part.background.items():
            before = background.get(process, (0.0, 0.0))
            background[process] = before[0] + events, math.hypot(before[1], error)
    counts = [part.observed for part in parts if part.observed is not None]
    return CountingBin(name, background, 1.0, sum(counts) + more if len(counts) == len(parts) else None)


def bin_label(one: Bin) -> str:
    """What a bin is called: `CATEGORY_BIN`."""
    return f"{one[0]}_{one[1]}"
