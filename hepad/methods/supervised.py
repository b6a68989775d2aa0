"""The yardstick of all searches: trained on the very signal, told from background by labels.

What an analysis reaches that knows what it looks for; no method that does not can do better.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_inside, check_problem
from hepad.methods.base.contract import How, Problem, Sample, Training
from hepad.methods.base.folded import FittedFolds, FoldedClassifier, FoldedConfig, contest_of
from hepad.nn.scorer import State

__all__ = ["Supervised", "SupervisedConfig"]


class SupervisedConfig(FoldedConfig):
    """As of `cwola`: the classifier tells simulated signals from events of background, both in the window."""


class Supervised:
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's background in the window
    that looks at least as much like signal; `log_odds`, the logarithm of the ratio of their densities. Of several
    signals each has as much weight as its events.
    """

    name: ClassVar[str] = "supervised"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names
    parts: ClassVar[tuple[str, ...]] = ()
    wants: ClassVar[tuple[str, ...]] = ("background", "signals")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        settings = parse_card(SupervisedConfig, dict(config), f"method {self.name}")
        self._classifier = FoldedClassifier(settings, layout, self.name)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifier.check_folds(folds)

    def check(self, problem: Problem) -> None:
        """See `hepad.methods.base.checks`; both must be in the window."""
        check_problem(self, problem)
        check_inside(_signal(problem), "signal", problem)
        check_inside(_background(problem), "background", problem)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """One a fold, a fold to validate on, and a restart; all independent."""
        return self._classifier.trainings(folds)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """Do one of them."""
        contest = contest_of(_signal(problem), _background(problem))
        return self._classifier.train(training, problem.folds, contest, how)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the background."""
        return self._classifier.gathered(problem.folds, trained, _background(problem))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)


def _background(problem: Problem) -> Sample:
    assert problem.background is not None  # noqa: S101  it was checked
    return problem.inside(problem.background)


def _signal(problem: Problem) -> Sample:
    samples = [problem.inside(sample) for sample in problem.signals.values()]
    events = Batch.concatenate([sample.events for sample in samples])
    return Sample(events, np.concatenate([sample.folds for sample in samples]))
