"""A method that tells data in the window from background that a flow makes of the sidebands, or sees it as normal.

For each fold a flow is trained without its events, and behind it the fold's classifiers.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_problem
from hepad.methods.base.contract import PARTS, How, Problem, Sample, Training
from hepad.methods.base.folded import Contest, FittedFolds, FoldedClassifier, FoldedConfig, contest_of
from hepad.methods.base.sideband_flow import FlowCard, SidebandFlow, masses_in, train_flow
from hepad.nn.scorer import State

__all__ = ["FLOW", "FlowConfig", "FlowMethod"]

FLOW = "flow."
"""The trainings of the flows are called so, with the fold that they have not seen."""


class FlowConfig(FoldedConfig):
    """`flow` is what learns the sidebands, one for each fold, without its events; `oversampling` events are drawn from
    it for one of the data in the window. `classifier` tells the data from them, in `rotations` and `restarts` as of
    `cwola`. The authors have a network of 64, 64 and 64, the mean of its 10 best epochs, and draw four.
    """

    flow: FlowCard = Field(default_factory=FlowCard)
    oversampling: float = Field(default=4.0, gt=0, le=1000)


class FlowMethod(ABC):
    """A `Method`: a class has `name` and `config`, what the classifiers see, and what they tell the data from."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names
    parts: ClassVar[tuple[str, ...]] = PARTS
    wants: ClassVar[tuple[str, ...]] = ()
    config: ClassVar[type[FlowConfig]]

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        self._config = parse_card(self.config, dict(config), f"method {self.name}")
        self._classifier = FoldedClassifier(self._config, self._seen(), self.name)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifier.check_folds(folds)

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`."""
        check_problem(self, problem)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """A flow a fold, and behind it the fold's classifiers."""
        names = {fold: f"{FLOW}{fold}" for fold in range(folds)}
        classifiers = self._classifier.trainings(folds, {fold: (name,) for fold, name in names.items()})
        return (*map(Training, names.values()), *classifiers)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:
        """Do one of them."""
        if training.name.startswith(FLOW):
            fold = int(training.name.removeprefix(FLOW))
            return train_flow(self._config.flow, self.layout, problem, fold, how)
        fold = self._classifier.places(problem.folds)[training.name].fold
        (name,) = training.after
        contest = self.contest(problem, self._flow(given[name], f"{self.name}, {name}"), fold, how.seed)
        return self._classifier.train(training, problem.folds, contest, how)

    def contest(self, problem: Problem, flow: SidebandFlow, fold: int, seed: int) -> Contest:
        """The data in the window, without those of a fold, against what the flow draws there."""
        inside = problem.inside(problem.data).without(fold)
        rng = np.random.default_rng([seed % 2**64, fold])
        others = [other for other in range(problem.folds) if other != fold]
        count = max(math.ceil(self._config.oversampling * len(inside.folds)), len(others))
        drawn = self._background(flow, masses_in(problem.window, inside, count, rng), rng)
        ones = replace(inside, events=replace(self._view(flow, inside.events), mask=None))
        zeros = Batch(ones.events.kind, ones.events.layout, drawn, None, np.ones(count))
        # Epochs of the flow draw in turn: folds in turn would each have events of some of them only.
        return contest_of(ones, Sample(zeros, rng.permutation(np.resize(others, count))))

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the sidebands."""
        return self._classifier.gathered(problem.folds, trained, problem.data.take(problem.sidebands))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)

    def _flow(self, state: Mapping[str, npt.NDArray[Any]], origin: str) -> SidebandFlow:
        return SidebandFlow.restored(self._config.flow, self.layout, state, origin)

    @abstractmethod
    def _seen(self) -> Layout:
        """The layout of what the classifiers see."""

    @abstractmethod
    def _view(self, flow: SidebandFlow, batch: Batch) -> Batch:
        """Events as the classifiers see them."""

    @abstractmethod
    def _background(
        self, flow: SidebandFlow, mass: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """What the classifiers tell the data from: numbers of background of each mass (n,)."""
