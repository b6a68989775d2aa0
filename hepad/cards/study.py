"""Study cards: which analyses to train over which seeds, on how much data, and what to scan."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card, CardName, load_card
from hepad.cards.bundle import SetAside
from hepad.cards.resolver import resolve

__all__ = ["DataCard", "EvaluationCard", "QuickCard", "ScanCard", "ScanName", "StudyCard", "load_study"]

ScanName = Literal["steps", "latent", "training_fraction"]
Names = Annotated[tuple[CardName, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]


class ScanCard(Card):
    """One quantity varied, all else as in the analyses; `values` rise or fall as the figure shall show them."""

    analyses: Names
    values: Annotated[tuple[float, ...], Field(min_length=1)]


class DataCard(Card):
    """File names that are looked for in a data folder; the first that is there is taken."""

    background: Names
    evaluation_background: tuple[CardName, ...] = ()
    signals: dict[CardName, Names] = Field(min_length=1)


class EvaluationCard(SetAside):
    """The events to measure on: `fraction` by `seed` of a single background file, at most `events` of each sample."""

    events: int = Field(default=200_000, ge=1)


class QuickCard(Card):
    """What `--quick` replaces; None leaves it as it is."""

    seeds: Seeds | None = None
    updates: int | None = Field(default=None, ge=1)
    training_events: int | None = Field(default=None, ge=1)
    scans: dict[ScanName, ScanCard] | None = None


class StudyCard(Card):
    """A study: trainings of analyses over seeds at a fixed number of updates of the weights, and scans.

    `training_events` bounds the events of a training; with fewer the epochs grow, so that the updates stay equal.
    Without `updates` each training has the epochs of its own card. Losses are printed in units of `loss_unit`.
    `published_loss` maps an analysis to (mean, standard deviation) as printed in the reference; `labels` says how
    figures call analyses and samples.
    """

    schema_: Literal["study/1"] = Field(alias="schema")
    name: CardName
    title: str
    reference: str
    analyses: Names
    seeds: Seeds
    training_events: int = Field(ge=1)
    updates: int | None = Field(default=None, ge=1)
    loss_unit: float = Field(default=1.0, gt=0)
    rejection_at: float = Field(default=0.3, gt=0, le=1)
    evaluation: EvaluationCard
    data: DataCard
    scans: dict[ScanName, ScanCard] = Field(default_factory=dict)
    published_loss: dict[CardName, tuple[float, float]] = Field(default_factory=dict)
    labels: dict[CardName, str] = Field(default_factory=dict)
    quick: QuickCard = Field(default_factory=QuickCard)

    @model_validator(mode="after")
    def _is_consistent(self) -> StudyCard:
        for what, values in (("analyses", self.analyses), ("seeds", self.seeds)):
            if len(set(values)) != len(values):
                raise ValueError(f"{what} must each be given once")
        if "background" in self.data.signals:
            raise ValueError("a signal cannot be called background")
        for prefix, scans in (("", self.scans), ("quick.", self.quick.scans or {})):
            for name, scan in scans.items():
                _check_scan(f"{prefix}{name}", scan, self.analyses)
        return self

    def label(self, name: str) -> str:
        """How figures call an analysis or a sample."""
        return self.labels.get(name, name)

    def quickened(self) -> StudyCard:
        """The card with what its `quick` key replaces."""
        changes = {key: value for key, value in self.quick if value is not None}
        return self.model_copy(update=changes)


def _check_scan(name: str, scan: ScanCard, analyses: tuple[str, ...]) -> None:
    unknown = sorted(set(scan.analyses) - set(analyses))
    if unknown:
        raise ValueError(f"scan {name} names {', '.join(unknown)}, which analyses does not")
    is_fraction = name.endswith("training_fraction")
    if not all(0 < v <= 1 if is_fraction else v >= 1 and v == int(v) for v in scan.values):
        raise ValueError(f"scan {name}: values must be {'from 0 to 1' if is_fraction else 'whole numbers from 1'}")


def load_study(name: str) -> StudyCard:
    """The study card of a bundled name or a path; `CardError` if it is invalid or there is none."""
    return load_card(StudyCard, resolve("analyses/studies", name))
