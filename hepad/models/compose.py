"""Models made of models: an ensemble of one kind, several side by side, or a network on what another one found.

Members are named in the card as any model is, and found through the registry: no member is imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad import registry
from hepad.cards.analysis import ModelCard
from hepad.cards.base import Card, parse_card
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.composite import Composite, member_seed
from hepad.nn.embeds import EMBEDDING, embeds
from hepad.nn.in_turn import Stage
from hepad.nn.scorer import Scorer, Scores, TrainingData, check_batch, trainable

__all__ = ["Chain", "ChainConfig", "Ensemble", "EnsembleConfig", "Parallel", "ParallelConfig"]

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
    """A model that embeds, trained first and frozen then, and a model that scores its embeddings."""

    name: ClassVar[str] = "chain"
    input_kinds: ClassVar[tuple[str, ...]] = _VECTORS

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


def _made(card: ModelCard, layout: Layout) -> Scorer:
    entry = registry.lookup(registry.SCORERS, card.name, "model")
    made: Scorer = registry.load(entry)(card.config, layout)
    return made


def _combined(values: npt.NDArray[np.float64], how: str) -> npt.NDArray[np.float64]:
    """One score an event of those of the members, of shape (members, n)."""
    if how == "median":
        return np.asarray(np.median(values, axis=0))
    return np.asarray(values.max(axis=0) if how == "max" else values.mean(axis=0))
