"""From streams of parts to numbers: working points, rates in a sample, efficiencies of a signal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.bundles.systems import Training
from hepad.cards.analysis import RegionSpec
from hepad.cards.menu import MenuCard
from hepad.cards.selection import SelectionCard
from hepad.errors import InputDataError, UsageError
from hepad.execution.parts import Part
from hepad.objects.cutflow import CutFlow
from hepad.pipeline.rates.job import decisions_of, flow_of
from hepad.pipeline.rates.options import GIVEN, RatesOptions, point_name
from hepad.pipeline.rates.report import Point, RateCurve, SignalCurve
from hepad.samples.selected import checked_flow
from hepad.stats.scores.acceptance import clopper_pearson, weighted_acceptance
from hepad.stats.scores.regions import Quantiles, set_region
from hepad.trigger.counting import Counts, Curve, Triggers, sums
from hepad.trigger.rates import Tail

__all__ = ["Asked", "WorkingPoints", "count_sample", "count_signal", "read_tails", "set_points", "triggers_of"]

Floats = npt.NDArray[np.float64]

_CURVE_POINTS = 60


@dataclass(frozen=True)
class Asked:
    """The triggers that rates are asked of; `beside` is the name of that which the others are held beside."""

    trainings: tuple[Training, ...]
    selections: tuple[SelectionCard, ...]
    menu: MenuCard | None
    beside: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The models."""
        return tuple(training.name for training in self.trainings)

    @property
    def prescales(self) -> Floats:
        """Those of the menu's seeds."""
        return np.array(self.menu.prescales if self.menu is not None else (), dtype=np.float64)

    @property
    def unprescaled(self) -> npt.NDArray[np.bool_]:
        """Which seeds are not prescaled."""
        return np.asarray(self.prescales == 1)

    def score(self, model: int) -> str:
        """The score that a model triggers on."""
        return self.trainings[model].bundle.card.scores[0]


@dataclass(frozen=True)
class Tails:
    """The highest scores of each model in a sample, `pure` those of crossings that no unprescaled seed accepts."""

    all: tuple[Tail, ...]
    pure: tuple[Tail, ...]
    flows: tuple[CutFlow, ...]


@dataclass(frozen=True)
class WorkingPoints:
    """The thresholds that were set, and why others could not be."""

    points: tuple[Point, ...]
    remarks: tuple[str, ...]

    def thresholds(self, models: Sequence[str], names: Sequence[str]) -> Floats:
        """The thresholds (points, models) by the names of the working points, NaN where there is none."""
        found = np.full((len(names), len(models)), np.nan)
        for point in self.points:
            found[names.index(point.point), models.index(point.model)] = point.threshold
        return found


def read_tails(parts: Iterable[Part], asked: Asked, *, capacity: int = 1_000_000) -> Tails:
    """The tails of a sample. `InputDataError` if a model's selection keeps none of its events."""
    models, seeds = len(asked.names), len(asked.prescales)
    every, pure = ([Tail(capacity) for _ in range(models)] for _ in range(2))
    flows: list[CutFlow | None] = [None] * models
    for part in parts:
        found = decisions_of(part, models, seeds)
        alone = np.asarray(~found.seeds[:, asked.unprescaled].any(axis=1))
        for i in range(models):
            every[i].add(found.scores[:, i], found.weights)
            if seeds:
                pure[i].add(found.scores[:, i], found.weights, alone)
            flow, before = part.flows[flow_of(i)], flows[i]
            flows[i] = flow if before is None else before + flow
    checked = tuple(checked_flow(flow, s, what="crossing") for flow, s in zip(flows, asked.selections, strict=True))
    return Tails(tuple(every), tuple(pure), checked)


def set_points(tails: Tails, asked: Asked, options: RatesOptions) -> WorkingPoints:
    """The threshold of each model at each rate, and those given by hand.

    A rate that is less than one crossing's is left out with a remark. `UsageError` if none is left, or a given
    threshold is of no model.
    """
    points: list[Point] = []
    remarks: list[str] = []
    unknown = sorted(options.thresholds.keys() - set(asked.names))
    if unknown:
        raise UsageError(f"--threshold {unknown[0]}=...: no such model; there are {', '.join(asked.names)}")
    for i, model in enumerate(asked.names):
        tail = (tails.pure if options.pure else tails.all)[i]
        table = tail.table()
        for rate in sorted(set(options.rates_khz)):
            point = None if table is None else _point(table, tail, rate, (model, asked.score(i)), options)
            if point is None:
                remarks.append(_too_small(model, rate, table, options))
            else:
                points.append(point)
        if model in options.thresholds:
            points.append(Point(model, asked.score(i), GIVEN, None, options.thresholds[model], None))
    if not points:
        raise UsageError(remarks[0])
    return WorkingPoints(tuple(points), tuple(remarks))


def _point(table: Quantiles, tail: Tail, rate: float, named: tuple[str, str], options: RatesOptions) -> Point | None:
    """The working point of a model and score at a rate; None if one crossing is more than that."""
    model, score = named
    spec = RegionSpec(rate_khz=rate, input_rate_khz=options.crossings.khz)
    wanted = rate / options.crossings.khz
    if wanted * (1 + 1e-12) < table.efficiency[0]:
        return None
    if not tail.complete and wanted > table.efficiency[-1]:
        most = table.efficiency[-1] * options.crossings.khz
        raise UsageError(
            f"--rate {rate:g}: of so many crossings only the {tail.capacity} with the highest scores of {model} are "
            f"kept, which are {most:.4g} kHz; ask for a smaller rate"
        )
    region = set_region(point_name(rate), spec, {score: table}, score)
    assert region.efficiency is not None  # noqa: S101  a rate sets one
    events = round(region.efficiency * table.effective_events)
    return Point(model, score, point_name(rate), rate, region.threshold, events)


def _too_small(model: str, rate: float, table: Quantiles | None, options: RatesOptions) -> str:
    kind = "pure rate" if options.pure else "rate"
    if table is None:
        return f"{model} at {rate:g} kHz: no crossing has a score to set a {kind} on"
    least = float(table.efficiency[0]) * options.crossings.khz
    needed = math.ceil(options.crossings.khz / rate)
    return (
        f"{model} at {rate:g} kHz: no threshold gives so small a {kind}; the highest score alone is {least:.3g} kHz "
        f"(there are {table.events} crossings, and one of {needed} is {rate:g} kHz)"
    )


def triggers_of(asked: Asked, points: WorkingPoints, names: Sequence[str]) -> Triggers:
    """The thresholds and prescales to count with."""
    return Triggers(points.thresholds(asked.names, names), asked.prescales)


def count_sample(parts: Iterable[Part], asked: Asked, triggers: Triggers) -> tuple[Counts, tuple[Tail, ...]]:
    """The counts of a zero-bias sample, and the tails of its scores. `InputDataError` if its weights cancel."""
    models, seeds = len(asked.names), len(asked.prescales)
    counts, tails = Counts(triggers), tuple(Tail() for _ in range(models))
    for part in parts:
        found = decisions_of(part, models, seeds)
        counts.add(found)
        for i, tail in enumerate(tails):
            tail.add(found.scores[:, i], found.weights)
    _check_weights(counts, "zero bias")
    return counts, tails


def count_signal(
    parts: Iterable[Part], asked: Asked, triggers: Triggers, scanned: Sequence[Floats], name: str
) -> tuple[Counts, tuple[Curve, ...]]:
    """The counts of a signal, and how many of it are above the `scanned` thresholds (g,) of each model, falling."""
    models, seeds = len(asked.names), len(asked.prescales)
    counts, curves = Counts(triggers), tuple(Curve(np.sort(thresholds)) for thresholds in scanned)
    for part in parts:
        found = decisions_of(part, models, seeds)
        counts.add(found)
        for i, curve in enumerate(curves):
            curve.add(found.scores[:, i], found.weights)
    _check_weights(counts, name)
    return counts, curves


def _check_weights(counts: Counts, name: str) -> None:
    if not (math.isfinite(counts.total.weight) and counts.total.weight > 0):
        raise InputDataError(
            f"the weights of {name} sum to {counts.total.weight:g} over {counts.total.events} events: no rate and no "
            "efficiency can be made of them"
        )


def rate_curve(tail: Tail, model: str, sample: str, kind: str, khz: float) -> RateCurve | None:
    """The curve of rate against threshold, at most some hundred points; None without any score."""
    table = tail.table()
    if table is None:
        return None
    rows = _spaced(table)
    efficiency, n = table.efficiency[rows], table.effective_events
    ends = np.array([clopper_pearson(float(e) * n, n) for e in efficiency])
    return RateCurve(model, sample, kind, table.threshold[rows], efficiency * khz, ends[:, 0] * khz, ends[:, 1] * khz)


def scanned(tail: Tail, khz: float, low_khz: float) -> tuple[Floats, Floats]:
    """Falling thresholds (g,) and the rates that they give, for the curve of a signal's efficiency, above a rate."""
    table = tail.table()
    if table is None:
        return np.empty(0), np.empty(0)
    rows = _spaced(table)
    rows = rows[table.efficiency[rows] * khz >= low_khz]
    return table.threshold[rows], table.efficiency[rows] * khz


def signal_curve(curve: Curve, rates: Floats, counts: Counts, named: tuple[str, str]) -> SignalCurve:
    """The efficiency of a signal by a model against the rate of the thresholds, which fall in `rates`."""
    passed = curve.passed[:, ::-1]  # thresholds rise in a curve
    found = [weighted_acceptance(sums(passed[:, i], counts.total), counts.total) for i in range(len(rates))]
    values, low, high = (np.array([getattr(f, end) for f in found]) for end in ("value", "low", "high"))
    return SignalCurve(named[0], named[1], rates, values, low, high)


def _spaced(table: Quantiles) -> npt.NDArray[np.int64]:
    """Rows of a table, all of its first ones, then evenly in the logarithm of the efficiency."""
    n = len(table.threshold)
    rows = np.unique(np.geomspace(1, n, _CURVE_POINTS).astype(np.int64)) - 1
    return np.asarray(rows, dtype=np.int64)
