"""A method that is one classifier trained in folds: it says who is told from whom, and among whom scores are ranked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_problem
from hepad.methods.base.contract import How, Problem, Sample, Training
from hepad.methods.base.folded import Contest, FittedFolds, FoldedClassifier, FoldedConfig
from hepad.nn.scorer import State

__all__ = ["FoldedMethod"]


class FoldedMethod(ABC):
    """A `Method` whose trainings are those of a `FoldedClassifier`, all independent.

    A class has `name`, `config`, the `parts` of the data that each fold must have, and what it `wants` beside them.
    """

    name: ClassVar[str]
    config: ClassVar[type[FoldedConfig]]
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names
    parts: ClassVar[tuple[str, ...]] = ()
    wants: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        settings = parse_card(self.config, dict(config), f"method {self.name}")
        self._classifier = FoldedClassifier(settings, layout, self.name)

    @abstractmethod
    def contest(self, problem: Problem) -> Contest:
        """Who is told from whom."""

    @abstractmethod
    def reference(self, problem: Problem) -> Sample:
        """The events among which the score `rank` counts."""

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifier.check_folds(folds)

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`."""
        check_problem(self, problem)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """One a fold, a fold to validate on, and a restart; all independent."""
        return self._classifier.trainings(folds)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """Do one of them."""
        return self._classifier.train(training, problem.folds, self.contest(problem), how)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the reference."""
        return self._classifier.gathered(problem.folds, trained, self.reference(problem))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)
