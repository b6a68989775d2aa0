"""Models made of models: an ensemble, several side by side, one on what another found, or one on what another let pass.

Members are named in the card as any model is, and found through the registry: no member is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad import registry
from hepad.cards.analysis import ModelCard
from hepad.cards.base import Card, parse_card
from hepad.cards.train import TrainCard
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.arrays import check_arrays
from hepad.nn.composite import Composite, member_seed
from hepad.nn.embeds import EMBEDDING, embeds
from hepad.nn.in_turn import Stage
from hepad.nn.layers import HasLayers, Network, has_layers
from hepad.nn.scorer import Scorer, Scores, State, TrainingData, check_batch, trainable

__all__ = ["Cascade", "CascadeConfig", "Chain", "ChainConfig"]
__all__ += ["Ensemble", "EnsembleConfig", "Parallel", "ParallelConfig"]

REFUSED = -1.0
"""The score of what the gate of a cascade does not let pass."""

_VECTORS = ("l1_vector", "l1_hardware", "rmm")


class EnsembleConfig(Card):
    """`member`: the model, trained `members` times from different seeds; `combine`: what is made of their scores."""

    member: ModelCard
    members: int = Field(default=5, ge=2, le=100)
    combine: Literal["mean", "median", "max"] = "mean"


class ParallelConfig(Card):
    """`members`: models by the names that their scores get: member `one` with score `mse` gives `one_mse`."""

    members: dict[str, ModelCard] = Field(min_length=2)

    @model_validator(mode="after")
    def _has_plain_names(self) -> ParallelConfig:
        for name in self.members:
            if not name.isidentifier():
                raise ValueError(f"{name!r} is no name for a member: use letters, digits and _")
        return self


class ChainConfig(Card):
    """`embed`: the model that is trained first and then only embeds; `score`: the model of its embeddings.

    `embed_train`: how the first is trained, None as the second, by the card's `train`; its fractions, seeds and
    `train_events` are not heeded.
    """

    embed: ModelCard
    score: ModelCard
    embed_train: TrainCard | None = None


class CascadeConfig(Card):
    """`gate`: the model that lets a share `accept` of the background pass; `score`: the model of what passes.

    `gate_sees` and `score_sees`: how many of the leading objects of each kind (`jet`, `met`) a model sees; the eta that
    missing momentum has not is left out. `gate_train`: how the gate is trained, None by the card's `train`.
    """

    gate: ModelCard
    score: ModelCard
    accept: float = Field(default=0.1, gt=0, lt=1)
    gate_sees: dict[str, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    score_sees: dict[str, Annotated[int, Field(ge=1)]] = Field(min_length=1)
    gate_train: TrainCard | None = None


class Ensemble(Composite):
    """The same model trained several times; a score is the mean (or median, or maximum) of the members' scores."""

    name: ClassVar[str] = "ensemble"
    input_kinds: ClassVar[tuple[str, ...]] = _VECTORS

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._ensemble = parse_card(EnsembleConfig, dict(config), f"model {self.name}")
        members = {str(place): _made(self._ensemble.member, layout) for place in range(self._ensemble.members)}
        super().__init__(self._ensemble, layout, members)
        self.score_names = tuple(members["0"].score_names)

    def scores(self, batch: Batch) -> Scores:
        """The combined scores, by the names of the members' scores."""
        check_batch(self, batch)
        each = [one.scores(batch) for one in self._members.values()]
        combined = {}
        for name in self.score_names:
            values = np.stack([scores[name] for scores in each]).astype(np.float64)
            combined[name] = _combined(values, self._ensemble.combine).astype(np.float32)
        return combined


class Parallel(Composite):
    """Different models of the same input, each with its scores."""

    name: ClassVar[str] = "parallel"
    input_kinds: ClassVar[tuple[str, ...]] = _VECTORS

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        parallel = parse_card(ParallelConfig, dict(config), f"model {self.name}")
        members = {name: _made(card, layout) for name, card in parallel.members.items()}
        super().__init__(parallel, layout, members)
        self.score_names = tuple(f"{name}_{score}" for name, one in members.items() for score in one.score_names)

    def scores(self, batch: Batch) -> Scores:
        """All scores of all members, `member_score`."""
        check_batch(self, batch)
        each = {name: one.scores(batch) for name, one in self._members.items()}
        return {f"{name}_{score}": values for name, scores in each.items() for score, values in scores.items()}


class Chain(Composite):
    """A model that embeds, trained first and frozen then, and a model that scores its embeddings.

    The second one is trained on background alone, also where the first has learnt from a signal.
    """

    name: ClassVar[str] = "chain"
    input_kinds: ClassVar[tuple[str, ...]] = (*_VECTORS, "particle_set")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        chain = parse_card(ChainConfig, dict(config), f"model {self.name}")
        self._embed_train = chain.embed_train
        self._first = embeds(_made(chain.embed, layout))
        self._second = _made(chain.score, self._first.embedding_layout)
        super().__init__(chain, layout, {"embed": self._first, "score": self._second})
        self.score_names = tuple(self._second.score_names)

    def scores(self, batch: Batch) -> Scores:
        """The scores of the embeddings."""
        check_batch(self, batch)
        return self._second.scores(self._embedded(batch))

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The squared error of the second model, where both are layers alone."""
        first, second = self._first, self._second
        if not isinstance(first, HasLayers) or not isinstance(second, HasLayers) or not _embeds_by_layers(first):
            return ()
        return tuple(name for name in second.layered_scores if name == "sse")

    def layers(self, score: str) -> Network:
        """The layers of both in a row; see `hepad.nn.layers`."""
        first, second = has_layers(self._first), has_layers(self._second)
        one, two = first.layers(first.score_names[0]), second.layers(score)
        return replace(one, model=self.name, layers=one.layers + two.layers, score="sse", embedding=len(one.layers))

    def state_of(self, network: Network) -> State:
        """The state with these layers."""
        count = network.embedding
        parts = {
            "embed": has_layers(self._first).state_of(replace(network, layers=network.layers[:count])),
            "score": has_layers(self._second).state_of(replace(network, layers=network.layers[count:])),
        }
        return {f"{name}/{key}": array for name, state in parts.items() for key, array in state.items()}

    def _embedded(self, batch: Batch) -> Batch:
        x = self._first.embed(batch)
        kind = self._second.input_kinds[0] if EMBEDDING not in self._second.input_kinds else EMBEDDING
        return Batch(kind, self._first.embedding_layout, x, None, batch.weight, batch.beside)

    def _stages(self, data: TrainingData, seed: int) -> list[Stage]:
        def embedded() -> TrainingData:
            return TrainingData(self._embedded(data.train), self._embedded(data.validation), data.teachers)

        return [
            Stage(trainable(self._first), lambda: data, member_seed(seed, 0), self._embed_train),
            Stage(trainable(self._second), embedded, member_seed(seed, 1)),
        ]


class Cascade(Composite):
    """A trigger of two levels: what a first model does not let pass, a second one neither learns from nor scores.

    Events below the threshold of the gate, which the training sets on its background, have the score -1, which is lower
    than any error.
    """

    name: ClassVar[str] = "cascade"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector", "l1_hardware")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._cascade = parse_card(CascadeConfig, dict(config), f"model {self.name}")
        self._seen = {
            "gate": _columns(layout, self._cascade.gate_sees),
            "score": _columns(layout, self._cascade.score_sees),
        }
        cards = {"gate": self._cascade.gate, "score": self._cascade.score}
        made = {name: _made(card, self._part(layout, name)) for name, card in cards.items()}
        super().__init__(self._cascade, layout, made)
        self.score_names = tuple(made["score"].score_names)
        self._threshold = np.zeros(1, dtype=np.float32)

    def scores(self, batch: Batch) -> Scores:
        """The scores of what passes the gate, -1 for the rest."""
        check_batch(self, batch)
        passed = self._passed(batch)
        found = self._members["score"].scores(self._view(batch.take(passed), "score"))
        scores = {name: np.full(len(batch), REFUSED, dtype=np.float32) for name in self.score_names}
        for name, values in found.items():
            scores[name][passed] = values
        return scores

    def state(self) -> State:
        """The weights of both, `member/tensor`, and the threshold of the gate."""
        return super().state() | {"threshold": self._threshold.copy()}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `state` gave; `CardError` that names the tensor at fault, and nothing is taken."""
        own = {name: array for name, array in state.items() if name == "threshold"}
        check_arrays({"threshold": (1,)}, own, f"weights of {self.name}")
        super().load_state({name: array for name, array in state.items() if name != "threshold"})
        self._threshold = np.array(own["threshold"], dtype=np.float32)

    def _stages(self, data: TrainingData, seed: int) -> list[Stage]:
        gate, score = (trainable(self._members[name]) for name in ("gate", "score"))

        def seen(name: str, train: Batch, validation: Batch) -> TrainingData:
            return TrainingData(self._view(train, name), self._view(validation, name), data.teachers)

        def passing() -> TrainingData:
            scores = self._gated(data.train)
            self._threshold = self._set(scores, data.train.weight)
            train = data.train.take(np.flatnonzero(scores >= self._threshold))
            return seen("score", train, data.validation.take(self._passed(data.validation)))

        first = seen("gate", data.train, data.validation)
        return [
            Stage(gate, lambda: first, member_seed(seed, 0), self._cascade.gate_train),
            Stage(score, passing, member_seed(seed, 1)),
        ]

    def _set(self, scores: npt.NDArray[np.float32], weight: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The score that a share `accept` of the weight of background reaches, of its scores and weights (n,)."""
        order = np.argsort(-scores, kind="stable")
        above = np.cumsum(weight[order])
        place = int(np.searchsorted(above, self._cascade.accept * above[-1] * (1 - 1e-12)))
        return scores[order[[min(place, len(order) - 1)]]]

    def _gated(self, batch: Batch) -> npt.NDArray[np.float32]:
        gate = self._members["gate"]
        return gate.scores(self._view(batch, "gate"))[gate.score_names[0]]

    def _passed(self, batch: Batch) -> npt.NDArray[np.int64]:
        return np.flatnonzero(self._gated(batch) >= self._threshold)

    def _part(self, layout: Layout, name: str) -> Layout:
        return Layout.vector([layout.slots[i] for i in self._seen[name]])

    def _view(self, batch: Batch, name: str) -> Batch:
        """What a member sees of a batch."""
        seen, kinds = self._seen[name], self._members[name].input_kinds
        kind = batch.kind if batch.kind in kinds else kinds[0]
        layout = self._part(self.layout, name)
        return Batch(kind, layout, batch.x[:, seen], batch.there[:, seen], batch.weight, batch.beside)


def _embeds_by_layers(scorer: HasLayers) -> bool:
    """Whether the embedding is what the layers of the first score give: that of the squares of the whole embedding."""
    return scorer.score_names[0] == "z2"


def _columns(layout: Layout, sees: Mapping[str, int]) -> list[int]:
    """The columns of the leading objects; `CardError` for objects that the input has not."""
    owners = {(slot.object, max(slot.position, 1)) for slot in layout.slots}
    for thing, count in sees.items():
        if (thing, count) not in owners:
            raise CardError(f"model cascade: the input has no {count} objects {thing!r}")
    return [
        i
        for i, slot in enumerate(layout.slots)
        if max(slot.position, 1) <= sees.get(slot.object, 0) and (slot.object, slot.feature) != ("met", "eta")
    ]


def _made(card: ModelCard, layout: Layout) -> Scorer:
    entry = registry.lookup(registry.SCORERS, card.name, "model")
    made: Scorer = registry.load(entry)(card.config, layout)
    return made


def _combined(values: npt.NDArray[np.float64], how: str) -> npt.NDArray[np.float64]:
    """One score an event of those of the members, of shape (members, n)."""
    if how == "median":
        return np.asarray(np.median(values, axis=0))
    return np.asarray(values.max(axis=0) if how == "max" else values.mean(axis=0))
