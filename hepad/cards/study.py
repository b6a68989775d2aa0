"""Study cards: which analyses to train over which seeds, on how much data, and what to scan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import FILE_NAME, Card, CardName, load_card
from hepad.cards.bundle import SetAside
from hepad.cards.condition import LabelName
from hepad.cards.resolver import resolve

__all__ = [
    "CompareCard",
    "CostCard",
    "DataCard",
    "EvaluationCard",
    "LabelledCard",
    "OrderCard",
    "QuickCard",
    "ScanCard",
    "ScanName",
    "StudyCard",
]
__all__ += ["load_study"]

ScanName = Literal["steps", "latent", "training_fraction"]
Printed = float | tuple[float, float]
"""A number as a reference prints it, with its error where it has one."""

Names = Annotated[tuple[CardName, ...], Field(min_length=1)]
FileName = Annotated[str, Field(pattern=FILE_NAME)]
FileNames = Annotated[tuple[FileName, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class ScanCard(Card):
    """One quantity varied, all else as in the analyses; `values` rise or fall as the figure shall show them."""

    analyses: Names
    values: Annotated[tuple[float, ...], Field(min_length=1)]


class DataCard(Card):
    """File names that are looked for in a data folder; the first that is there is taken.

    A name may be a path below the folder, and a pattern of * and ?: then all files that match are taken. With
    `some_signals` a folder may lack some of the signals, which are then left out. A signal with `labels` is what of its
    files was simulated as that, of files that hold several.
    """

    background: FileNames
    evaluation_background: tuple[FileName, ...] = ()
    signals: dict[CardName, FileNames] = Field(min_length=1)
    some_signals: bool = False
    labels: dict[CardName, LabelName] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _labels_are_of_signals(self) -> DataCard:
        if unknown := sorted(set(self.labels) - set(self.signals)):
            raise ValueError(f"labels names {', '.join(unknown)}; there are {', '.join(self.signals)}")
        return self


class LabelledCard(Card):
    """`analyses` that are trained on the files of background and of all signals together, with their labels, and others
    that are trained on background `against` the signals named.

    A `fraction` of the events of these signals, for the former of the background too, drawn by the seed of the
    evaluation, is set aside from that: of these signals, and others in their files, these analyses are measured on it
    alone.
    """

    analyses: tuple[CardName, ...] = ()
    against: dict[CardName, Names] = Field(default_factory=dict)
    fraction: float = Field(default=0.5, gt=0, lt=1)


class EvaluationCard(SetAside):
    """The events to measure on: `fraction` by `seed` of a single background file, at most `events` of each sample."""

    events: int = Field(default=200_000, ge=1)


class OrderCard(Card):
    """Almost stochastic order of the AUC: how many subsets, and how many `events` each, half of them signal."""

    subsets: int = Field(default=1000, ge=2)
    events: int = Field(default=2000, ge=2)


class CostCard(Card):
    """What a reference says of the size of a network: its `weights`, and its `operations` an event."""

    weights: float = Field(gt=0)
    operations: float = Field(gt=0)


class CompareCard(Card):
    """Several scores of each analysis side by side, on signals and on the means over groups of them.

    `scores` names those of an analysis, its first one if it is not named. `figure` is what stands beside the AUC:
    `background_efficiency` at the signal efficiency `at`, or `signal_efficiency` at the background rejection `at`.
    `published` maps an analysis, a score and `auc` or the figure to numbers in percent by signal or group, as printed;
    `published_quality` an analysis to mean and standard deviation of the two qualities of its reconstructed images.
    """

    groups: dict[str, Names]
    scores: dict[CardName, Names] = Field(default_factory=dict)
    figure: Literal["background_efficiency", "signal_efficiency"] = "background_efficiency"
    at: float = Field(gt=0)
    order: OrderCard | None = None
    published: dict[CardName, dict[CardName, dict[Literal["auc", "figure"], dict[str, Printed]]]] = Field(
        default_factory=dict
    )
    published_quality: dict[CardName, dict[Literal["squared_error", "similarity"], tuple[float, float]]] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _has_a_working_point(self) -> CompareCard:
        if self.figure == "background_efficiency" and self.at > 1:
            raise ValueError(f"at: a signal efficiency is at most 1, not {self.at:g}")
        if self.figure == "signal_efficiency" and self.at < 1:
            raise ValueError(f"at: a background rejection is at least 1, not {self.at:g}")
        return self


class QuickCard(Card):
    """What `--quick` replaces; None leaves it as it is. `evaluation_events` are the `events` of `evaluation`."""

    seeds: Seeds | None = None
    updates: int | None = Field(default=None, ge=1)
    training_events: int | None = Field(default=None, ge=1)
    evaluation_events: int | None = Field(default=None, ge=1)
    scans: dict[ScanName, ScanCard] | None = None
    order: OrderCard | None = None


class StudyCard(Card):
    """A study: trainings of analyses over seeds at a fixed number of updates of the weights, and scans.

    `training_events` bounds the events of a training; with fewer the epochs grow, so that the updates stay equal.
    Without `updates` each training has the epochs of its own card, or more, until it has `least_updates`. Losses are
    printed in units of `loss_unit`. `published_loss` maps an analysis to (mean, standard deviation) as printed in the
    reference; `labels` says how figures call analyses and samples.
    """

    schema_: Literal["study/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    analyses: Names
    seeds: Seeds
    training_events: int = Field(ge=1)
    updates: int | None = Field(default=None, ge=1)
    least_updates: int = Field(default=1, ge=1)
    labelled: LabelledCard | None = None
    loss_unit: float = Field(default=1.0, gt=0)
    rejection_at: float = Field(default=0.3, gt=0, le=1)
    evaluation: EvaluationCard
    data: DataCard
    scans: dict[ScanName, ScanCard] = Field(default_factory=dict)
    compare: CompareCard | None = None
    published_loss: dict[CardName, tuple[float, float]] = Field(default_factory=dict)
    published_cost: dict[CardName, CostCard] = Field(default_factory=dict)
    labels: dict[CardName, str] = Field(default_factory=dict)
    quick: QuickCard = Field(default_factory=QuickCard)

    @model_validator(mode="after")
    def _is_consistent(self) -> StudyCard:
        for what, values in (("analyses", self.analyses), ("seeds", self.seeds)):
            if len(set(values)) != len(values):
                raise ValueError(f"{what} must each be given once")
        if self.labelled:
            _check_labelled(self.labelled, self.evaluation, self.analyses, tuple(self.data.signals))
        if "background" in self.data.signals:
            raise ValueError("a signal cannot be called background")
        for prefix, scans in (("", self.scans), ("quick.", self.quick.scans or {})):
            for name, scan in scans.items():
                _check_scan(f"{prefix}{name}", scan, self.analyses)
        if self.compare:
            _check_compared(self.compare, self.analyses, tuple(self.data.signals))
        return self

    @property
    def systems(self) -> tuple[str, ...]:
        """What is studied: the names of the analyses."""
        return self.analyses

    @property
    def file_names(self) -> list[str]:
        """All names and patterns of files that are looked for in a data folder."""
        signals = [name for names in self.data.signals.values() for name in names]
        return sorted({*self.data.background, *self.data.evaluation_background, *signals})

    def is_labelled(self, analysis: str) -> bool:
        """Whether an analysis is trained with the labels of signals."""
        return self.labelled is not None and analysis in self.labelled.analyses

    def against(self, analysis: str) -> tuple[str, ...]:
        """The signals that an analysis is trained to tell from background."""
        return self.labelled.against.get(analysis, ()) if self.labelled is not None else ()

    def label(self, name: str) -> str:
        """How figures call an analysis or a sample."""
        return self.labels.get(name, name)

    def quickened(self) -> StudyCard:
        """The card with what its `quick` key replaces."""
        own = ("order", "evaluation_events")
        changes = {key: value for key, value in self.quick if value is not None and key not in own}
        if self.quick.evaluation_events:
            changes["evaluation"] = self.evaluation.model_copy(update={"events": self.quick.evaluation_events})
        if self.compare and self.compare.order and self.quick.order:
            changes["compare"] = self.compare.model_copy(update={"order": self.quick.order})
        return self.model_copy(update=changes)


def _check_labelled(
    labelled: LabelledCard, evaluation: EvaluationCard, analyses: tuple[str, ...], signals: tuple[str, ...]
) -> None:
    unknown = sorted({*labelled.analyses, *labelled.against} - set(analyses))
    if unknown:
        raise ValueError(f"labelled names {', '.join(unknown)}, which analyses does not")
    if unknown := sorted({name for names in labelled.against.values() for name in names} - set(signals)):
        raise ValueError(f"labelled.against names {', '.join(unknown)}; there are {', '.join(signals)}")
    if both := sorted(set(labelled.analyses) & set(labelled.against)):
        raise ValueError(f"labelled names {', '.join(both)} under analyses and against: one of them is enough")
    if labelled.fraction < evaluation.fraction:
        raise ValueError(
            f"labelled.fraction {labelled.fraction:g} is less than the {evaluation.fraction:g} of the evaluation: "
            "events that are measured on would be trained on"
        )


def _check_scan(name: str, scan: ScanCard, analyses: tuple[str, ...]) -> None:
    unknown = sorted(set(scan.analyses) - set(analyses))
    if unknown:
        raise ValueError(f"scan {name} names {', '.join(unknown)}, which analyses does not")
    is_fraction = name.endswith("training_fraction")
    if not all(0 < v <= 1 if is_fraction else v >= 1 and v == int(v) for v in scan.values):
        raise ValueError(f"scan {name}: values must be {'from 0 to 1' if is_fraction else 'whole numbers from 1'}")


def _check_compared(compare: CompareCard, analyses: tuple[str, ...], signals: tuple[str, ...]) -> None:
    for key, names, known in (
        ("scores", compare.scores, analyses),
        ("published", compare.published, analyses),
        ("groups", [name for group in compare.groups.values() for name in group], signals),
    ):
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise ValueError(f"compare.{key} names {', '.join(unknown)}; there are {', '.join(known)}")


def load_study(name: str) -> StudyCard:
    """The study card of a bundled name or a path; `CardError` if it is invalid or there is none."""
    return load_card(StudyCard, resolve("analyses/studies", name))
