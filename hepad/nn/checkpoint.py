"""Where a training stands, and taking it to and from a `Checkpoint`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from hepad.errors import CardError
from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import Checkpoint, State
from hepad.nn.tensors import get_weights, set_weights, to_array

__all__ = ["Progress", "TrainingState"]

MOMENTS = ("exp_avg", "exp_avg_sq", "step")


@dataclass(frozen=True)
class Progress:
    """Losses of the epochs done, counted from 1; `best_epoch` has the lowest validation loss (0: none done)."""

    train_loss: tuple[float, ...] = ()
    validation_loss: tuple[float, ...] = ()
    best_epoch: int = 0

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return len(self.train_loss)

    def after(self, train_loss: float, validation_loss: float) -> Progress:
        """The progress after one more epoch."""
        better = not self.best_epoch or validation_loss < self.validation_loss[self.best_epoch - 1]
        return Progress(
            (*self.train_loss, train_loss),
            (*self.validation_loss, validation_loss),
            self.epoch + 1 if better else self.best_epoch,
        )


class TrainingState:
    """The tensors of a training: weights, Adam's moments and the best weights so far."""

    def __init__(self, module: nn.Module, optimizer: torch.optim.Adam) -> None:
        self._module = module
        self._optimizer = optimizer
        self._best: State = get_weights(module)
        self.progress = Progress()

    def finish_epoch(self, train_loss: float, validation_loss: float) -> None:
        """Take note of one more epoch, and of its weights if they are the best so far."""
        self.progress = self.progress.after(train_loss, validation_loss)
        if self.progress.best_epoch == self.progress.epoch:
            self._best = get_weights(self._module)

    def recall_best(self) -> None:
        """Put the best weights back into the module."""
        set_weights(self._module, self._best, "best weights")

    def checkpoint(self) -> Checkpoint:
        """A copy of the present state."""
        done = self.progress
        tensors = {f"weights/{name}": array for name, array in get_weights(self._module).items()}
        tensors |= {f"best/{name}": array.copy() for name, array in self._best.items()}
        tensors |= self._moments()
        return Checkpoint(done.epoch, tensors, done.train_loss, done.validation_loss, done.best_epoch)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Take over a checkpoint; `CardError` if its tensors or its losses do not fit this training."""
        progress = Progress(tuple(checkpoint.train_loss), tuple(checkpoint.validation_loss), checkpoint.best_epoch)
        if not 1 <= checkpoint.best_epoch <= checkpoint.epoch == progress.epoch == len(checkpoint.validation_loss):
            raise CardError(f"checkpoint of epoch {checkpoint.epoch} does not have one loss for each epoch")
        check_arrays(self._shapes(), checkpoint.tensors, "checkpoint")
        set_weights(self._module, _part(checkpoint.tensors, "weights/"), "checkpoint")
        self._best = {name: array.copy() for name, array in _part(checkpoint.tensors, "best/").items()}
        moments = {
            index: {key: torch.tensor(checkpoint.tensors[f"adam/{key}/{name}"]) for key in MOMENTS}
            for index, (name, _) in enumerate(self._module.named_parameters())
        }
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.progress = progress

    def _moments(self) -> State:
        return {
            f"adam/{key}/{name}": to_array(self._optimizer.state[parameter][key])
            for name, parameter in self._module.named_parameters()
            for key in MOMENTS
        }

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        weights = {name: array.shape for name, array in self._best.items()}
        shapes = {f"{part}/{name}": shape for part in ("weights", "best") for name, shape in weights.items()}
        for name, parameter in self._module.named_parameters():
            moment = tuple(parameter.shape)
            shapes |= {f"adam/exp_avg/{name}": moment, f"adam/exp_avg_sq/{name}": moment, f"adam/step/{name}": ()}
        return shapes


def _part(tensors: State, prefix: str) -> State:
    return {name.removeprefix(prefix): np.asarray(array) for name, array in tensors.items() if name.startswith(prefix)}
