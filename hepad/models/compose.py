"""Models made of models: an ensemble of one kind, several side by side, or a network on what another one found.

Members are named in the card as any model is, and found through the registry: no member is imported here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

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
from hepad.nn.device import OnDevice
from hepad.nn.embeds import EMBEDDING, embeds
from hepad.nn.in_turn import Stage, fit_in_turn
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, Scorer, Scores, State, TrainingData, check_batch, trainable

__all__ = ["Chain", "ChainConfig", "Ensemble", "EnsembleConfig", "Parallel", "ParallelConfig"]

_VECTORS = ("l1_vector", "rmm")


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
    """`embed`: the model that is trained first and then only embeds; `score`: the model of its embeddings."""

    embed: ModelCard
    score: ModelCard


class _Composite(ABC):
    """What the three share: members, trained one after the other, and their states side by side."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]] = _VECTORS
    score_names: tuple[str, ...] = ()

    def __init__(self, config: Card, layout: Layout, members: Mapping[str, Scorer]) -> None:
        self.layout = layout
        self._config = config
        self._members = dict(members)

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, the members' included, in JSON types."""
        return self._config.model_dump(mode="json")

    def fit(
        self,
        data: TrainingData,
        *,
        options: TrainCard,
        seed: int,
        device: str = "cpu",
        on_epoch: Callable[[EpochEnd], None] | None = None,
        resume: Checkpoint | None = None,
    ) -> FitReport:
        """Train the members one after the other, each with a seed of its own; a checkpoint knows where it was."""
        for batch in (data.train, data.validation):
            check_batch(self, batch)
        before = self.state()
        try:
            return fit_in_turn(
                self._stages(data, seed), options=options, device=device, on_epoch=on_epoch, resume=resume
            )
        except BaseException:
            self.load_state(before)
            raise

    @property
    def takes_device(self) -> bool:
        """Whether one of the members is evaluated with torch: see `hepad.nn.device.OnDevice`."""
        return any(isinstance(one, OnDevice) and one.takes_device for one in self._members.values())

    def score_on(self, device: str) -> None:
        """Evaluate the members that torch evaluates on this device, in this process."""
        for one in self._members.values():
            if isinstance(one, OnDevice):
                one.score_on(device)

    @abstractmethod
    def scores(self, batch: Batch) -> Scores:
        """What is made of the members' scores."""

    def state(self) -> State:
        """The weights of all members, `member/tensor`."""
        return {f"{name}/{key}": array for name, one in self._members.items() for key, array in one.state().items()}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names the tensor at fault, and nothing is taken."""
        unknown = sorted(name for name in state if name.partition("/")[0] not in self._members)
        if unknown:
            raise CardError(f"weights of {self.name}: unknown tensor {unknown[0]!r}")
        before = {name: one.state() for name, one in self._members.items()}
        try:
            for name, one in self._members.items():
                one.load_state(_part(state, f"{name}/"))
        except CardError:
            for name, one in self._members.items():
                one.load_state(before[name])
            raise

    def _stages(self, data: TrainingData, seed: int) -> list[Stage]:
        """Each member on the same events, with a seed of its own."""
        return [
            Stage(trainable(one), lambda: data, _seed(seed, place)) for place, one in enumerate(self._members.values())
        ]


class Ensemble(_Composite):
    """The same model trained several times; a score is the mean (or median, or maximum) of the members' scores."""

    name: ClassVar[str] = "ensemble"

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


class Parallel(_Composite):
    """Different models of the same input, each with its scores."""

    name: ClassVar[str] = "parallel"

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


class Chain(_Composite):
    """A model that embeds, trained first and frozen then, and a model that scores its embeddings."""

    name: ClassVar[str] = "chain"

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        chain = parse_card(ChainConfig, dict(config), f"model {self.name}")
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
            Stage(trainable(self._first), lambda: data, _seed(seed, 0)),
            Stage(trainable(self._second), embedded, _seed(seed, 1)),
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


def _seed(seed: int, place: int) -> int:
    """Seeds that no two members share, for no two neighbouring seeds of the whole either."""
    return int(np.random.SeedSequence([seed % 2**64, place]).generate_state(1, np.uint32)[0])


def _part(state: Mapping[str, npt.NDArray[Any]], prefix: str) -> State:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
