"""Where a training stands, and taking it to and from a `Checkpoint`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from hepad.cards.train import OptimizerCard
from hepad.errors import CardError
from hepad.nn.arrays import check_arrays
from hepad.nn.optimizer import Optimizer, moments
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import Checkpoint, State
from hepad.nn.tensors import get_weights, set_weights, to_array

__all__ = ["Progress", "TrainingState"]


@dataclass(frozen=True)
class Progress:
    """Losses of the epochs done, counted from 1; `best_epoch` has the lowest validation loss (0: none done)."""

    train_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.train_loss)

    def best(self, count: int) -> tuple[int, ...]:
        """The epochs of the lowest validation losses, the lowest first; of equal ones the earlier."""
        order = sorted(range(self.epoch), key=lambda i: self.validation_loss[i])
        return tuple(i + 1 for i in order[:count])

    @property
    def best_epoch(self) -> int:
        """The epoch of the lowest validation loss, 0 before the first."""
        return self.best(1)[0] if self.epoch else 0

    def after(self, train_loss: float, validation_loss: float) -> Progress:
        """The progress after one more epoch."""
        return Progress((*self.train_loss, train_loss), (*self.validation_loss, validation_loss))


class TrainingState:
    """The tensors of a training: weights, the optimisers' moments and the weights of the best epochs so far."""

    def __init__(self, recipe: Recipe, optimizers: Mapping[str, Optimizer], card: OptimizerCard, keep: int) -> None:
        self._recipe, self._module = recipe, recipe.module
        self._optimizers, self._moments = optimizers, moments(card)
        self._kept: dict[int, State] = {}
        self._keep = keep
        self.progress = Progress()

    def finish_epoch(self, train_loss: float, validation_loss: float) -> None:
        """Take note of one more epoch, and of its weights if they are among the best so far."""
        self.progress = self.progress.after(train_loss, validation_loss)
        best = self.progress.best(self._keep)
        if self.progress.epoch in best:
            self._kept[self.progress.epoch] = get_weights(self._module)
        self._kept = {epoch: self._kept[epoch] for epoch in best}

    def best(self) -> tuple[State, ...]:
        """The weights of the best epochs, the best first."""
        return tuple(self._kept.values())

    def checkpoint(self) -> Checkpoint:
        """A copy of the present state."""
        done = self.progress
        tensors = {f"weights/{name}": array for name, array in get_weights(self._module).items()}
        for place, state in enumerate(self._kept.values()):
            tensors |= {f"best{place}/{name}": array.copy() for name, array in state.items()}
        for phase, key, name, parameter in self._each_moment():
            moment = self._optimizers[phase].state.get(parameter, {}).get(key)
            empty = torch.zeros(() if key == "step" else parameter.shape)
            tensors[f"{phase}/{key}/{name}"] = to_array(empty if moment is None else moment)
        for name, array in self._memory().items():
            tensors[f"memory/{name}"] = np.array(array)
        return Checkpoint(done.epoch, tensors, done.train_loss, done.validation_loss, done.best_epoch)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint; `CardError` if its tensors or its losses do not fit this training."""
        progress = Progress(tuple(checkpoint.train_loss), tuple(checkpoint.validation_loss))
        complete = 1 <= checkpoint.epoch == progress.epoch == len(checkpoint.validation_loss)
        if not complete or checkpoint.best_epoch != progress.best_epoch:
            raise CardError(f"checkpoint of epoch {checkpoint.epoch} does not have one loss for each epoch")
        best = progress.best(self._keep)
        memory = {name: array for name, array in checkpoint.tensors.items() if name.startswith("memory/")}
        rest = {name: array for name, array in checkpoint.tensors.items() if name not in memory}
        check_arrays(self._shapes(len(best)), rest, "checkpoint")
        if memory.keys() != {f"memory/{name}" for name in self._memory()}:
            raise CardError("checkpoint: what the training remembers is not what this model remembers")
        set_weights(self._module, _part(rest, "weights/"), "checkpoint")
        self._kept = {epoch: _part(rest, f"best{place}/") for place, epoch in enumerate(best)}
        self._restore_moments(rest)
        if self._recipe.memory is not None:
            self._recipe.memory.load_state(_part(memory, "memory/"))
        self.progress = progress

    def _restore_moments(self, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
        for phase in self._recipe.phases:
            for name, parameter in phase.module.named_parameters():
                state = {key: torch.tensor(tensors[f"{phase.name}/{key}/{name}"]) for key in self._moments}
                self._optimizers[phase.name].restore(parameter, state)

    def _each_moment(self) -> list[tuple[str, str, str, torch.nn.Parameter]]:
        return [
            (phase.name, key, name, parameter)
            for phase in self._recipe.phases
            for name, parameter in phase.module.named_parameters()
            for key in self._moments
        ]

    def _memory(self) -> Mapping[str, npt.NDArray[Any]]:
        return {} if self._recipe.memory is None else self._recipe.memory.state()

    def _shapes(self, kept: int) -> dict[str, tuple[int, ...]]:
        weights = {name: array.shape for name, array in get_weights(self._module).items()}
        parts = ("weights", *(f"best{place}" for place in range(kept)))
        shapes = {f"{part}/{name}": shape for part in parts for name, shape in weights.items()}
        for phase, key, name, parameter in self._each_moment():
            shapes[f"{phase}/{key}/{name}"] = () if key == "step" else tuple(parameter.shape)
        return shapes


def _part(tensors: Mapping[str, npt.NDArray[Any]], prefix: str) -> State:
    return {name.removeprefix(prefix): np.array(array) for name, array in tensors.items() if name.startswith(prefix)}
