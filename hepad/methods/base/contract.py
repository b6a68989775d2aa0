"""What every method promises: fitted on data with a mass in folds, it scores each event by networks that never saw it.

A method names its trainings, each of which gives arrays and may build on those before it; whoever runs them may do so
in any number of processes and keep what is done. No torch in here, so that the rest of hepad can name the types without
loading it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from hepad import registry
from hepad.cards.method import MethodKeys
from hepad.cards.train import TrainCard
from hepad.errors import UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.scorer import EpochEnd, Scores, State, TrainingData

__all__ = [
    "MASS",
    "PARTS",
    "Fitted",
    "Folds",
    "How",
    "Method",
    "Network",
    "Problem",
    "Sample",
    "Training",
    "Window",
    "make_method",
    "train_all",
]

MASS = "mass"
"""What stands beside the events of a method: their mass in GeV."""

Folds = npt.NDArray[np.int64]
"""The fold of each event, shape (n,), from 0 on; -1 for an event of none, which no network has seen."""

PARTS = ("lower sideband", "window", "upper sideband")
"""The parts of a spectrum, as `Window.parts` has them."""


@dataclass(frozen=True)
class Window:
    """Where a resonance is looked for, [low, high) in GeV, and the sidebands around it, from the first to the second.

    `UsageError` unless they are finite and rise.
    """

    low: float
    high: float
    sidebands: tuple[float, float]

    def __post_init__(self) -> None:
        below, above = self.sidebands
        if not all(map(math.isfinite, (below, self.low, self.high, above))):
            raise UsageError("a window and its sidebands are numbers in GeV")
        if not below < self.low < self.high < above:
            raise UsageError(
                f"the window {self.low:g}:{self.high:g} GeV must lie within the sidebands {below:g}:{above:g} GeV and "
                "leave room on both sides"
            )

    def parts(self, mass: npt.NDArray[np.float64]) -> dict[str, npt.NDArray[np.bool_]]:
        """The masks (n,) of the events in the lower sideband, in the window and in the upper sideband."""
        below, above = self.sidebands
        lower = (mass >= below) & (mass < self.low)
        window = (mass >= self.low) & (mass < self.high)
        return dict(zip(PARTS, (lower, window, (mass >= self.high) & (mass < above)), strict=True))


@dataclass(frozen=True)
class Sample:
    """n events, their mass beside them, and the fold (n,) of each."""

    events: Batch
    folds: Folds

    @property
    def mass(self) -> npt.NDArray[np.float64]:
        """The mass (n,) in GeV."""
        return np.asarray(self.events.beside[MASS], dtype=np.float64)

    def take(self, rows: npt.NDArray[Any] | slice) -> Sample:
        """The given events (indices, a mask or a slice)."""
        return Sample(self.events.take(rows), self.folds[rows])

    def without(self, fold: int) -> Sample:
        """The events of all folds but one; those of none are left out."""
        return self.take((self.folds >= 0) & (self.folds != fold))

    def training_data(self, fold: int, folds: int) -> TrainingData:
        """What a network that scores a fold learns from: the next fold validates, all others are trained on."""
        seen, validation = self.without(fold), (fold + 1) % folds
        return TrainingData(seen.take(seen.folds != validation).events, seen.take(seen.folds == validation).events)


@dataclass(frozen=True)
class Problem:
    """What a method learns from: data in a window and its sidebands, and what else some methods want.

    `background` are events known to have no resonance, as simulated; `signals` are simulated resonances by name. All
    are as the networks see them, scaled by the data. `of_folds` is how many folds were made, of which some may have no
    event here; None for those that events are in.
    """

    data: Sample
    window: Window
    background: Sample | None = None
    signals: Mapping[str, Sample] = field(default_factory=dict)
    of_folds: int | None = None

    @property
    def parts(self) -> dict[str, npt.NDArray[np.bool_]]:
        """The masks of `Window.parts` of the data."""
        return self.window.parts(self.data.mass)

    @property
    def sidebands(self) -> npt.NDArray[np.bool_]:
        """The mask (n,) of the data in the sidebands."""
        parts = self.parts
        return parts["lower sideband"] | parts["upper sideband"]

    def inside(self, sample: Sample) -> Sample:
        """The events of any sample that are in the window."""
        return sample.take(self.window.parts(sample.mass)["window"])

    def background_inside(self) -> Sample:
        """The simulated background that is in the window, of a method that wants it."""
        assert self.background is not None  # noqa: S101  it was checked
        return self.inside(self.background)

    @property
    def folds(self) -> int:
        """How many folds there are."""
        return int(self.data.folds.max(initial=-1)) + 1 if self.of_folds is None else self.of_folds


@dataclass(frozen=True)
class Training:
    """A training that can be done by itself, once those named in `after` are: its name and theirs.

    A name says what is trained, and nothing of the data: letters, digits, `.`, `-` and `_`.
    """

    name: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class How:
    """How a training is done: see `hepad.nn.scorer.Trainable`. The same seed gives the same, on the CPU bit for bit."""

    options: TrainCard
    seed: int
    device: str = "cpu"
    on_epoch: Callable[[EpochEnd], None] | None = None

    def seeded(self, *words: int) -> How:
        """The same with a seed that only the same words, which are not negative, have of this one."""
        mixed = np.random.SeedSequence([self.seed % 2**64, *words])
        return replace(self, seed=int(mixed.generate_state(1, np.uint32)[0]))


@dataclass(frozen=True)
class Network:
    """A network that was trained: for the events of which fold, with which other fold to validate on, and how it went.

    `kept` says whether it scores events, or another restart did better. `epochs` are the trees of trees.
    """

    fold: int
    validation: int
    restart: int
    epochs: int
    loss: float
    kept: bool


class Fitted(Protocol):
    """What a method learned: higher scores are more anomalous."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """The names of its scores, the default first."""
        ...

    @property
    def networks(self) -> tuple[Network, ...]:
        """All classifiers that were trained."""
        ...

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,) by name, by what has not seen the events' fold; the mean over all for fold -1.

        An event's scores do not depend on the events around it. `UsageError` for folds that there were not.
        """
        ...

    def state(self) -> State:
        """All that was learned, as arrays."""
        ...


class Method(Protocol):
    """A data-driven method of a configuration and a layout of inputs.

    `parts` are those of a spectrum that it learns from, of `PARTS`. It may want `background` and `signals` besides;
    a class that can do with and without one says so in `may_have`.
    """

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    score_names: ClassVar[tuple[str, ...]]
    parts: ClassVar[tuple[str, ...]]
    wants: ClassVar[tuple[str, ...]]
    layout: Layout

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        """For inputs of a layout; `CardError` for a wrong key in `config`."""

    def check_folds(self, folds: int) -> None:
        """Raise `UsageError` if so many folds are too few."""
        ...

    def check(self, problem: Problem) -> None:
        """Raise a `HepadError` unless the method can learn from these events: see `hepad.methods.base.checks`."""
        ...

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """All trainings for so many folds, each behind those that it builds on."""
        ...

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:
        """Do one of them, given what those in its `after` gave; called in any process, in any order that `after` has.

        `FitFailedError` if a loss diverges.
        """
        ...

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> Fitted:
        """What the results of all trainings, by name, amount to."""
        ...

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> Fitted:
        """What `Fitted.state` gave; `CardError` that names what is missing, unknown or misshapen."""
        ...


def make_method(keys: MethodKeys, layout: Layout) -> Method:
    """The method of a card."""
    made: Method = registry.load(registry.lookup(registry.METHODS, keys.name, "method"))(keys.config, layout)
    return made


def train_all(method: Method, problem: Problem, how: How, done: Mapping[str, State] | None = None) -> Fitted:
    """Check the events, do all trainings that are not `done`, one after the other, and put them together."""
    method.check(problem)
    trained = dict(done or {})
    for training in method.trainings(problem.folds):
        if training.name not in trained:
            given = {name: trained[name] for name in training.after}
            trained[training.name] = method.train(training, problem, given, how)
    return method.assembled(problem, trained)
