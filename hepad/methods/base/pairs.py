"""Two classifiers, one of each jet, as one: the odds of an event are the product of those of its jets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from hepad.inputs.batch import Batch
from hepad.methods.base.contract import Folds, How, Network, Sample, Training
from hepad.methods.base.folded import Contest, FittedFolds, FoldedClassifier, FoldedConfig
from hepad.methods.base.jets import Jets
from hepad.methods.base.ranks import Ranks, ranked_scores
from hepad.nn.arrays import check_arrays, grouped
from hepad.nn.scorer import Scores, State

__all__ = ["FittedPair", "PairClassifier"]


@dataclass(frozen=True)
class PairClassifier:
    """The classifiers of the jets over the folds; see `FoldedClassifier`. Names of trainings begin with `jet1.`, ...

    What is multiplied are the `odds` of the jets, or the `scores`, which are the probabilities to be of class 1.
    """

    config: FoldedConfig
    jets: Jets
    method: str
    product: Literal["odds", "scores"] = "odds"

    @property
    def each(self) -> tuple[FoldedClassifier, ...]:
        """Those of each jet."""
        return tuple(
            FoldedClassifier(self.config, self.jets.layout, f"{self.method}, {name}", f"{name}.")
            for name in self._names
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(f"jet{place + 1}" for place in range(len(self.jets.names)))

    def check_folds(self, folds: int) -> None:
        """`UsageError` if there are too few."""
        self.each[0].check_folds(folds)

    def trainings(self, folds: int, after: Mapping[int, Sequence[str]] | None = None) -> tuple[Training, ...]:
        """The trainings; `after` names for a fold that is scored those that its classifiers build on."""
        return tuple(training for one in self.each for training in one.trainings(folds, after))

    def place(self, training: Training, folds: int) -> tuple[int, int]:
        """The number of the jet and the fold that a training is for."""
        jet = self._names.index(training.name.partition(".")[0])
        return jet, self.each[jet].places(folds)[training.name].fold

    def train(self, training: Training, folds: int, contest: Contest, how: How) -> State:
        """Do one of the trainings, on its jet of the events of a contest."""
        jet, _ = self.place(training, folds)
        own = replace(contest, sample=self.jets.sample(contest.sample, jet))
        return self.each[jet].train(training, folds, own, how.seeded(jet))

    def gathered(self, folds: int, trained: Mapping[str, State], reference: Sample) -> FittedPair:
        """The classifiers of all trainings; ranks are those among the events of a `reference` of the same fold."""
        each = tuple(
            one.gathered(folds, trained, self.jets.sample(reference, jet)) for jet, one in enumerate(self.each)
        )
        fitted = FittedPair(self.method, self.jets, dict(zip(self._names, each, strict=True)), (), self.product)
        return replace(fitted, references=Ranks.of_folds(reference, folds, fitted.log_odds))

    def restored(self, state: Mapping[str, npt.NDArray[Any]]) -> FittedPair:
        """What `FittedPair.state` gave; `CardError` that names what is missing, unknown or misshapen."""
        groups, rest = grouped(state, self._names)
        each = {name: one.restored(groups[name]) for name, one in zip(self._names, self.each, strict=True)}
        count = len(next(iter(each.values())).folds)
        check_arrays(Ranks.shapes(rest, count), rest, f"state of {self.method}")
        return FittedPair(self.method, self.jets, each, Ranks.restored(rest, count), self.product)


@dataclass(frozen=True)
class FittedPair:
    """The classifiers of the jets, by names."""

    method: str
    jets: Jets
    each: Mapping[str, FittedFolds]
    references: tuple[Ranks, ...]
    product: Literal["odds", "scores"] = "odds"
    score_names: ClassVar[tuple[str, str]] = FittedFolds.score_names

    @property
    def networks(self) -> tuple[Network, ...]:
        """All classifiers, those of the first jet before those of the second."""
        return tuple(network for fitted in self.each.values() for network in fitted.networks)

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,); an event of no fold (-1) gets the mean over all of them."""
        return ranked_scores(self.score_names, self.references, batch, folds, self.log_odds, method=self.method)

    def log_odds(self, batch: Batch, fold: int) -> npt.NDArray[np.float64]:
        """The sum over the jets of the logarithms of what is multiplied, by what has not seen a fold; of any events."""
        each = [one.log_odds(self.jets.batch(batch, jet), fold) for jet, one in enumerate(self.each.values())]
        if self.product == "scores":
            each = [-np.logaddexp(0.0, -log_odds) for log_odds in each]
        return np.asarray(np.sum(each, axis=0))

    def state(self) -> State:
        """All that was learned, as arrays."""
        own = {f"{jet}/{name}": array for jet, one in self.each.items() for name, array in one.state().items()}
        return {**own, **Ranks.state(self.references)}
