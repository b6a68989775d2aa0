"""What shipped bundles give on the files of a study, and what learns nothing, which is made at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import yaml

from hepad.cards.analysis import AnalysisCard, load_analysis
from hepad.cards.resolver import bundled_names
from hepad.cards.selection import Condition, Requirement, load_selection
from hepad.cards.study import StudyCard
from hepad.output.figure_kinds import drawing
from hepad.pipeline.evaluate.results import Row
from hepad.pipeline.evaluate.run import EvaluateOptions, evaluate
from hepad.pipeline.study.data import BACKGROUND, StudyFiles
from hepad.pipeline.train.run import TrainOptions, train
from hepad.pipeline.verify.numbers import REJECTION, Key
from hepad.pipeline.verify.options import VerifyOptions
from hepad.pipeline.verify.report import Found
from hepad.stats.scores.roc import Estimate

__all__ = ["Evaluated", "evaluated", "is_at_hand"]


@dataclass(frozen=True)
class Evaluated:
    """The rows of an evaluation of bundles on the files of a study, and the selected events by sample.

    `own` are the names of networks that were given, and do not ship.
    """

    card: StudyCard
    rows: Sequence[Row]
    events: Mapping[str, int]
    own: Collection[str] = ()

    def find(self, key: Key) -> Found | None:
        """What was measured of it; None if nothing."""
        group = () if self.card.compare is None else self.card.compare.groups.get(key.signal, ())
        return self._mean(key, group) if group else self._one(key)

    def _mean(self, key: Key, group: Sequence[str]) -> Found | None:
        """The mean over signals, of all or none; they share their background, so that errors are added as they are."""
        found = [self._one(replace(key, signal=signal)) for signal in group]
        there = [one for one in found if one is not None and not one.is_limit]
        if len(there) < len(group):
            return None
        errors = [one.error for one in there if one.error is not None]
        error = float(np.mean(errors)) if len(errors) == len(there) else None
        return Found(float(np.mean([one.value for one in there])), error, f"mean of {len(there)} signals")

    def _one(self, key: Key) -> Found | None:
        rows = (row for row in self.rows if row.model == key.analysis and row.signal == key.signal)
        row = next((row for row in rows if key.score in (None, row.score)), None)
        estimate = None if row is None else self._estimate(row, key.metric)
        if row is None or estimate is None:
            return None
        shipped = "the bundled network" if row.model in bundled_names("bundles") else "the score"
        what = "the network that was given" if row.model in self.own else shipped
        events = f"{self.events[BACKGROUND]} background and {self.events[key.signal]} signal events"
        return Found(
            estimate.value * key.unit,
            None if estimate.std is None else estimate.std * key.unit,
            f"{what}, {events}",
            estimate.is_lower_limit or estimate.is_upper_limit,
        )

    def _estimate(self, row: Row, metric: str) -> Estimate | None:
        points = row.points
        if metric == "auc":
            return points.metrics.auc
        if metric.startswith(REJECTION):
            return points.rejections.get(float(metric.removeprefix(REJECTION)))
        if metric != "figure" or self.card.compare is None:
            return None
        at = self.card.compare.at
        if self.card.compare.figure == "background_efficiency":
            rejection = points.rejections.get(at)
            return None if rejection is None else _inverse(rejection)
        return next((point.estimate for point in points.tpr_at_fpr if point.wanted == 1 / at), None)


def is_at_hand(card: StudyCard, name: str) -> bool:
    """Whether an analysis of a study has weights that ship, or learns so little that it is made at once.

    What has one epoch in its card is what computes a score and learns nothing.
    """
    return name in bundled_names("bundles") or (load_analysis(name).train.epochs == 1 and not _sees_signals(card, name))


def _sees_signals(card: StudyCard, name: str) -> bool:
    return card.is_labelled(name) or bool(card.against(name))


def evaluated(
    card: StudyCard, names: Sequence[str], files: StudyFiles, options: VerifyOptions, own: Mapping[str, Path]
) -> Evaluated:
    """Evaluate analyses that are at hand, or whose bundles are `own` ones; nothing is kept on the disk."""
    shipped = bundled_names("bundles")
    keys = [metric for name in names for metrics in load_analysis(name).published.values() for metric in metrics]
    at = {float(key.removeprefix(REJECTION)) for key in keys if key.startswith(REJECTION)}
    compare = card.compare
    if compare is not None and compare.figure == "background_efficiency":
        at.add(compare.at)
    first, *more = sorted(at) or [card.rejection_at]
    fpr = (1 / compare.at,) if compare is not None and compare.figure == "signal_efficiency" else ()
    background, kept = ([str(path) for path in paths] for paths in (files.background, files.evaluation))
    with TemporaryDirectory(prefix="hepad-verify-") as folder, drawing(()):
        made = Path(folder)
        bundles = {name: made / name for name in names if name not in shipped} | dict(own)
        for name in bundles:
            if name not in own:
                train(background, name, options=TrainOptions(output=made / name, max_events=card.training_events))
        recipe = load_analysis(names[0])
        report = evaluate(
            kept or background,
            {name: [str(path) for path in paths] for name, paths in files.signals.items()},
            [f"{name}={bundles[name]}" if name in bundles else name for name in names],
            options=EvaluateOptions(
                output=made / "evaluation",
                rejection_at=first,
                more_rejections_at=tuple(more),
                fpr=fpr,
                min_background=1,
                replicas=options.replicas,
                seed=options.seed,
                aso_subsets=0,
                max_events=None if card.data.labels else card.evaluation.events,
                selections=_label_cards(card, recipe, files, made),
            ),
        )
    return Evaluated(card, report.rows, report.events, own)


def _label_cards(card: StudyCard, recipe: AnalysisCard, files: StudyFiles, folder: Path) -> dict[str, str]:
    """Selections that keep of a signal's files the events of its label, written into the folder."""
    found = {}
    for signal, label in card.data.labels.items():
        if signal in files.signals:
            selection = load_selection(recipe.selection)
            one = Requirement(name=f"label {label}", all=(Condition(label=label),))
            selection = selection.model_copy(update={"name": f"label_{label}", "require": (*selection.require, one)})
            path = folder / f"{signal}.yaml"
            content = selection.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
            path.write_text(yaml.safe_dump({"schema": "selection/1", **content}), encoding="utf-8")
            found[signal] = str(path)
    return found


def _inverse(rejection: Estimate) -> Estimate:
    """The background efficiency of a rejection."""
    value = 1 / rejection.value
    error = None if rejection.std is None else rejection.std * value**2
    return Estimate(value, error, is_upper_limit=rejection.is_lower_limit)
