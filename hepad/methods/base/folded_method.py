"""A method that is a classifier trained in folds: it says who is told from whom, and among whom scores are ranked."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from hepad.inputs.layout import Layout
from hepad.methods.base.contract import How, Problem, Training
from hepad.methods.base.folded import Contest, FittedFolds, FoldedClassifier, FoldedConfig
from hepad.methods.base.learning_method import LearningMethod
from hepad.nn.scorer import State

__all__ = ["ClassifierMethod", "FoldedMethod"]


class ClassifierMethod(LearningMethod):
    """A `Method` that scores by a `FoldedClassifier`; a class says which trainings there are, and does them."""

    config: ClassVar[type[FoldedConfig]]
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(config, layout)
        self._classifier = FoldedClassifier(self._config, self._seen(), self.name)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifier.check_folds(folds)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What the trainings amount to; ranks are those among the reference."""
        return self._classifier.gathered(problem.folds, trained, self.reference(problem))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)

    def _seen(self) -> Layout:
        """The layout of what the classifiers see."""
        return self.layout


class FoldedMethod(ClassifierMethod):
    """One whose trainings are those of the classifier, all independent."""

    @abstractmethod
    def contest(self, problem: Problem) -> Contest:
        """Who is told from whom."""

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """One a fold, a fold to validate on, and a restart; all independent."""
        return self._classifier.trainings(folds)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """Do one of them."""
        return self._classifier.train(training, problem.folds, self.contest(problem), how)
