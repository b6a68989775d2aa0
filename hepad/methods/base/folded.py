"""A classifier trained in folds: an event is scored by those that have not seen its fold.

What all methods have in common that tell two classes apart. Each fold is scored by classifiers that are validated on
another fold in turn and trained on the rest; of several restarts the best is kept, or all are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card
from hepad.errors import UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.methods.base.classifiers import ClassifierCard, LogOdds, classifier_of, train_classifier
from hepad.methods.base.contract import PARTS, Folds, How, Network, Problem, Sample, Training
from hepad.methods.base.networks import networks_of, networks_shapes, networks_state
from hepad.methods.base.ranks import Ranks, ranked_scores
from hepad.methods.base.reweighted import matching_factors
from hepad.methods.base.trees import TreesCard
from hepad.nn.arrays import check_arrays, grouped
from hepad.nn.scorer import Scores, State, TrainingData
from hepad.nn.supervised import LABEL

__all__ = [
    "WINDOW_SHARES",
    "Contest",
    "FittedFolds",
    "FoldedClassifier",
    "FoldedConfig",
    "Place",
    "Share",
    "View",
    "contest_of",
    "window_contest",
]

_OUTCOME = "outcome"
"""In the state of a training: epochs or trees, and the validation loss."""
_VIEW = "view"


class View(Protocol):
    """Events as the classifiers of a fold see them, if not as they are: by something that was learned."""

    def __call__(self, batch: Batch) -> Batch:
        """What they see; that of an event does not depend on the events around it."""
        ...

    def state(self) -> State:
        """All that was learned, as arrays."""
        ...


class FoldedConfig(Card):
    """`classifier`: what tells the classes apart, `kind: trees` or `kind: network`. For each fold `rotations` of the
    others are validated on in turn; of `restarts` that differ in their seed the one of lowest validation loss is kept,
    or, with `keep: all`, each. The mean of those kept scores the fold.
    """

    classifier: ClassifierCard = Field(default_factory=lambda: TreesCard(kind="trees"))
    rotations: int = Field(default=4, ge=1, le=98)
    restarts: int = Field(default=1, ge=1, le=1000)
    keep: Literal["best", "all"] = "best"


@dataclass(frozen=True)
class Place:
    """The fold that a classifier scores, that which it is validated on, and which restart it is."""

    fold: int
    validation: int
    restart: int

    @property
    def name(self) -> str:
        """The name of its training, behind what it is of."""
        return f"{self.fold}.{self.validation}.{self.restart}"


@dataclass(frozen=True)
class Share:
    """A group of events of one class, 0 or 1, and its share of the weight of a training."""

    name: str
    label: int
    share: float


WINDOW_SHARES = (Share(PARTS[0], 0, 0.25), Share(PARTS[1], 1, 0.5), Share(PARTS[2], 0, 0.25))
"""Of the window against its sidebands: the classes count equally, and so do the sides, so that no slope tells it."""


@dataclass(frozen=True)
class Contest:
    """Who is told from whom: events, the group (n,) of each by its number in `shares`, -1: left out.

    Of those that a classifier is trained on, groups of class 0 are weighted to have the distribution of class 1 in a
    number `matched` (n,), if there is one: see `matching_factors`.
    """

    sample: Sample
    group: npt.NDArray[np.int64]
    shares: tuple[Share, ...]
    matched: npt.NDArray[np.float64] | None = None

    def training(self, place: Place) -> TrainingData:
        """The events that the classifier of a place is trained and validated on, labelled and balanced."""
        folds = self.sample.folds
        train = (folds >= 0) & (folds != place.fold) & (folds != place.validation)
        return TrainingData(self._of(train), self._of(folds == place.validation))

    def _of(self, wanted: npt.NDArray[np.bool_]) -> Batch:
        """The events wanted, each group with its share of the weight."""
        events = self.sample.events
        weight = np.zeros(len(events))
        label = np.zeros(len(events), dtype=np.float32)
        ones = wanted & np.isin(self.group, [place for place, share in enumerate(self.shares) if share.label])
        for number, share in enumerate(self.shares):
            rows = (self.group == number) & wanted
            own = events.weight[rows]
            if self.matched is not None and not share.label:
                own = own * matching_factors(self.matched, events.weight, ones, rows)
            weight[rows] = own * (share.share / own.sum())
            label[rows] = share.label
        rows = weight > 0
        return replace(events.take(rows), weight=weight[rows], beside={LABEL: label[rows]})


def contest_of(ones: Sample, zeros: Sample) -> Contest:
    """Class 1 against class 0, each with half of the weight. What stands beside the events is left out."""
    events = Batch.concatenate([replace(sample.events, beside={}) for sample in (ones, zeros)])
    group = np.repeat([0, 1], [len(ones.folds), len(zeros.folds)])
    folds = np.concatenate([ones.folds, zeros.folds])
    return Contest(Sample(events, folds), group, (Share("ones", 1, 0.5), Share("zeros", 0, 0.5)))


def window_contest(
    problem: Problem, *, sample: Sample | None = None, matched: npt.NDArray[np.float64] | None = None
) -> Contest:
    """The window against its sidebands: the data, or the same events seen otherwise, a `sample`."""
    parts = problem.parts
    group = np.select([parts[share.name] for share in WINDOW_SHARES], np.arange(len(WINDOW_SHARES)), -1)
    return Contest(problem.data if sample is None else sample, group, WINDOW_SHARES, matched)


@dataclass(frozen=True)
class FoldedClassifier:
    """The classifiers of a method over its folds: their names, how one is trained, and what they amount to.

    `method` names what it is of in errors; `prefix` is the beginning of the names of its trainings.
    """

    config: FoldedConfig
    layout: Layout
    method: str
    prefix: str = ""

    def check_folds(self, folds: int) -> None:
        """One fold is scored, one validated on, the others are trained on; `UsageError` if there are fewer."""
        if folds < max(3, self.config.rotations + 1):
            raise UsageError(f"{folds} folds are too few for {self.config.rotations} rotations: one more at least")

    def places(self, folds: int) -> dict[str, Place]:
        """All classifiers by the names of their trainings."""
        self.check_folds(folds)
        made = [
            Place(fold, (fold + 1 + rotation) % folds, restart)
            for fold in range(folds)
            for rotation in range(self.config.rotations)
            for restart in range(self.config.restarts)
        ]
        return {self.prefix + place.name: place for place in made}

    def trainings(self, folds: int, after: Mapping[int, Sequence[str]] | None = None) -> tuple[Training, ...]:
        """The trainings; `after` names for a fold that is scored those that its classifiers build on."""
        of_fold = after or {}
        return tuple(Training(name, tuple(of_fold.get(p.fold, ()))) for name, p in self.places(folds).items())

    def train(self, training: Training, folds: int, contest: Contest, how: How) -> State:
        """Do one of the trainings."""
        place = self.places(folds)[training.name]
        seeded = how.seeded(place.fold, place.validation, place.restart)
        state, epochs, loss = train_classifier(self.config.classifier, self.layout, contest.training(place), seeded)
        return {**state, _OUTCOME: np.array([epochs, loss], dtype=np.float64)}

    def gathered(
        self, folds: int, trained: Mapping[str, State], reference: Sample, views: Mapping[int, View] | None = None
    ) -> FittedFolds:
        """The classifiers of all trainings; ranks are those among the events of a `reference` of the same fold.

        Where the classifiers of a fold see events otherwise than they are, `views` says how.
        """
        found = []
        for name, place in self.places(folds).items():
            epochs, loss = trained[name][_OUTCOME]
            found.append(Network(place.fold, place.validation, place.restart, int(epochs), float(loss), kept=True))
        networks = tuple(found)
        if self.config.keep == "best":
            best = {(n.fold, n.validation): n for n in sorted(found, key=lambda n: (n.loss, n.restart), reverse=True)}
            networks = tuple(replace(n, kept=best[n.fold, n.validation] is n) for n in found)
        states = {
            _place(n): {k: v for k, v in trained[self.prefix + _place(n).name].items() if k != _OUTCOME}
            for n in networks
            if n.kept
        }
        fitted = self._fitted(networks, states, views)
        return replace(fitted, references=Ranks.of_folds(reference, len(fitted.folds), fitted.log_odds))

    def restored(
        self, state: Mapping[str, npt.NDArray[Any]], view: Callable[[State, str], View] | None = None
    ) -> FittedFolds:
        """What `FittedFolds.state` gave; `CardError` that names what is missing, unknown or misshapen.

        `view` makes a view of its state; what it raises names it by the text that it is given besides.
        """
        networks = networks_of(state, self.method)
        places = [_place(network) for network in networks if network.kept]
        viewed = {f"{_VIEW}{place.fold}": place.fold for place in places if view is not None}
        groups, rest = grouped(state, (*(place.name for place in places), *viewed))
        views = {f: view(groups[name], f"{self.method}, {name}") for name, f in viewed.items()} if view else {}
        fitted = self._fitted(networks, {place: groups[place.name] for place in places}, views)
        shapes = {**networks_shapes(networks), **Ranks.shapes(state, len(fitted.folds))}
        check_arrays(shapes, rest, f"state of {self.method}")
        return replace(fitted, references=Ranks.restored(rest, len(fitted.folds)))

    def _fitted(
        self, networks: tuple[Network, ...], states: Mapping[Place, State], views: Mapping[int, View] | None
    ) -> FittedFolds:
        made = {
            place: classifier_of(self.config.classifier, self.layout, state, f"{self.method}, classifier {place.name}")
            for place, state in states.items()
        }
        return FittedFolds(self.method, networks, made, states, (), views or {})


@dataclass(frozen=True)
class FittedFolds:
    """The classifiers that are kept, by their place; their `states` are kept to be stored."""

    method: str
    networks: tuple[Network, ...]
    kept: Mapping[Place, LogOdds]
    states: Mapping[Place, State]
    references: tuple[Ranks, ...]
    views: Mapping[int, View] = field(default_factory=dict)
    score_names: ClassVar[tuple[str, str]] = ("rank", "log_odds")

    @property
    def folds(self) -> range:
        """The folds."""
        return range(max((place.fold for place in self.kept), default=-1) + 1)

    def scores(self, batch: Batch, folds: Folds) -> Scores:
        """Float32 scores of shape (n,); an event of no fold (-1) gets the mean over all of them."""
        return ranked_scores(self.score_names, self.references, batch, folds, self.log_odds, method=self.method)

    def log_odds(self, batch: Batch, fold: int) -> npt.NDArray[np.float64]:
        """The mean of the classifiers that have not seen a fold, for any events."""
        seen = self.views[fold](batch) if fold in self.views else batch
        each = [log_odds(seen) for place, log_odds in self.kept.items() if place.fold == fold]
        return np.asarray(np.mean(each, axis=0, dtype=np.float64))

    def state(self) -> State:
        """All that was learned, as arrays."""
        state = {
            f"{place.name}/{name}": np.array(array)
            for place, arrays in self.states.items()
            for name, array in arrays.items()
        }
        for fold, view in self.views.items():
            state |= {f"{_VIEW}{fold}/{name}": values for name, values in view.state().items()}
        return {**state, **Ranks.state(self.references), **networks_state(self.networks)}


def _place(network: Network) -> Place:
    return Place(network.fold, network.validation, network.restart)
