"""A method that tells data in the window from background that a flow makes of the sidebands, or sees it as normal.

For each fold a flow is trained without its events, and behind it the fold's classifiers.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.inputs.batch import Batch
from hepad.methods.base.contract import How, Problem, Sample, Training
from hepad.methods.base.folded import Contest, FoldedConfig, contest_of
from hepad.methods.base.folded_method import ClassifierMethod
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


class FlowMethod(ClassifierMethod):
    """A `Method`: a class has `name` and `config`, what the classifiers see, and what they tell the data from."""

    config: ClassVar[type[FlowConfig]]
    _config: FlowConfig

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

    def _flow(self, state: Mapping[str, npt.NDArray[Any]], origin: str) -> SidebandFlow:
        return SidebandFlow.restored(self._config.flow, self.layout, state, origin)

    @abstractmethod
    def _view(self, flow: SidebandFlow, batch: Batch) -> Batch:
        """Events as the classifiers see them."""

    @abstractmethod
    def _background(
        self, flow: SidebandFlow, mass: npt.NDArray[np.float64], rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """What the classifiers tell the data from: numbers of background of each mass (n,)."""
