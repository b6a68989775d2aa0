"""CWoLa hunting as CMS does it: a classifier of each jet, and the product of what they say.

CMS, arXiv:2412.03747, after Collins, Howe, Nachman, arXiv:1902.02634: the jets of events in the window are told from
those in the sidebands, whose momenta are weighted to be distributed as in the window, so that they tell nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card
from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.methods.base.classifiers import ClassifierCard
from hepad.methods.base.contract import How, Problem, Training
from hepad.methods.base.folded import Contest, FoldedConfig, window_contest
from hepad.methods.base.jets import Jets
from hepad.methods.base.learning_method import LearningMethod
from hepad.methods.base.pairs import FittedPair, PairClassifier
from hepad.nn.scorer import State

__all__ = ["CwolaJets", "CwolaJetsConfig", "FewCard"]


class FewCard(Card):
    """The `classifier` of windows that have, with their sidebands, `below` so many events."""

    below: int = Field(ge=1)
    classifier: ClassifierCard


class CwolaJetsConfig(FoldedConfig):
    """As of `cwola`, for each of two `jets`: names that the features begin with; if not given they are found. An
    event has the `product` of the `scores` of its jets, the probabilities to be of the window, or of their `odds`.
    `reweight` names a feature of the jets that classifiers do not see: jets of each sideband are weighted to be
    distributed in it as those of the window, in 20 bins, by a ratio between 0.1 and 5. `few` has another classifier for
    windows of few events.
    """

    jets: tuple[str, ...] = Field(default=(), max_length=2)
    product: Literal["odds", "scores"] = "scores"
    reweight: str | None = None
    few: FewCard | None = None


class CwolaJets(LearningMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like the window; `log_odds`, the sum over the jets of the logarithms of what is multiplied.
    """

    name: ClassVar[str] = "cwola_jets"
    config: ClassVar[type[Card]] = CwolaJetsConfig
    _config: CwolaJetsConfig
    score_names: ClassVar[tuple[str, ...]] = FittedPair.score_names

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(config, layout)
        jets = Jets.of(layout, self._config.jets)
        self._matched: tuple[int, ...] | None = None
        if (name := self._config.reweight) is not None:
            if name not in jets.layout.features or jets.layout.size == 1:
                known = ", ".join(jets.layout.features)
                raise CardError(f"reweight: {name} must be one of several features of the jets, which are {known}")
            at = jets.layout.features.index(name)
            self._matched = tuple(places[at] for places in jets.places)
            rest = [feature for feature in jets.layout.features if feature != name]
            seen = tuple(places[:at] + places[at + 1 :] for places in jets.places)
            jets = replace(jets, places=seen, layout=Layout.vector(rest))
        self._jets = jets

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._pairs(self._config).check_folds(folds)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """One a jet, a fold, a fold to validate on, and a restart; all independent."""
        return self._pairs(self._config).trainings(folds)

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:  # noqa: ARG002
        """Do one of them."""
        pairs = self._pairs(self._chosen(problem))
        jet, _ = pairs.place(training, problem.folds)
        return pairs.train(training, problem.folds, self.contest(problem, jet), how)

    def contest(self, problem: Problem, jet: int) -> Contest:
        """The window against its sidebands, for a jet by its number."""
        if self._matched is None:
            return window_contest(problem)
        return window_contest(problem, matched=problem.data.events.x[:, self._matched[jet]].astype(np.float64))

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedPair:
        """What they amount to; ranks are those among the sidebands, as they are."""
        reference = problem.data.take(problem.sidebands)
        return self._pairs(self._chosen(problem)).gathered(problem.folds, trained, reference)

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedPair:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        try:
            return self._pairs(self._config).restored(state)
        except CardError:
            if self._config.few is None:
                raise
        return self._pairs(self._of_few()).restored(state)

    def _pairs(self, config: CwolaJetsConfig) -> PairClassifier:
        return PairClassifier(config, self._jets, self.name, config.product)

    def _chosen(self, problem: Problem) -> CwolaJetsConfig:
        """The configuration for so many events."""
        few = self._config.few
        inside = int(np.sum([rows.sum() for rows in problem.parts.values()]))
        return self._of_few() if few is not None and inside < few.below else self._config

    def _of_few(self) -> CwolaJetsConfig:
        assert self._config.few is not None  # noqa: S101  it was asked for
        return self._config.model_copy(update={"classifier": self._config.few.classifier})
