"""The published numbers that cards of analyses and studies hold, and by what each is found among ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from hepad.cards.analysis import AnalysisCard, load_analysis
from hepad.cards.sensitivity import SensitivityCard
from hepad.cards.study import CompareCard, Printed, StudyCard
from hepad.pipeline.verify.report import Check

__all__ = ["REJECTION", "Key", "Number", "analysis_numbers", "sensitivity_numbers", "study_numbers"]

REJECTION = "rejection_at_"
_METRICS = {"auc": "AUC"}
_QUALITIES = {"squared_error": "mean squared error of images", "similarity": "similarity of images"}


@dataclass(frozen=True)
class Key:
    """What a number is of: a metric of an analysis, its default score if none is named, and a signal if it is of one.

    `unit` is what ours is multiplied by, 100 where a card holds percent.
    """

    metric: str
    analysis: str
    score: str | None = None
    signal: str = ""
    unit: float = 1.0


@dataclass(frozen=True)
class Number:
    """A published number without anything beside it, and its key."""

    check: Check
    key: Key


def analysis_numbers(card: AnalysisCard) -> list[Number]:
    """Those that the card of an analysis holds: of its default score, by signal."""
    found = []
    for signal, metrics in card.published.items():
        for metric, printed in metrics.items():
            check = _check(card.name, card, f"{_title(metric)} of {signal}", printed)
            found.append(Number(check, Key(metric, card.name, None, signal)))
    return found


def study_numbers(card: StudyCard) -> list[Number]:
    """Those that a study holds beside the cards of its analyses: losses, sizes, what it compares."""
    recipes = {name: load_analysis(name) for name in card.analyses}
    found = []
    for name, (value, error) in card.published_loss.items():
        unit = 1 / card.loss_unit
        quantity = f"training loss [{card.loss_unit:g}]" if unit != 1 else "training loss"
        check = _check(card.name, recipes[name], quantity, (value * unit, error * unit))
        found.append(Number(check, Key("loss", name, unit=unit)))
    for name, cost in card.published_cost.items():
        for what, value in (("weights", cost.weights), ("operations", cost.operations)):
            found.append(Number(_check(card.name, recipes[name], what, value), Key(what, name)))
    return [*found, *(_compared(card, card.compare, recipes) if card.compare else ())]


def _compared(card: StudyCard, compare: CompareCard, recipes: Mapping[str, AnalysisCard]) -> Iterator[Number]:
    figure = (
        f"background left at {compare.at:.0%} of the signal"
        if compare.figure == "background_efficiency"
        else f"signal left at rejection {compare.at:g}"
    )
    for name, scores in compare.published.items():
        for score, metrics in scores.items():
            for metric, numbers in metrics.items():
                what = "AUC" if metric == "auc" else figure
                for signal, printed in numbers.items():
                    of = f"mean {signal}" if signal in compare.groups else signal
                    check = _check(card.name, recipes[name], f"{score}: {what} of {of} [%]", printed)
                    yield Number(check, Key(metric, name, score, signal, 100))
    for name, qualities in compare.published_quality.items():
        for quality, printed in qualities.items():
            yield Number(_check(card.name, recipes[name], _QUALITIES[quality], printed), Key(quality, name))


def sensitivity_numbers(card: SensitivityCard) -> list[Number]:
    """By how much the best method beats the best classical one, by signal."""
    found = []
    for signal, settings in card.signals.items():
        if (theirs := settings.published) is None:
            continue
        for what, (value, method) in (("limit", theirs.limit), ("discovery", theirs.discovery)):
            quantity = f"improvement of the {what} over {theirs.classical}, {signal}, {method}"
            check = Check(card.name, card.name, quantity, value, reason=card.note, reference=card.reference)
            found.append(Number(check, Key(what, theirs.classical, None, signal)))
    return found


def _check(card: str, recipe: AnalysisCard, quantity: str, printed: Printed) -> Check:
    value, error = printed if isinstance(printed, tuple) else (printed, None)
    return Check.of(recipe, quantity, value, error, card=card)


def _title(metric: str) -> str:
    if metric.startswith(REJECTION):
        return f"1/eps_b({metric.removeprefix(REJECTION)})"
    return _METRICS.get(metric, metric)
