"""The numbers of a study, from its bundles alone: losses and efficiencies of each training, means over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.bundles.bundle import Bundle, load_bundle
from hepad.cards.study import CompareCard, OrderCard, StudyCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.nn.device import send_to
from hepad.nn.operations import Cost
from hepad.nn.scorer import Scorer, Scores
from hepad.pipeline.study.data import BACKGROUND, StudyData
from hepad.pipeline.study.images import Pictures, pictures, scores_and_images
from hepad.pipeline.study.jobs import run_jobs
from hepad.pipeline.study.output import TRAININGS
from hepad.pipeline.study.plan import Plan, PlannedTraining, ScanPoint
from hepad.stats.scores.roc import Estimate, RocCurve, roc_curve
from hepad.stats.scores.stochastic_order import subset_aucs

__all__ = [
    "Band",
    "Measured",
    "Performance",
    "Results",
    "Spread",
    "figure_of",
    "measure",
    "resolved",
    "roc_bands",
    "spread",
]

Floats = npt.NDArray[np.float64]

GRID: Floats = np.linspace(0.01, 1, 100)
"""Signal efficiencies of the ROC bands."""

_COUNTED = 100
"""Events whose operations are counted: those of sets depend on how large they are."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Spread:
    """Mean and sample standard deviation (None for one value) over trainings.

    `is_lower_limit` if the value of at least one training is a lower limit: no background event survived.
    """

    mean: float
    std: float | None
    trainings: int
    is_lower_limit: bool = False

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        return dict(vars(self))

    def words(self, digits: int, scale: float = 1.0) -> str:
        """`mean ± std` of the values times a scale, with so many digits after the point; `>` before a lower limit."""
        error = "" if self.std is None else f" ± {self.std * scale:.{digits}f}"
        return f"{'> ' if self.is_lower_limit else ''}{self.mean * scale:.{digits}f}{error}"


def spread(values: Sequence[float | Estimate]) -> Spread:
    """The spread of one value a training, at least one."""
    numbers = np.array([v.value if isinstance(v, Estimate) else v for v in values], dtype=np.float64)
    limit = any(isinstance(v, Estimate) and v.is_lower_limit for v in values)
    std = float(numbers.std(ddof=1) if np.ptp(numbers) else 0.0) if len(numbers) > 1 else None
    return Spread(float(numbers.mean()), std, len(numbers), limit)


@dataclass(frozen=True)
class Performance:
    """What a score of one training is worth, by signal, as fractions: AUC and the figure that the card compares.

    `aucs` are those of random subsets of the events, shape (subsets,), where the card asks for their order.
    """

    auc: dict[str, float]
    figure: dict[str, float]
    aucs: dict[str, Floats] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """One training: its card's losses, and by signal AUC, 1/eps_b and eps_b on `GRID` (default score).

    `train_loss` and `validation_loss` are per epoch, in units of the model's loss; `kept` is the epoch, from 1,
    whose weights the bundle holds. `latent` maps a sample to the fraction of its events whose latent neuron spikes,
    shape (steps, latent); empty for a model without spikes. `scores` are those that the card compares; the first
    seed of a network of images has `pictures`, that of one network its `cost`.
    """

    planned: PlannedTraining
    kept: int
    train_loss: tuple[float, ...]
    validation_loss: tuple[float, ...]
    auc: dict[str, float]
    rejection: dict[str, Estimate]
    efficiency: dict[str, Floats]
    latent: dict[str, Floats] = field(default_factory=dict)
    scores: dict[str, Performance] = field(default_factory=dict)
    pictures: Pictures | None = None
    cost: Cost | None = None

    @property
    def learns(self) -> bool:
        """Whether there is a loss: not of what is computed and not trained."""
        return any(self.train_loss)

    @property
    def loss(self) -> float:
        """Training loss of the kept epoch."""
        return self.train_loss[self.kept - 1]

    def to_json(self) -> dict[str, Any]:
        """The numbers of the training; losses per epoch are in the card of its bundle."""
        planned = self.planned
        return {
            "name": planned.name,
            "analysis": planned.analysis,
            "seed": planned.seed,
            "events": planned.events,
            "updates": planned.updates,
            "epochs": len(self.train_loss),
            "kept_epoch": self.kept,
            "train_loss": self.loss,
            "validation_loss": self.validation_loss[self.kept - 1],
            "auc": self.auc,
            "rejection": {signal: estimate.to_json() for signal, estimate in self.rejection.items()},
            **({"images": self.pictures.to_json()} if self.pictures else {}),
            **({"cost": self.cost.to_json()} if self.cost else {}),
        }


@dataclass(frozen=True)
class Results:
    """All trainings by name, and how the plan groups them; `samples` are the events measured on, by analysis."""

    plan: Plan
    trainings: dict[str, Measured]
    samples: dict[str, Mapping[str, Batch]]

    @property
    def signals(self) -> list[str]:
        """Names of the signals."""
        return [name for name in next(iter(self.samples.values())) if name != BACKGROUND]

    def group(self, names: Sequence[str]) -> list[Measured]:
        """The trainings of these names."""
        return [self.trainings[name] for name in names]

    def loss(self, names: Sequence[str], *, validation: bool = False) -> Spread:
        """Spread of the loss of the kept epoch."""
        return spread([t.validation_loss[t.kept - 1] if validation else t.loss for t in self.group(names)])

    def auc(self, names: Sequence[str], signal: str) -> Spread:
        """Spread of the area under the ROC curve."""
        return spread([t.auc[signal] for t in self.group(names)])

    def rejection(self, names: Sequence[str], signal: str) -> Spread:
        """Spread of 1/eps_b."""
        return spread([t.rejection[signal] for t in self.group(names)])

    def scan(self, name: str, analysis: str) -> list[ScanPoint]:
        """The points of one scan of one analysis, by rising value."""
        points = [p for p in self.plan.scans if p.scan == name and p.analysis == analysis]
        return sorted(points, key=lambda point: point.value)


def measure(plan: Plan, data: StudyData, output: Path, *, workers: int = 1, device: str = "cpu") -> Results:
    """Score the samples with every bundle of the plan; nothing of the training is taken from elsewhere.

    Networks are evaluated on the `device`, `workers` of them side by side.
    """
    samples = {
        t.analysis: data.samples(t.recipe, labelled=t.labelled, against=t.against).evaluation
        for t in plan.trainings.values()
    }
    tabled = {name for names in plan.table.values() for name in names[:1]}
    jobs = [
        _Measuring(training, output / TRAININGS / name, samples[training.analysis], data.card, name in tabled, device)
        for name, training in plan.trainings.items()
    ]
    measured = run_jobs(jobs, workers) if min(workers, len(jobs)) > 1 else [job(None) for job in jobs]
    return Results(plan, dict(zip(plan.trainings, measured, strict=True)), dict(samples))


@dataclass(frozen=True)
class _Measuring:
    """What one training is worth, found out in this process or in another: a `Job`."""

    planned: PlannedTraining
    folder: Path
    samples: Mapping[str, Batch]
    card: StudyCard
    first: bool
    device: str

    def __call__(self, _: Any) -> Measured:
        bundle = load_bundle(str(self.folder))
        send_to(bundle.scorer, self.device)
        return _measure(self.planned, bundle, self.samples, card=self.card, first=self.first)


def _measure(
    planned: PlannedTraining, bundle: Bundle, samples: Mapping[str, Batch], *, card: StudyCard, first: bool
) -> Measured:
    seen = {name: bundle.input.scaled(batch) for name, batch in samples.items()}
    default = bundle.card.scores[0]
    of_background, images = (
        scores_and_images(bundle.scorer, seen[BACKGROUND]) if first else (bundle.scorer.scores(seen[BACKGROUND]), None)
    )
    scores = {
        name: of_background if name == BACKGROUND else bundle.scorer.scores(batch) for name, batch in seen.items()
    }
    compared = _compared_scores(planned.analysis, bundle.card.scores, card.compare) if card.compare else ()
    by_score = {name: _curves(scores, samples, name) for name in dict.fromkeys((default, *compared))}
    curves = by_score[default]
    spikes = getattr(bundle.scorer, "latent_spikes", None) if first else None
    training = bundle.card.training
    assert training is not None  # noqa: S101  a study scores what it trained
    return Measured(
        planned,
        kept=training.best_epoch,
        train_loss=training.train_loss,
        validation_loss=training.validation_loss,
        auc={name: curve.auc for name, curve in curves.items()},
        rejection={name: curve.rejection_at(card.rejection_at) for name, curve in curves.items()},
        efficiency={name: resolved(curve) for name, curve in curves.items()},
        latent={}
        if spikes is None
        else {name: np.average(spikes(batch), axis=0, weights=batch.weight) for name, batch in seen.items()},
        scores=_performances(planned, {name: by_score[name] for name in compared}, scores, samples, card.compare),
        pictures=pictures(bundle.scorer, seen, scores, images),
        cost=_cost(bundle.scorer, seen[BACKGROUND]) if first else None,
    )


def _cost(scorer: Scorer, background: Batch) -> Cost | None:
    """What the network costs; None for a model that is not one network."""
    count: Any = getattr(scorer, "cost", None)
    found: Cost | None = None if count is None else count(background.take(slice(_COUNTED)))
    return found


def resolved(curve: RocCurve) -> Floats:
    """Background efficiencies on `GRID`, 0 where they are less than that of one event."""
    found = curve.background_efficiency_at(GRID)
    return np.where(found * curve.background_entries < 1 - _ROUNDING, 0.0, found)


def _curves(scores: Mapping[str, Scores], samples: Mapping[str, Batch], score: str) -> dict[str, RocCurve]:
    """The ROC curve of a score by signal."""
    background, weight = scores[BACKGROUND][score], samples[BACKGROUND].weight
    return {
        name: roc_curve(scores[name][score], background, batch.weight, weight)
        for name, batch in samples.items()
        if name != BACKGROUND
    }


def _compared_scores(analysis: str, scores: Sequence[str], compare: CompareCard) -> tuple[str, ...]:
    """The scores of an analysis that are compared; `CardError` for one that the model does not have."""
    names = compare.scores.get(analysis, tuple(scores[:1]))
    for name in names:
        if name not in scores:
            raise CardError(f"compare.scores: {analysis} has no {name}, but {', '.join(scores)}")
    return names


def _performances(
    planned: PlannedTraining,
    curves: Mapping[str, Mapping[str, RocCurve]],
    scores: Mapping[str, Scores],
    samples: Mapping[str, Batch],
    compare: CompareCard | None,
) -> dict[str, Performance]:
    """The compared scores of a training, whose curves are given by score and signal."""
    if compare is None:
        return {}
    return {
        score: Performance(
            auc={name: curve.auc for name, curve in of_signals.items()},
            figure={name: figure_of(curve, compare) for name, curve in of_signals.items()},
            aucs=_subset_aucs(planned, score, scores, samples, compare.order) if compare.order else {},
        )
        for score, of_signals in curves.items()
    }


def figure_of(curve: RocCurve, compare: CompareCard) -> float:
    """What stands beside the AUC, as a fraction; see `CompareCard`."""
    if compare.figure == "background_efficiency":
        return float(curve.background_efficiency_at(compare.at))
    return float(curve.signal_efficiency_at(1 / compare.at))


def _subset_aucs(
    planned: PlannedTraining,
    score: str,
    scores: Mapping[str, Scores],
    samples: Mapping[str, Batch],
    order: OrderCard,
) -> dict[str, Floats]:
    """AUCs of subsets by signal; each training and score has draws of its own, since the test takes them as such."""
    background = samples[BACKGROUND]
    seeds = [planned.seed, *f"{planned.analysis} {score}".encode()]
    return {
        name: subset_aucs(
            scores[name][score], scores[BACKGROUND][score], batch.weight, background.weight,
            rng=np.random.default_rng([place, *seeds]), subsets=order.subsets, events=order.events,
        )
        for place, (name, batch) in enumerate(samples.items())
        if name != BACKGROUND
    }  # fmt: skip


@dataclass(frozen=True)
class Band:
    """A ROC curve over seeds: mean eps_b on `GRID` and mean ± standard deviation, never below 0; shapes (100,)."""

    analysis: str
    signal: str
    mean: Floats
    low: Floats
    high: Floats
    seeds: int

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        arrays = {"mean": self.mean, "low": self.low, "high": self.high}
        return {
            "analysis": self.analysis,
            "signal": self.signal,
            "signal_efficiency": GRID.tolist(),
            "background_efficiency": {name: array.tolist() for name, array in arrays.items()},
        }


def roc_bands(results: Results) -> list[Band]:
    """One band for each analysis of the table and signal; of no width for a single seed."""
    bands = []
    for analysis, names in results.plan.table.items():
        for signal in results.signals:
            drawn = np.array([t.efficiency[signal] for t in results.group(names)])
            mean = drawn.mean(axis=0)
            std = drawn.std(axis=0, ddof=1) if len(drawn) > 1 else np.zeros_like(mean)
            bands.append(
                Band(analysis, signal, mean, np.maximum(mean - std, 0.0), np.minimum(mean + std, 1.0), len(drawn))
            )
    return bands
