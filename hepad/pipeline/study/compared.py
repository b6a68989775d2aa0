"""Scores of a study side by side, on each signal and on the means over groups of signals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.cards.study import CompareCard, Printed, StudyCard
from hepad.output.document import Table
from hepad.pipeline.study.jobs import run_jobs
from hepad.pipeline.study.names import named
from hepad.pipeline.study.results import Measured, Performance, Results, Spread, spread
from hepad.stats.scores.stochastic_order import StochasticOrder, almost_stochastic_order

__all__ = ["Compared", "Ordered", "compared", "compared_table", "figure_title", "order_table", "ordered"]

Floats = npt.NDArray[np.float64]

_PERCENT = 100

_ORDER_REPLICAS = 200
"""Bootstrap replicas of a comparison: its limit then has a relative error of 5 %."""


@dataclass(frozen=True)
class Compared:
    """A score of an analysis: its AUC and its figure by signal and group, as fractions, and what was published (%)."""

    analysis: str
    score: str
    auc: dict[str, Spread]
    figure: dict[str, Spread]
    published: dict[str, dict[str, Printed]]

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        return {
            "analysis": self.analysis,
            "score": self.score,
            "auc": {name: value.to_json() for name, value in self.auc.items()},
            "figure": {name: value.to_json() for name, value in self.figure.items()},
            "published_percent": self.published,
        }


@dataclass(frozen=True)
class Ordered:
    """By signal, whether a score is better than another, as analysis and score: the smaller epsilon, the surer."""

    better: tuple[str, str]
    other: tuple[str, str]
    by_signal: dict[str, StochasticOrder]

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        orders = {name: order.to_json() for name, order in self.by_signal.items()}
        return {"better": list(self.better), "other": list(self.other), "by_signal": orders}


def compared(compare: CompareCard, results: Results) -> list[Compared]:
    """One for each analysis and score, in the order of the card; a group's number is the mean over its signals."""
    rows = []
    for analysis, score, trainings in _scores(results):
        performances = [training.scores[score] for training in trainings]
        rows.append(
            Compared(
                analysis,
                score,
                _spreads([p.auc for p in performances], compare),
                _spreads([p.figure for p in performances], compare),
                {key: dict(value) for key, value in compare.published.get(analysis, {}).get(score, {}).items()},
            )
        )
    return rows


def ordered(compare: CompareCard, results: Results, *, workers: int = 1) -> list[Ordered]:
    """Scores against the first one of every other analysis; empty if the card does not ask for it.

    They are those that have published numbers, of an analysis that has none its first. The comparisons are made by
    `workers` processes.
    """
    if compare.order is None:
        return []
    pooled = [
        ((analysis, score), _pooled([training.scores[score] for training in trainings]))
        for analysis, score, trainings in _scores(results)
        if score in (compare.published.get(analysis) or (next(iter(trainings[0].scores)),))
    ]
    first = {name[0]: (name, values) for name, values in reversed(pooled)}
    jobs = [
        _Ordering((one, two), ours, theirs)
        for one, ours in pooled
        for two, theirs in reversed(first.values())
        if one[0] != two[0]
    ]
    return run_jobs(jobs, workers) if min(workers, len(jobs)) > 1 else [job(None) for job in jobs]


@dataclass(frozen=True)
class _Ordering:
    """Whether one score is better than another, by the AUCs of subsets by signal: a `Job`."""

    names: tuple[tuple[str, str], tuple[str, str]]
    ours: dict[str, Floats]
    theirs: dict[str, Floats]

    def __call__(self, _: Any) -> Ordered:
        orders = {}
        for place, (signal, values) in enumerate(self.ours.items()):
            rng = np.random.default_rng(place)
            orders[signal] = almost_stochastic_order(values, self.theirs[signal], rng=rng, replicas=_ORDER_REPLICAS)
        return Ordered(*self.names, orders)


def _pooled(performances: Sequence[Performance]) -> dict[str, Floats]:
    """The AUCs of the subsets of all trainings, by signal."""
    return {name: np.concatenate([p.aucs[name] for p in performances]) for name in performances[0].aucs}


def figure_title(compare: CompareCard) -> str:
    """What the figure of the card is, with its unit."""
    if compare.figure == "background_efficiency":
        return f"background efficiency at signal efficiency {compare.at:g} [%]"
    return f"signal efficiency at background rejection {compare.at:g} [%]"


def compared_table(card: StudyCard, rows: Sequence[Compared], key: str) -> Table:
    """`auc` or `figure` in percent, a column a signal or mean; what was published stands below each row."""
    assert card.compare is not None  # noqa: S101  asked for with the rows of one
    names = _columns(card.compare, rows)
    lines = []
    for row in rows:
        ours: dict[str, Spread] = getattr(row, key)
        lines.append([named(card, row.analysis), row.score, *(ours[name].words(2, _PERCENT) for name in names)])
        theirs = row.published.get(key)
        if theirs:
            lines.append(["  published", "", *(_printed(theirs.get(name)) for name in names)])
    means = [f"mean {name}" if name in card.compare.groups else named(card, name) for name in names]
    return Table(["model", "score", *means], lines, numbers_from=2)


def order_table(card: StudyCard, orders: Sequence[Ordered]) -> Table:
    """The upper limit on the violation of "the first is better", by signal."""
    signals = list(orders[0].by_signal)
    rows = [
        [_name(card, o.better), _name(card, o.other), *(f"{o.by_signal[name].epsilon_min:.2f}" for name in signals)]
        for o in orders
    ]
    return Table(["is", "better than", *(named(card, name) for name in signals)], rows, numbers_from=2)


def _scores(results: Results) -> Iterator[tuple[str, str, list[Measured]]]:
    for analysis, names in results.plan.table.items():
        trainings = results.group(names)
        for score in trainings[0].scores:
            yield analysis, score, trainings


def _spreads(values: Sequence[dict[str, float]], compare: CompareCard) -> dict[str, Spread]:
    found = {name: spread([one[name] for one in values]) for name in values[0]}
    means = {
        group: spread([float(np.mean([one[name] for name in names])) for one in values])
        for group, names in compare.groups.items()
        if all(name in values[0] for name in names)
    }
    return {**found, **means}


def _columns(compare: CompareCard, rows: Sequence[Compared]) -> list[str]:
    """Signals group by group, each followed by its mean; then those of no group."""
    there = rows[0].auc
    grouped = [name for group, names in compare.groups.items() for name in (*names, group) if name in there]
    return [*dict.fromkeys(grouped), *(name for name in there if name not in grouped)]


def _name(card: StudyCard, which: tuple[str, str]) -> str:
    return f"{named(card, which[0])} ({which[1]})"


def _printed(value: Printed | None) -> str:
    if value is None:
        return ""
    return f"{value[0]:g} ± {value[1]:g}" if isinstance(value, tuple) else f"{value:g}"
