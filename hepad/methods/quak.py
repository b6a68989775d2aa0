"""QUAK: events that look neither like background nor too unlike signals that one can think of.

Park, Rankin, Udrescu, Yunus, Harris, "Quasi anomalous knowledge: searching for new physics with embedded knowledge",
JHEP 06 (2021) 030, arXiv:2011.03550; CMS, arXiv:2412.03747. One density is learned of background, one of simulated
signals, which need not be what is in the data. In the plane of the losses a true signal lies where that of background
is high and that of signals is not: outside of the contours of the data's background, on the signals' side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import PARTS, Folds, How, Network, Problem, Sample, Training
from hepad.methods.base.learning_method import LearningMethod
from hepad.methods.base.losses import DensityCard, FoldedLoss, LossCard, Losses
from hepad.methods.base.networks import networks_of, networks_shapes, networks_state
from hepad.methods.base.plane import Plane
from hepad.methods.base.ranks import Ranks, ranked_scores
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import Scores, State

__all__ = ["FittedQuak", "Quak", "QuakConfig", "mixed"]

_BACKGROUND, _SIGNAL, _PLANE = "background.", "signal.", "plane."
_Floats = npt.NDArray[np.float64]


class QuakConfig(Card):
    """`density` is what learns background, and another one signals, `restarts` times for each fold, the mean of which
    counts. `selection` says what makes one score of the two losses: the `contour` of the data's background that an
    event is on, outside on the signals' side, or how far it is along the `line` that parts both best.
    """

    density: LossCard = Field(default_factory=lambda: DensityCard(kind="flow"))
    restarts: int = Field(default=1, ge=1, le=1000)
    selection: Literal["contour", "line"] = "contour"


class Quak(LearningMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that are at
    least as odd in the plane of the losses; `oddness`, where an event is there.

    Background is that of `--background`, or else the data in the sidebands; of several signals each counts as much.
    """

    name: ClassVar[str] = "quak"
    config: ClassVar[type[Card]] = QuakConfig
    _config: QuakConfig
    score_names: ClassVar[tuple[str, ...]] = ("rank", "oddness")
    parts: ClassVar[tuple[str, ...]] = (PARTS[0], PARTS[2])
    wants: ClassVar[tuple[str, ...]] = ("signals",)
    may_have: ClassVar[tuple[str, ...]] = ("background",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(config, layout)
        card, restarts = self._config.density, self._config.restarts
        self._background = FoldedLoss(card, layout, self.name, _BACKGROUND, restarts)
        self._signal = FoldedLoss(card, layout, self.name, _SIGNAL, restarts)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._background.check_folds(folds)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """The densities of each fold, and behind them its plane."""
        both = [(*self._background.names(fold), *self._signal.names(fold)) for fold in range(folds)]
        planes = (Training(f"{_PLANE}{fold}", names) for fold, names in enumerate(both))
        return (*self._background.trainings(folds), *self._signal.trainings(folds), *planes)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:
        """Do one of them."""
        sides, signals, folds = problem.data.take(problem.sidebands), mixed(problem), problem.folds
        if training.name.startswith(_BACKGROUND):
            known = sides if problem.background is None else problem.background
            return self._background.train(training, folds, known, how)
        if training.name.startswith(_SIGNAL):
            return self._signal.train(training, folds, signals, how)
        fold = int(training.name.removeprefix(_PLANE))
        losses = tuple(one.gathered(folds, given, [fold]) for one in (self._background, self._signal))
        points = []
        for sample in (sides, signals):
            events = sample.without(fold).events
            points.append((_losses(losses, events, fold), events.weight))
        return Plane.of(*points).state()

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedQuak:
        """What they amount to; ranks are those among the sidebands."""
        folds = problem.folds
        losses = (self._background.gathered(folds, trained), self._signal.gathered(folds, trained))
        planes = tuple(Plane.restored(trained[f"{_PLANE}{fold}"]) for fold in range(folds))
        fitted = FittedQuak(self._config.selection, losses, planes, ())
        sides = problem.data.take(problem.sidebands)
        return replace(fitted, references=Ranks.of_folds(sides, folds, fitted.oddness))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedQuak:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        networks = networks_of(state, self.name)
        half = len(networks) // 2
        background, rest = self._background.restored(networks[:half], state)
        signal, rest = self._signal.restored(networks[half:], rest)
        folds = len(background.of)
        shapes = {**networks_shapes(networks), **Ranks.shapes(rest, folds)}
        for fold in range(folds):
            shapes |= {
                f"{_PLANE}{fold}/{name}": shape for name, shape in Plane.shapes(rest, f"{_PLANE}{fold}/").items()
            }
        check_arrays(shapes, rest, f"state of {self.name}")
        parts = [_within(rest, f"{_PLANE}{fold}/") for fold in range(folds)]
        planes = tuple(map(Plane.restored, parts))
        return FittedQuak(self._config.selection, (background, signal), planes, Ranks.restored(rest, folds))


def mixed(problem: Problem) -> Sample:
    """The signals as one sample, to which each gives as much weight."""
    each = [replace(one.events, weight=one.events.weight / one.events.weight.sum()) for one in problem.signals.values()]
    return Sample(Batch.concatenate(each), np.concatenate([one.folds for one in problem.signals.values()]))


def _losses(losses: tuple[Losses, ...], batch: Batch, fold: int) -> _Floats:
    """The losses (n, 2) of background and of signals, by what has not seen a fold."""
    return np.stack([one(batch, fold) for one in losses], axis=1)


def _within(state: Mapping[str, npt.NDArray[Any]], prefix: str) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


@dataclass(frozen=True)
class FittedQuak:
    """The densities of background and of signals, and the plane of each fold."""

    selection: Literal["contour", "line"]
    losses: tuple[Losses, Losses]
    planes: tuple[Plane, ...]
    references: tuple[Ranks, ...]
    score_names: ClassVar[tuple[str, str]] = ("rank", "oddness")

    @property
    def networks(self) -> tuple[Network, ...]:
        """All densities, those of background first."""
        return (*self.losses[0].networks, *self.losses[1].networks)

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,); an event of no fold (-1) gets the mean over all of them."""
        return ranked_scores(self.score_names, self.references, batch, folds, self.oddness, method=Quak.name)

    def oddness(self, batch: Batch, fold: int) -> _Floats:
        """Where in the plane of a fold events are, (n,), by what has not seen it."""
        points = _losses(self.losses, batch, fold)
        plane = self.planes[fold]
        return plane.contour(points) if self.selection == "contour" else plane.along(points)

    def state(self) -> State:
        """All that was learned, as arrays."""
        found = {**self.losses[0].state(), **self.losses[1].state()}
        for fold, plane in enumerate(self.planes):
            found |= {f"{_PLANE}{fold}/{name}": array for name, array in plane.state().items()}
        return {**found, **Ranks.state(self.references), **networks_state(self.networks)}
