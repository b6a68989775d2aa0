"""The yardstick of weak supervision: data in the window against a sample of pure background there.

What no analysis has: whatever makes its background out of the sidebands finds at most what this finds (Hallin et al.,
Phys. Rev. D 106 (2022) 055006, arXiv:2109.00546, the "idealized anomaly detector").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_inside, check_problem
from hepad.methods.base.contract import How, Problem, Sample, Training
from hepad.methods.base.folded import FittedFolds, FoldedClassifier, FoldedConfig, contest_of
from hepad.nn.scorer import State

__all__ = ["Idealised", "IdealisedConfig"]


class IdealisedConfig(FoldedConfig):
    """As of `cwola`: the classifier tells the data in the window from events of background in it."""


class Idealised:
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's background in the window
    that looks at least as much like data; `log_odds`, the logarithm of the ratio of their densities.
    """

    name: ClassVar[str] = "idealised"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names
    parts: ClassVar[tuple[str, ...]] = ("window",)
    wants: ClassVar[tuple[str, ...]] = ("background",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        settings = parse_card(IdealisedConfig, dict(config), f"method {self.name}")
        self._classifier = FoldedClassifier(settings, layout, self.name)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifier.check_folds(folds)

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`; background must be in the window too."""
        check_problem(self, problem)
        check_inside(_background(problem), "background", problem)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """One a fold, a fold to validate on, and a restart; all independent."""
        return self._classifier.trainings(folds)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """Do one of them."""
        data = problem.data.take(problem.parts["window"])
        return self._classifier.train(training, problem.folds, contest_of(data, _background(problem)), how)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the background."""
        return self._classifier.gathered(problem.folds, trained, _background(problem))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)


def _background(problem: Problem) -> Sample:
    assert problem.background is not None  # noqa: S101  it was checked
    return problem.inside(problem.background)
