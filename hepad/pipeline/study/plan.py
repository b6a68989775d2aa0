"""What a study has to train: each training once, however many tables and figures want it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hepad.bundles.checkpoint import fingerprint
from hepad.cards.analysis import AnalysisCard, RegionSpec, TrainCard, load_analysis
from hepad.cards.base import parse_card
from hepad.cards.selection import load_selection
from hepad.cards.study import ScanName, StudyCard
from hepad.errors import CardError
from hepad.pipeline.study.data import StudyData
from hepad.provenance import file_record
from hepad.samples.parting import SPLIT, split_events

__all__ = ["Plan", "PlannedTraining", "ScanPoint", "epochs_for", "make_plan", "updates_per_epoch"]


@dataclass(frozen=True)
class PlannedTraining:
    """One training; `name` is its folder and ends in a fingerprint of all that its result depends on."""

    name: str
    analysis: str
    recipe: AnalysisCard
    train: TrainCard
    seed: int
    events: int
    regions: dict[str, RegionSpec]
    labelled: bool = False
    against: tuple[str, ...] = ()

    @property
    def updates(self) -> int:
        """Updates of the weights, at most: a training with patience may stop before."""
        return self.train.epochs * updates_per_epoch(self.events, self.train.batch_size)


@dataclass(frozen=True)
class ScanPoint:
    """One value of a scan: the trainings, one a seed."""

    scan: ScanName
    analysis: str
    value: float
    trainings: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """All trainings by name, which of them are in the table (by analysis), and the points of the scans."""

    trainings: dict[str, PlannedTraining]
    table: dict[str, tuple[str, ...]]
    scans: tuple[ScanPoint, ...]


def updates_per_epoch(events: int, batch_size: int) -> int:
    """How many batches the training loop makes of an epoch; a last batch of one event joins the one before."""
    full, rest = divmod(events, batch_size)
    alone = rest == 1 < batch_size and full > 0
    return max(full + (rest > 0) - alone, 1)


def epochs_for(updates: int, events: int, batch_size: int) -> int:
    """The least number of epochs with at least `updates` updates: 400 for 40 000 with 100 000 events by 1000."""
    return -(-updates // updates_per_epoch(events, batch_size))


def make_plan(card: StudyCard, data: StudyData) -> Plan:
    """All trainings of a study; `CardError` if a scan varies what a model does not have."""
    recipes = {name: load_analysis(name) for name in card.analyses}
    planner = _Planner(card, data, {})
    table = {name: planner.add(name, recipe, 1.0) for name, recipe in recipes.items()}
    points = []
    for scan, settings in card.scans.items():
        for analysis in settings.analyses:
            for value in settings.values:
                fraction = value if scan == "training_fraction" else 1.0
                recipe = _varied(recipes[analysis], scan, value)
                points.append(ScanPoint(scan, analysis, value, planner.add(analysis, recipe, fraction)))
    return Plan(planner.trainings, table, tuple(points))


@dataclass(frozen=True)
class _Planner:
    """Collects trainings; the same one asked for twice is one."""

    card: StudyCard
    data: StudyData
    trainings: dict[str, PlannedTraining]

    def add(self, analysis: str, recipe: AnalysisCard, fraction: float) -> tuple[str, ...]:
        """Plan a training a seed on a fraction of the training events; their names."""
        planned = [self._training(analysis, recipe, fraction, seed) for seed in self.card.seeds]
        self.trainings.update({training.name: training for training in planned})
        return tuple(training.name for training in planned)

    def _training(self, analysis: str, recipe: AnalysisCard, fraction: float, seed: int) -> PlannedTraining:
        labelled, against = self.card.is_labelled(analysis), self.card.against(analysis)
        ids = self.data.samples(recipe, labelled=labelled, against=against).ids
        aside = self.data.kept_away(labelled=labelled)
        parts = split_events(ids, recipe.train, seed, aside).checked()
        events = max(round(min(len(parts.train), self.card.training_events) * fraction), 1)
        train = recipe.train.model_copy(update={"epochs": self._epochs(recipe, events), "train_events": events})
        # What a labelled training holds out is no background, on which alone a region can be set.
        regions = {} if labelled else _feasible(recipe.regions, len(parts.holdout))
        key = fingerprint(
            recipe.model_dump(mode="json", exclude={"published", "title", "reference", "fidelity_note"}),
            load_selection(recipe.selection).model_dump(mode="json"),
            train.model_dump(mode="json"),
            {name: spec.model_dump(mode="json") for name, spec in regions.items()},
            seed,
            [file_record(path) for path in self.data.trained_on(labelled=labelled)],
            SPLIT,
            len(ids),
            aside.model_dump(mode="json") if aside else None,
            *self._signals(against),
        )
        share = "" if fraction == 1 else f"-events{events}"
        name = f"{Path(recipe.name).name}{share}-seed{seed}-{key[:10]}"
        return PlannedTraining(name, analysis, recipe, train, seed, events, regions, labelled, against)

    def _signals(self, against: Sequence[str]) -> list[Any]:
        """What a result depends on if it is of a training against signals."""
        kept_away = self.data.kept_away(labelled=True)
        if not against or kept_away is None:
            return []
        return [[file_record(path) for path in self.data.against(against)], kept_away.model_dump(mode="json")]

    def _epochs(self, recipe: AnalysisCard, events: int) -> int:
        card, size = self.card, recipe.train.batch_size
        if card.updates:
            return epochs_for(card.updates, events, size)
        return max(recipe.train.epochs, epochs_for(card.least_updates, events, size))


def _varied(recipe: AnalysisCard, scan: ScanName, value: float) -> AnalysisCard:
    """The recipe with the scanned quantity set; the recipe itself if it has that value already."""
    if scan == "training_fraction":
        return recipe
    config, number = recipe.model.config, int(value)
    if scan == "latent" and "layers" in config and "latent" not in config:
        changed: dict[str, Any] = {"layers": [*config["layers"][:-1], number]}
    elif scan in config:
        changed = {scan: number}
    else:
        raise CardError(f"scan {scan}: model {recipe.model.name} of analysis {recipe.name} has no {scan} in its card")
    if all(config[key] == new for key, new in changed.items()):
        return recipe
    content = recipe.model_dump(mode="json", by_alias=True, exclude_none=True)
    content |= {"name": f"{recipe.name}-{scan}{number}", "published": {}, "fidelity": "inspired"}
    content["fidelity_note"] = f"{recipe.name} with {scan} {number}, for a scan"
    content["model"] = {**content["model"], **changed}
    return parse_card(AnalysisCard, content, f"scan {scan} of {recipe.name}")


def _feasible(regions: Mapping[str, RegionSpec], holdout: int) -> dict[str, RegionSpec]:
    """The regions that the held-out events can set: a study on few events does without the tight ones."""
    return {name: spec for name, spec in regions.items() if spec.efficiency is None or spec.efficiency * holdout >= 1}
