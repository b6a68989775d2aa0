"""CWoLa hunting: a classifier of the window against its sidebands finds what is only in the window.

Metodiev, Nachman, Thaler, "Classification without labels", JHEP 10 (2017) 174, arXiv:1708.02949: the best classifier of
two mixtures of the same classes is the best classifier of the classes. Collins, Howe, Nachman, Phys. Rev. Lett. 121
(2018) 241803, arXiv:1805.02664, and Phys. Rev. D 99 (2019) 014038, arXiv:1902.02634: the mixtures are a window and its
sidebands, in nested folds. It looks for a bump where there is none if the inputs follow the mass: choose those that do
not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.methods.base.checks import check_problem
from hepad.methods.base.contract import PARTS, How, Problem, Training
from hepad.methods.base.folded import Contest, FittedFolds, FoldedClassifier, FoldedConfig, Share
from hepad.nn.scorer import State

__all__ = ["Cwola", "CwolaConfig"]

SHARES = (Share(PARTS[0], 0, 0.25), Share(PARTS[1], 1, 0.5), Share(PARTS[2], 0, 0.25))
"""The classes count equally, and so do the sides: no slope tells the window."""


class CwolaConfig(FoldedConfig):
    """`classifier`: what tells the window from the sidebands, `kind: trees` or `kind: network`. For each fold
    `rotations` of the others are validated on in turn; of `restarts` that differ in their seed the one of lowest
    validation loss is kept, or, with `keep: all`, each. The mean of those kept scores the fold. The authors have a
    network of 64, 32, 16 and 4, 4 rotations and 20 restarts, in five folds.
    """


class Cwola:
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like the window, so that a region has the same efficiency in each fold; `log_odds`, the mean of
    the classifiers, the logarithm of the ratio of the densities in the window and in the sidebands.
    """

    name: ClassVar[str] = "cwola"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "table")
    score_names: ClassVar[tuple[str, ...]] = FittedFolds.score_names
    parts: ClassVar[tuple[str, ...]] = PARTS
    wants: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self.layout = layout
        settings = parse_card(CwolaConfig, dict(config), f"method {self.name}")
        self._classifier = FoldedClassifier(settings, layout, self.name)

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
        parts = problem.parts
        group = np.select([parts[share.name] for share in SHARES], np.arange(len(SHARES)), -1)
        return self._classifier.train(training, problem.folds, Contest(problem.data, group, SHARES), how)

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedFolds:
        """What they amount to; ranks are those among the sidebands."""
        return self._classifier.gathered(problem.folds, trained, problem.data.take(problem.sidebands))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedFolds:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifier.restored(state)
