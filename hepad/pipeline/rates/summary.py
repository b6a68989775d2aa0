"""From counts to the records of the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hepad.pipeline.rates.measure import Asked, WorkingPoints
from hepad.pipeline.rates.report import Overlap, PileupBin, SampleRates, SeedRow, SignalRow, TriggerRow
from hepad.stats.scores.acceptance import Sums, weighted_acceptance
from hepad.trigger.counting import Counts, expected_sums, sums
from hepad.trigger.rates import Crossings, Rate

__all__ = ["sample_rates", "signal_rows"]

PILEUP_BINS = 8
"""Bins of about as many crossings each."""


def sample_rates(
    counts: Counts, asked: Asked, points: WorkingPoints, names: Sequence[str], crossings: Crossings, *, sample: str,
    files: Sequence[str],
) -> SampleRates:  # fmt: skip
    """The rates in one zero-bias sample."""
    total, models, menu = counts.total, asked.names, asked.menu is not None

    def rate(moment: npt.NDArray[np.float64], *, expected: bool = False) -> Rate:
        return Rate.of((expected_sums if expected else sums)(moment, total), total, crossings)

    rows = []
    for point in points.points:
        p, m = names.index(point.point), models.index(point.model)
        rows.append(
            TriggerRow(
                point.model,
                point.point,
                rate(counts.fired[p, :, m, m]),
                rate(counts.pure[:, p, m]) if menu else None,
                rate(counts.unique[:, p, m]),
                rate(counts.with_menu[:, p, m], expected=True) if menu else None,
                rate(counts.gained[:, p, m], expected=True) if menu else None,
            )
        )
    seeds = asked.menu.seeds if asked.menu is not None else ()
    return SampleRates(
        sample,
        tuple(files),
        total.events,
        rate(counts.menu, expected=True) if menu else None,
        {name: rate(counts.with_all[:, p], expected=True) for p, name in enumerate(names)} if menu else {},
        tuple(rows),
        tuple(
            SeedRow(seed.name, seed.prescale, rate(counts.seeds[:, i, i]), rate(counts.seeds_pure[:, i]))
            for i, seed in enumerate(seeds)
        ),
        tuple(_overlap(counts, asked, p, name, crossings) for p, name in enumerate(names)),
        tuple(_pileup(counts, asked, points, names, crossings)) if counts.has_vertices else (),
    )


def signal_rows(
    counts: Counts, asked: Asked, points: WorkingPoints, names: Sequence[str], signal: str
) -> tuple[SignalRow, ...]:
    """What each model keeps of a signal at each working point."""
    total, menu = counts.total, asked.menu is not None
    alone = weighted_acceptance(expected_sums(counts.menu, total), total) if menu else None
    rows = []
    for point in points.points:
        p, m = names.index(point.point), asked.names.index(point.model)
        either, gained = (
            weighted_acceptance(expected_sums(moment[:, p, m], total), total) if menu else None
            for moment in (counts.with_menu, counts.gained)
        )
        own = weighted_acceptance(sums(counts.fired[p, :, m, m], total), total)
        rows.append(SignalRow(signal, point.model, point.point, own, alone, either, gained))
    return tuple(rows)


def _overlap(counts: Counts, asked: Asked, p: int, name: str, crossings: Crossings) -> Overlap:
    models = len(asked.names)
    seeds = asked.menu.seeds if asked.menu is not None else ()
    fired = counts.fired[p]
    whole = np.block([[fired], [np.swapaxes(fired[:, :, models:], 1, 2), counts.seeds]])
    khz = whole[1] / counts.total.weight * crossings.khz
    return Overlap(
        name,
        (*asked.names, *(seed.name for seed in seeds)),
        tuple(tuple(round(v) for v in row) for row in whole[0].tolist()),
        tuple(tuple(row) for row in khz.tolist()),
    )


def _pileup(
    counts: Counts, asked: Asked, points: WorkingPoints, names: Sequence[str], crossings: Crossings
) -> list[PileupBin]:
    table = counts.by_vertices
    found = []
    for low, high in _bins(table[0, :, 0]):
        inside = table[:, low : high + 1].sum(axis=1)
        all_of_it = Sums(round(inside[0, 0]), float(inside[1, 0]), float(inside[2, 0]), counts.total.negative and None)
        if all_of_it.weight <= 0:
            continue
        rates = {}
        if asked.menu is not None:
            rates["menu"] = Rate.of(expected_sums(inside[:, 1], all_of_it), all_of_it, crossings)
        for point in points.points:
            place = 2 + names.index(point.point) * len(asked.names) + asked.names.index(point.model)
            rates[f"{point.model}, {point.point}"] = Rate.of(sums(inside[:, place], all_of_it), all_of_it, crossings)
        found.append(PileupBin(low, high, all_of_it.events, rates))
    return found


def _bins(crossings: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """The first and last number of vertices of bins with about as many of the crossings (v,) each."""
    reached = np.cumsum(crossings) / crossings.sum()
    ends = np.searchsorted(reached, np.arange(1, PILEUP_BINS) / PILEUP_BINS)
    last = int(np.flatnonzero(crossings)[-1])
    first = int(np.flatnonzero(crossings)[0])
    edges = sorted({int(end) for end in ends if first <= end < last} | {last})
    starts = [first, *(edge + 1 for edge in edges[:-1])]
    return list(zip(starts, edges, strict=True))
