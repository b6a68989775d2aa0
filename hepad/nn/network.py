"""What all scorers made of one torch network share: fitting, scoring in blocks, weights in and out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.cards.base import Card
from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.inference import BLOCK, evaluate
from hepad.nn.operations import Cost, cost_of
from hepad.nn.recipe import Recipe
from hepad.nn.reconstruction import fit_network
from hepad.nn.reproducible import build_seeded
from hepad.nn.scorer import (
    Checkpoint,
    EpochEnd,
    FitReport,
    Scores,
    State,
    TrainingData,
    check_batch,
    check_training,
    finite_scores,
)
from hepad.nn.tensors import get_weights, set_weights

__all__ = ["NetworkScorer"]


Network = TypeVar("Network", bound=nn.Module)


class _ScoreModule(nn.Module):
    """A network and what makes a score of it."""

    def __init__(self, network: Network, score: Callable[[Network, tuple[Tensor, ...]], Tensor]) -> None:
        super().__init__()
        self.network, self._score = network.to("cpu").eval(), score

    def forward(self, *rows: Tensor) -> Tensor:
        """The score (n,) of the arrays that the network sees."""
        return self._score(self.network, rows)


class NetworkScorer(ABC, Generic[Network]):
    """A `Scorer` of one network: a model says how to build it, how to train it and what its scores are."""

    name: ClassVar[str]
    input_kinds: ClassVar[tuple[str, ...]]
    score_names: tuple[str, ...]
    block: ClassVar[int] = BLOCK

    def __init__(self, config: Card, layout: Layout) -> None:
        """Build an untrained network of a validated configuration; its weights are those of seed 0."""
        self.layout = layout
        self._config = config
        self._module = build_seeded(self._build, 0)
        self._device = "cpu"

    @property
    def takes_device(self) -> bool:
        """It is evaluated with torch: see `hepad.nn.device.OnDevice`."""
        return True

    def score_on(self, device: str) -> None:
        """Evaluate on this device from now on, in this process."""
        self._device = device

    @property
    def config(self) -> dict[str, Any]:
        """The complete configuration, defaults included, in JSON types."""
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
        """Train a new network on background and keep it; the same seed gives the same weights, bit for bit.

        The mean loss of the rows, by the events' weights where they differ, is lowered. `CardError` for a batch
        or checkpoint that does not fit, `FitFailedError` without events or if the loss diverges; the weights from
        before are then still there.
        """
        check_training(self, data)
        self._module, done = fit_network(
            self._build,
            lambda module: self._recipe(module, data),
            self._arrays,
            data,
            options=options,
            seed=seed,
            device=device,
            on_epoch=on_epoch,
            resume=resume,
        )
        self._changed()
        return done.report

    def scores(self, batch: Batch) -> Scores:
        """Float32 scores of shape (n,) by name, the default first, higher more anomalous.

        A row's scores do not depend on the other rows. Scores above float32's range are set to its maximum.
        Raises `CardError` for a batch that does not fit, `InputDataError` if a row gives no number.
        """
        check_batch(self, batch)
        return finite_scores(self.name, dict(zip(self.score_names, self._values(batch), strict=True)))

    def cost(self, batch: Batch) -> Cost:
        """What the network costs, by scaled events, at least one; of sets without padding but for that of buckets."""
        module, arrays = self._module.to("cpu"), self._arrays(batch)
        rows = tuple(torch.from_numpy(np.array(array, dtype=np.float32)) for array in arrays)
        return cost_of(module, lambda: self._score(module, rows), len(batch))

    def state(self) -> State:
        """Copies of the weights as contiguous float32 arrays."""
        return get_weights(self._module)

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names a missing, unknown or misshapen tensor."""
        set_weights(self._module, state, f"weights of {self.name}")
        self._changed()

    def seen(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        """See `hepad.nn.one_score.HasScoreModule`."""
        check_batch(self, batch)
        return self._arrays(batch)

    def score_module(self, score: str) -> nn.Module:
        """See `hepad.nn.one_score.HasScoreModule`."""
        return _ScoreModule(self._module, lambda module, rows: self._one(module, rows, score))

    def _one(self, module: Network, rows: tuple[Tensor, ...], score: str) -> Tensor:
        """One score of shape (n,), by torch alone."""
        return self._score(module, rows)[self.score_names.index(score)]

    @abstractmethod
    def _build(self) -> Network:
        """A new network with random weights from torch's global generator."""

    @abstractmethod
    def _recipe(self, module: Network, data: TrainingData) -> Recipe:
        """How the network is trained; of `data` it may use the teachers."""

    @abstractmethod
    def _score(self, module: Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """One tensor of shape (n,) for each score name."""

    def _values(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """The scores of a batch, each of shape (n,): a set is evaluated otherwise."""
        module, block = self._evaluated()
        return evaluate(
            module,
            lambda *rows: self._score(module, rows),
            self._arrays(batch),
            len(self.score_names),
            block=block,
            device=self._device,
        )

    def _evaluated(self) -> tuple[Network, int]:
        """The network as it is evaluated, and of how many rows a block is."""
        return self._module, self.block

    def _changed(self) -> None:
        """The network has other weights: a model that keeps what follows from them forgets it."""

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        """The arrays of a batch that the network sees."""
        return (batch.x,)
