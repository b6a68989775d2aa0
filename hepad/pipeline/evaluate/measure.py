"""The numbers of an evaluation: metrics of each training, spreads of systems, differences between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from hepad.bundles.systems import Training
from hepad.errors import InputDataError
from hepad.pipeline.evaluate.results import Comparison, RegionRow, Row, Spread, SystemRow, named_estimates
from hepad.samples.sample import weight_sums
from hepad.samples.scoring import ScoredSample
from hepad.stats.scores.acceptance import weighted_acceptance
from hepad.stats.scores.comparison import log_rejection, paired_difference
from hepad.stats.scores.regions import region_of
from hepad.stats.scores.stochastic_order import StochasticOrder, almost_stochastic_order, subset_aucs
from hepad.stats.scores.working_points import working_points

__all__ = ["MeasureOptions", "Samples", "compare_systems", "measure_regions", "measure_rows", "summarise_systems"]

Samples = Mapping[str, ScoredSample]


class MeasureOptions(Protocol):
    """The options of an evaluation that its numbers depend on, among those of `EvaluateOptions`."""

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def replicas(self) -> int: ...  # noqa: D102
    @property
    def rejections_at(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def fpr(self) -> tuple[float, ...]: ...  # noqa: D102
    @property
    def min_background(self) -> float: ...  # noqa: D102
    @property
    def aso_subsets(self) -> int: ...  # noqa: D102
    @property
    def aso_events(self) -> int: ...  # noqa: D102


def measure_rows(training: Training, samples: Samples, options: MeasureOptions) -> list[Row]:
    """One row for each score and signal."""
    background = samples["background"]
    card = training.bundle.card
    rows = []
    for score in card.scores:
        for signal, sample in samples.items():
            if signal == "background":
                continue
            points = working_points(
                sample.scores[score],
                background.scores[score],
                sample.weights,
                background.weights,
                # One generator a row, so that a row does not depend on which others there are; equal for all models
                # that see the same events, so that their replicas are of the same draws.
                rng=np.random.default_rng([options.seed, len(sample.weights), len(background.weights)]),
                rejections_at=options.rejections_at,
                fpr=options.fpr,
                min_background=options.min_background,
                background_efficiencies=(0.01, 0.001),
                replicas=options.replicas,
            )
            # Published numbers are those of the default score.
            published = card.published.get(signal, {}) if score == card.scores[0] else {}
            rows.append(Row(training.name, score, signal, points, published, training.system))
    return rows


def measure_regions(training: Training, samples: Samples) -> list[RegionRow]:
    """One row for each region of the bundle."""
    rows = []
    for region, card in training.bundle.card.regions.items():
        measured = {
            sample: _efficiency(region_of(card).inside(scored.scores), scored.weights)
            for sample, scored in samples.items()
        }
        background = measured.pop("background")
        rows.append(RegionRow(training.name, region, card.efficiency, background, measured))
    return rows


def summarise_systems(rows: Sequence[Row]) -> list[SystemRow]:
    """Mean and standard deviation of each metric over the trainings of a system, for systems with more than one."""
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.system, row.score, row.signal), []).append(row)
    found = []
    for (system, score, signal), members in groups.items():
        if len(members) < 2:
            continue
        named = [named_estimates(member.points) for member in members]
        spreads = {name: Spread.of([each[name] for each in named]) for name in named[0]}
        trainings = tuple(member.model for member in members)
        found.append(SystemRow(system, score, signal, trainings, spreads, members[0].published))
    return found


def compare_systems(
    trainings: Sequence[Training], samples: Mapping[str, Samples], rows: Sequence[Row], options: MeasureOptions
) -> tuple[list[Comparison], list[str]]:
    """Every pair of systems by their default scores, for each signal; and warnings of what cannot be compared."""
    systems: dict[str, list[Training]] = {}
    for training in trainings:
        systems.setdefault(training.system, []).append(training)
    if len(systems) < 2:
        return [], []
    signals = [name for name in samples[trainings[0].name] if name != "background"]
    by_key = {(row.model, row.score, row.signal): row for row in rows}
    warnings: dict[str, None] = {}
    comparisons = []
    for signal in signals:
        aucs = {}
        for index, (system, members) in enumerate(systems.items()):
            try:
                aucs[system] = _system_aucs(index, members, samples, signal, options)
            except InputDataError as error:
                warnings[f"no stochastic order of {system} for {signal}: {error}"] = None
        for a, b in combinations(systems, 2):
            if not _same_events(samples[systems[a][0].name], samples[systems[b][0].name], signal):
                warnings[f"{a} and {b} select different events: no paired difference between them"] = None
                continue
            one, two = ([by_key[t.name, t.bundle.card.scores[0], signal] for t in systems[name]] for name in (a, b))
            order = _order(aucs.get(a), aucs.get(b), options)
            comparisons.append(_comparison(signal, one, two, order))
    return comparisons, list(warnings)


def _comparison(signal: str, one: Sequence[Row], two: Sequence[Row], order: StochasticOrder | None) -> Comparison:
    auc = paired_difference(
        [row.metrics.auc.value for row in one],
        [row.metrics.auc.value for row in two],
        [row.metrics.drawn["auc"] for row in one],
        [row.metrics.drawn["auc"] for row in two],
    )
    rejection = None
    if not any(row.metrics.rejection.is_lower_limit for row in (*one, *two)):
        rejection = paired_difference(
            [float(np.log(row.metrics.rejection.value)) for row in one],
            [float(np.log(row.metrics.rejection.value)) for row in two],
            [log_rejection(row.metrics.drawn["survives"]) for row in one],
            [log_rejection(row.metrics.drawn["survives"]) for row in two],
        )
    return Comparison(signal, one[0].system, two[0].system, auc, rejection, order)


def _system_aucs(
    index: int, members: Sequence[Training], samples: Mapping[str, Samples], signal: str, options: MeasureOptions
) -> npt.NDArray[np.float64] | None:
    """AUCs of subsets, shared out among the trainings of a system; None if none are asked for."""
    if not options.aso_subsets:
        return None
    pieces = []
    for i, training in enumerate(members):
        share = len(range(i, options.aso_subsets, len(members)))
        if not share:
            continue
        sample, background = samples[training.name][signal], samples[training.name]["background"]
        score = training.bundle.card.scores[0]
        pieces.append(
            subset_aucs(
                sample.scores[score],
                background.scores[score],
                sample.weights,
                background.weights,
                # The test takes the samples as independent: each system has draws of its own.
                rng=np.random.default_rng([options.seed, 1, index, i, len(sample.weights)]),
                subsets=share,
                events=options.aso_events,
            )
        )
    return np.concatenate(pieces)


def _order(
    a: npt.NDArray[np.float64] | None, b: npt.NDArray[np.float64] | None, options: MeasureOptions
) -> StochasticOrder | None:
    if a is None or b is None:
        return None
    return almost_stochastic_order(a, b, rng=np.random.default_rng([options.seed, 2]))


def _same_events(a: Samples, b: Samples, signal: str) -> bool:
    return all(
        np.array_equal(a[name].keep, b[name].keep) and np.array_equal(a[name].weights, b[name].weights)
        for name in ("background", signal)
    )


def _efficiency(passed: Any, weights: Any) -> tuple[float, float]:
    """Weighted fraction, and half the width of its 68 % interval: unlike an error, not 0 when no event passes."""
    found = weighted_acceptance(weight_sums(weights[passed]), weight_sums(weights))
    return found.value, (found.high - found.low) / 2
