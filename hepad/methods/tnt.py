"""Tag N' Train: what looks odd in one jet of an event tells which others to learn from.

Amram, Suarez, "Tag N' Train: a technique to train improved classifiers on unlabeled data", JHEP 01 (2021) 153,
arXiv:2002.12376; CMS, arXiv:2412.03747. An autoencoder of jets, which has learned those in the sidebands, tags one jet.
Events in the window whose one jet it knows badly are richer in signal than those whose it knows well, and than the
sidebands: a classifier of the other jet learns the difference. Each jet tags the other; their odds are multiplied.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.base import Card
from hepad.errors import InputDataError
from hepad.inputs.layout import Layout
from hepad.methods.base.contract import PARTS, How, Problem, Sample, Training
from hepad.methods.base.folded import Contest, FoldedConfig, Share
from hepad.methods.base.jets import Jets
from hepad.methods.base.learning_method import LearningMethod
from hepad.methods.base.losses import AutoencoderCard, FoldedLoss, LossCard, Losses
from hepad.methods.base.pairs import FittedPair, PairClassifier
from hepad.nn.scorer import State
from hepad.stats.scores.quantile_curves import weighted_quantile

__all__ = ["TagCard", "TagNTrain", "TntConfig"]

_TAGGER = "tagger."

_SHARES = {
    "both": (Share("tagged", 1, 0.5), Share("untagged", 0, 0.25), Share(PARTS[0], 0, 0.125), Share(PARTS[2], 0, 0.125)),
    "tagged": (Share("tagged", 1, 0.5), Share("untagged", 0, 0.5)),
    "sidebands": (Share("tagged", 1, 0.5), Share(PARTS[0], 0, 0.25), Share(PARTS[2], 0, 0.25)),
}


class TagCard(Card):
    """In windows whose middle is below a mass in GeV, None: in all, events are rich in signal whose tagging jet is
    worse known than the fraction `signal` of the sidebands, and rich in background if better than `background` of them.
    """

    below: float | None = Field(default=None, gt=0)
    signal: float = Field(default=0.8, gt=0, lt=1)
    background: float = Field(default=0.5, gt=0, lt=1)

    @model_validator(mode="after")
    def _rise(self) -> TagCard:
        if self.background > self.signal:
            raise ValueError(f"background {self.background:g} is above signal {self.signal:g}: no event may be both")
        return self


class TntConfig(FoldedConfig):
    """`tagger` is the network that tags a jet; of `tags` the first is heeded that applies. `background` says what the
    tagged events of the window are told from: those of the window with a well-known jet (`tagged`), the `sidebands`, or
    `both`, each with half of the weight. `classifier` does it, in `rotations` and `restarts` as of `cwola`, for each of
    the `jets`: two names that the features begin with, `j1` and `j2` say; if not given they are found.
    """

    jets: tuple[str, ...] = Field(default=(), max_length=2)
    tagger: LossCard = Field(default_factory=lambda: AutoencoderCard(kind="autoencoder"))
    tags: tuple[TagCard, ...] = Field(default=(TagCard(),), min_length=1)
    background: Literal["both", "tagged", "sidebands"] = "both"


class TagNTrain(LearningMethod):
    """The method. Scores: `rank`, minus the decimal logarithm of the fraction of the fold's sideband events that look
    at least as much like signal; `log_odds`, the sum of the logarithms of the odds of both jets.
    """

    name: ClassVar[str] = "tnt"
    config: ClassVar[type[Card]] = TntConfig
    _config: TntConfig
    score_names: ClassVar[tuple[str, ...]] = FittedPair.score_names

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        super().__init__(config, layout)
        self._jets = Jets.of(layout, self._config.jets)
        self._tagger = FoldedLoss(self._config.tagger, self._jets.layout, self.name, _TAGGER)
        self._classifiers = PairClassifier(self._config, self._jets, self.name)

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on."""
        self._classifiers.check_folds(folds)

    def trainings(self, folds: int) -> tuple[Training, ...]:
        """A tagger a fold, and behind it the fold's classifiers of both jets."""
        after = {fold: self._tagger.names(fold) for fold in range(folds)}
        return (*self._tagger.trainings(folds), *self._classifiers.trainings(folds, after))

    def train(self, training: Training, problem: Problem, given: Mapping[str, State], how: How) -> State:
        """Do one of them."""
        if training.name.startswith(_TAGGER):
            return self._tagger.train(
                training, problem.folds, self._jets.apart(problem.data.take(problem.sidebands)), how
            )
        jet, fold = self._classifiers.place(training, problem.folds)
        tagger = self._tagger.gathered(problem.folds, given, [fold])
        return self._classifiers.train(training, problem.folds, self.contest(problem, tagger, fold, 1 - jet), how)

    def contest(self, problem: Problem, tagger: Losses, fold: int, tagging: int) -> Contest:
        """The events tagged by a jet as rich in signal against those rich in background, of all folds but one."""
        data, parts = problem.data, problem.parts
        seen = (data.folds >= 0) & (data.folds != fold)
        loss = tagger(self._jets.batch(data.events, tagging), fold)
        sides = problem.sidebands & seen
        tag = self._tag(problem)
        weight = data.events.weight[sides]
        worse, better = (weighted_quantile(loss[sides], weight, q) for q in (tag.signal, tag.background))
        groups = {
            "tagged": parts["window"] & (loss > worse),
            "untagged": parts["window"] & (loss <= better),
            PARTS[0]: parts[PARTS[0]],
            PARTS[2]: parts[PARTS[2]],
        }
        shares = _SHARES[self._config.background]
        group = np.select([groups[share.name] & seen for share in shares], np.arange(len(shares)), -1)
        self._check(group, shares, data, fold, problem.folds)
        return Contest(data, group, shares)

    def _tag(self, problem: Problem) -> TagCard:
        middle = (problem.window.low + problem.window.high) / 2
        return next(
            (tag for tag in self._config.tags if tag.below is None or middle < tag.below), self._config.tags[-1]
        )

    def _check(
        self, group: npt.NDArray[np.int64], shares: tuple[Share, ...], data: Sample, fold: int, folds: int
    ) -> None:
        """`InputDataError` if a group has no events in a fold that is trained or validated on."""
        for number, share in enumerate(shares):
            for other in range(folds):
                if other != fold and not ((group == number) & (data.folds == other)).any():
                    raise InputDataError(
                        f"{self.name}: no {share.name} events of fold {other}: too few in the window for so many folds"
                    )

    def assembled(self, problem: Problem, trained: Mapping[str, State]) -> FittedPair:
        """What they amount to; ranks are those among the sidebands."""
        return self._classifiers.gathered(problem.folds, trained, self.reference(problem))

    def fitted(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedPair:
        """What `state` of it gave; `CardError` that names what is missing, unknown or misshapen."""
        return self._classifiers.restored(state)
