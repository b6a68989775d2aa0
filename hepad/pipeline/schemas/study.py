"""`hepad study`: of networks over seeds, and of sensitivity to hidden signals."""

from __future__ import annotations

from typing import Any

from typing_extensions import NotRequired, TypedDict

from hepad.cards.study import Printed as Published
from hepad.nn.operations import Cost
from hepad.pipeline.schemas.parts import Provenance
from hepad.pipeline.study.results import Spread
from hepad.stats.scores.roc import Estimate
from hepad.stats.scores.stochastic_order import StochasticOrder

__all__ = ["Printed", "Written"]


class Numbers(TypedDict):
    """Means and standard deviations over trainings."""

    trainings: list[str]
    """Their names."""
    train_loss: Spread
    """Of the epoch that was kept, in units of the model's loss."""
    validation_loss: Spread
    auc: dict[str, Spread]
    """By signal."""
    rejection: dict[str, Spread]
    """By signal: one over the background efficiency at the signal efficiency of the card."""


class Row(Numbers):
    """An analysis over seeds, and what was published of it."""

    published: dict[str, Any]
    """As its card has it."""
    published_loss: Published | None


class ScanRow(Numbers):
    """A point of a scan over seeds."""

    scan: str
    """What is varied."""
    analysis: str
    value: float


class ComparedRow(TypedDict):
    """A score of an analysis over seeds."""

    analysis: str
    score: str
    auc: dict[str, Spread]
    """By signal, and by group of them."""
    figure: dict[str, Spread]
    """The figure that the card compares, a fraction."""
    published_percent: dict[str, dict[str, Published]]


class OrderRow(TypedDict):
    """Whether one score is better than another, both as analysis and score."""

    better: tuple[str, str]
    other: tuple[str, str]
    by_signal: dict[str, StochasticOrder]


class Efficiencies(TypedDict):
    """Background efficiencies: mean and mean less and plus the standard deviation over seeds, never below 0."""

    mean: list[float]
    low: list[float]
    high: list[float]


class Roc(TypedDict):
    """A ROC curve over seeds."""

    analysis: str
    signal: str
    signal_efficiency: list[float]
    background_efficiency: Efficiencies


class Images(TypedDict):
    """How well images are reconstructed: mean and standard deviation over background events."""

    squared_error: tuple[float, float]
    """Summed over the pixels of an image."""
    similarity: tuple[float, float]
    """SSIM."""


class TrainingRow(TypedDict):
    """A training; losses per epoch are in the card of its bundle."""

    name: str
    analysis: str
    seed: int
    events: int
    """Events that it was trained on."""
    updates: int
    """Updates of the weights, at most."""
    epochs: int
    kept_epoch: int
    """The epoch, from 1, whose weights were kept."""
    train_loss: float
    """Of that epoch, in units of the model's loss."""
    validation_loss: float
    auc: dict[str, float]
    """By signal."""
    rejection: dict[str, Estimate]
    """By signal."""
    images: NotRequired[Images]
    cost: NotRequired[Cost]


class OfNetworks(TypedDict):
    """Trainings over seeds, beside what was published."""

    study: str
    card: dict[str, Any]
    split: str
    """Where the background that is measured on is from."""
    events: dict[str, int]
    """Events that are measured on, by sample."""
    table: dict[str, Row]
    """By analysis."""
    scans: list[ScanRow]
    compared: NotRequired[list[ComparedRow]]
    """If the card compares scores."""
    order: NotRequired[list[OrderRow]]
    roc: list[Roc]
    latent_spikes: dict[str, dict[str, list[list[float]]]]
    """By training and sample: the fraction of events in which each latent neuron spikes at each step."""
    trainings: dict[str, TrainingRow]
    quick: bool
    """Whether trainings were far too short for the numbers to mean anything."""
    provenance: Provenance


class PrintedOfNetworks(OfNetworks):
    """Trainings over seeds, and where they are."""

    trained: int
    """Trainings that this run made."""
    output: str


class WrittenOfNetworks(OfNetworks):
    """Trainings over seeds."""

    figures: list[str]
    """The names of the figures."""


class Sensitivity(TypedDict):
    """A method on a signal: of limit and discovery each the least signal, null where none of those tried is enough."""

    signal: str
    method: str
    limit_events: float | None
    """Signal events in the data that are excluded at 95 %."""
    limit_fb: float | None
    """The same as a cross section, in fb."""
    limit_bound: str
    """`<` or `>` where it is only a bound."""
    limit_low_fb: float | None
    limit_high_fb: float | None
    limit_improvement: float | None
    """The factor to the best classical method."""
    limit_improvement_bound: str
    discovery_events: float | None
    """Signal events that are seen."""
    discovery_fb: float | None
    discovery_bound: str
    discovery_low_fb: float | None
    discovery_high_fb: float | None
    discovery_improvement: float | None
    discovery_improvement_bound: str
    expected_discovery_events: float | None
    """The same of the expected significance."""
    expected_discovery_fb: float | None
    expected_discovery_bound: str
    expected_discovery_low_fb: float | None
    expected_discovery_high_fb: float | None
    expected_discovery_improvement: float | None
    expected_discovery_improvement_bound: str
    z_without_signal: float | None
    """The significance of what is selected of background alone."""
    efficiency_at_limit: float | None
    """Of the signal: in the window and selected, of all."""
    significance_improvement_at_limit: float | None
    """The efficiency of the signal in the window by the root of that of the background."""


class PointRow(TypedDict):
    """Mock data with so much signal, and what a method made of it; null what is no number, and no keys if it failed."""

    signal: str
    method: str
    seed: int
    events: int
    """Signal events in the data, in the mean."""
    cross_section_fb: float
    p: NotRequired[float | None]
    """The local p-value."""
    efficiency: NotRequired[float | None]
    significance_improvement: NotRequired[float | None]
    z: NotRequired[float | None]
    """The local significance."""
    log_p: NotRequired[float | None]
    """The natural logarithm of `p`."""
    observed: NotRequired[float | None]
    """Events in the window."""
    expected: NotRequired[float | None]
    """From the fit outside of it."""
    error: NotRequired[float | None]
    free_expected: NotRequired[float | None]
    """The same of background alone."""
    free_error: NotRequired[float | None]
    limit: NotRequired[float | None]
    """The median upper limit (CLs, 95 %) on signal events in the window."""
    drawn: NotRequired[float | None]
    """Signal events that are in the data."""
    judged: NotRequired[float | None]
    """Signal events that efficiencies are of."""
    judged_window: NotRequired[float | None]
    judged_selected: NotRequired[float | None]
    background_window: NotRequired[float | None]
    background_selected: NotRequired[float | None]


class OfSensitivity(TypedDict):
    """Signals hidden in mock data, and how little of them is found."""

    study: str
    card: dict[str, Any]
    luminosity_per_fb: float
    sensitivity: list[Sensitivity]
    points: list[PointRow]
    left_out: dict[str, str]
    """Why a point could not be counted."""
    quick: bool
    provenance: Provenance


class PrintedOfSensitivity(OfSensitivity):
    """Signals hidden in mock data, and where it is."""

    made: int
    """Points that this run made."""
    output: str


class WrittenOfSensitivity(OfSensitivity):
    """Signals hidden in mock data."""

    figures: list[str]
    """The names of the figures."""


Printed = PrintedOfNetworks | PrintedOfSensitivity
Written = WrittenOfNetworks | WrittenOfSensitivity
