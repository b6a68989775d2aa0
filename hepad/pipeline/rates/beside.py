"""Models beside another trigger, at exactly its rate: what each keeps of a signal, and what it adds to the other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

from hepad.execution.parts import Part
from hepad.pipeline.rates.job import decisions_of
from hepad.pipeline.rates.measure import Asked, Tails
from hepad.pipeline.rates.options import RatesOptions, point_name
from hepad.pipeline.rates.report import BesideRates, BesideRow
from hepad.stats.scores.acceptance import clopper_pearson
from hepad.trigger.beside import PARTS, Candidates, Cut, Pair, PairCounts, Reached, shared_fraction
from hepad.trigger.rates import Rate

__all__ = ["Pairs", "beside_rates", "beside_rows", "count_pairs", "set_pairs"]

Key = tuple[str, str]
Parts = Callable[[], Iterable[Part]]

Pairs = Mapping[Key, Pair]
"""The cuts of each model and the trigger beside it, by model and working point."""


def set_pairs(parts: Parts, tails: Tails, asked: Asked, options: RatesOptions) -> dict[Key, Pair]:
    """The cuts of each model and of `options.beside` at each rate; nothing without such a trigger.

    `parts` are those of the zero bias whose tails are given. Of a rate that is less than one crossing's there are none,
    nor of one that is more than that of all crossings in which each of the triggers has a score.
    """
    if options.beside is None:
        return {}
    khz, other = options.crossings.khz, asked.names.index(asked.beside or "")
    reached = [tail.reached() for tail in tails.all]
    most = min(float(fractions[-1]) if len(fractions) else 0.0 for _, fractions in reached)
    found: dict[Key, tuple[tuple[int, int], tuple[Cut, Cut], float, float]] = {}
    for rate in sorted(set(options.rates_khz)):
        fraction = rate / khz
        n = tails.flows[0].total.weight ** 2 / tails.flows[0].total.weight2
        if fraction * n < 1 - 1e-9 or fraction > most * (1 + 1e-12):
            continue
        for i, model in enumerate(asked.names):
            if i != other:
                cuts = Cut.of(reached[i], fraction), Cut.of(reached[other], fraction)
                found[model, point_name(rate)] = (i, other), cuts, fraction, n
    candidates = {key: Candidates(cuts, columns) for key, (columns, cuts, _, _) in found.items()}
    for part in parts():
        decided = decisions_of(part, len(asked.names), len(asked.prescales))
        for each in candidates.values():
            each.add(decided)
    return {
        key: _pair((reached[columns[0]], reached[columns[1]]), cuts, candidates[key], fraction, n)
        for key, (columns, cuts, fraction, n) in found.items()
    }


def _pair(
    reached: tuple[Reached, Reached], cuts: tuple[Cut, Cut], candidates: Candidates, fraction: float, n: float
) -> Pair:
    def at(value: float) -> tuple[Cut, Cut]:
        return Cut.of(reached[0], value), Cut.of(reached[1], value)

    low, high = clopper_pearson(fraction * n, n)
    return Pair(cuts, at(low), at(high), at(shared_fraction(reached, candidates, fraction)))


def count_pairs(parts: Iterable[Part], pairs: Pairs, asked: Asked) -> dict[Key, PairCounts]:
    """What pairs of triggers do with the events of a sample."""
    other = asked.names.index(asked.beside or "")
    counts = {(model, p): PairCounts(pair, (asked.names.index(model), other)) for (model, p), pair in pairs.items()}
    for part in parts:
        decided = decisions_of(part, len(asked.names), len(asked.prescales))
        for each in counts.values():
            each.add(decided)
    return counts


def beside_rates(
    counts: Mapping[Key, PairCounts], asked: Asked, options: RatesOptions, sample: str
) -> list[BesideRates]:
    """The rates of pairs in a zero-bias sample."""
    khz = options.crossings.khz
    return [
        BesideRates(
            model, asked.beside or "", point, sample, *(Rate.scaled(found.fraction(part), khz) for part in PARTS)
        )
        for (model, point), found in counts.items()
    ]


def beside_rows(
    counts: Mapping[Key, PairCounts], zero_bias: Mapping[Key, PairCounts], asked: Asked, signal: str
) -> list[BesideRow]:
    """What pairs keep of a signal; `zero_bias` are the counts of what their cuts were set on."""
    rows = []
    for (model, point), found in counts.items():
        first, second = found.threshold_errors()
        common = _common(zero_bias[model, point])
        moved = math.sqrt(max(first**2 + second**2 - 2 * common * first * second, 0.0))
        own, other, both, own_only, other_only, either, shared = (found.fraction(part) for part in PARTS)
        rows.append(
            BesideRow(
                signal=signal,
                model=model,
                beside=asked.beside or "",
                point=point,
                own=own,
                other=other,
                both=both,
                own_only=own_only,
                other_only=other_only,
                either=either,
                shared=shared,
                difference=found.difference("first", "second"),
                threshold_error=moved,
                gain=found.difference("shared", "first"),
                gain_on_other=found.difference("shared", "second"),
            )
        )
    return rows


def _common(counts: PairCounts) -> float:
    """The correlation of the numbers of crossings behind two thresholds: the part that is the same."""
    both, first, second = (counts.sums(part).weight for part in ("both", "first", "second"))
    return both / math.sqrt(first * second) if first > 0 and second > 0 else 0.0
