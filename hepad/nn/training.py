"""One training loop for all networks: it is handed a `step` and knows no model.

The same seed gives the same weights bit for bit, also when a training is resumed from any of its checkpoints: the
order of the events and the noise of an epoch follow from (seed, epoch) alone, and everything runs on one thread.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.cards.analysis import TrainCard
from hepad.errors import FitFailedError
from hepad.nn.checkpoint import Progress, TrainingState
from hepad.nn.reproducible import Stream, generator, single_thread
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport

__all__ = ["Sample", "Step", "train"]

Step = Callable[[tuple[Tensor, ...], torch.Generator], Tensor]
"""Given the rows of a sample's tensors and a generator for noise, the loss of each row, shape (n,)."""

VALIDATION_ROWS = 8192


@dataclass(frozen=True)
class Sample:
    """Events to train or validate on: tensors whose first axis is the events', and weights of mean 1 (None: equal)."""

    tensors: tuple[Tensor, ...]
    weight: Tensor | None

    def __len__(self) -> int:
        return len(self.tensors[0])

    @classmethod
    def of(cls, arrays: Sequence[npt.NDArray[np.float32]], weight: npt.NDArray[np.float64], what: str) -> Sample:
        """Copy arrays into tensors; `FitFailedError` naming `what` for no events or weights of no positive sum."""
        if len(weight) == 0:
            raise FitFailedError(f"there are no {what} events")
        total = float(weight.sum())
        if not (math.isfinite(total) and total > 0):
            raise FitFailedError(f"the weights of the {what} events sum to {total:g}, not to a positive number")
        equal = bool((weight == weight[0]).all())
        relative = None if equal else torch.tensor(weight * (len(weight) / total), dtype=torch.float32)
        return cls(tuple(torch.tensor(array) for array in arrays), relative)

    def loss(self, step: Step, rows: Tensor | slice, noise: torch.Generator) -> Tensor:
        """Sum over the given rows of weight times loss."""
        losses = step(tuple(tensor[rows] for tensor in self.tensors), noise)
        return losses.sum() if self.weight is None else (losses * self.weight[rows]).sum()


def train(
    module: nn.Module,
    step: Step,
    training: Sample,
    validation: Sample,
    *,
    options: TrainCard,
    seed: int,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    resume: Checkpoint | None = None,
) -> FitReport:
    """Train `module` with Adam and leave the kept weights in it.

    With `options.patience` None all epochs are run and the last weights are kept, as in the papers that train for a
    fixed number of epochs. Otherwise training stops after `patience` epochs without a lower validation loss, and the
    weights of the lowest are kept. `resume` goes on after a checkpoint of the same training.
    Raises `FitFailedError` naming the epoch if a loss is not finite, `CardError` if the checkpoint does not fit.
    """
    optimizer = torch.optim.Adam(module.parameters(), lr=options.learning_rate, fused=True)
    epochs = _Epochs(module, optimizer, step, seed)
    state = TrainingState(module, optimizer)
    if resume:
        state.restore(resume)
    with single_thread():
        while not _finished(state.progress, options):
            epoch = state.progress.epoch + 1
            train_loss = epochs.train(training, options.batch_size, epoch)
            validation_loss = epochs.validate(validation)
            _check_finite(epoch, train_loss, validation_loss)
            state.finish_epoch(train_loss, validation_loss)
            if on_epoch:
                on_epoch(EpochEnd(epoch, options.epochs, train_loss, validation_loss, state.checkpoint))
    if options.patience is not None:
        state.recall_best()
    module.eval()
    done = state.progress
    kept = done.epoch if options.patience is None else done.best_epoch
    return FitReport(done.train_loss, done.validation_loss, kept, stopped_early=done.epoch < options.epochs)


def _finished(done: Progress, options: TrainCard) -> bool:
    exhausted = options.patience is not None and done.epoch - done.best_epoch >= options.patience
    return exhausted or done.epoch >= options.epochs


@dataclass(frozen=True)
class _Epochs:
    """The two halves of an epoch; all random numbers follow from `seed` and the epoch."""

    module: nn.Module
    optimizer: torch.optim.Optimizer
    step: Step
    seed: int

    def train(self, sample: Sample, batch_size: int, epoch: int) -> float:
        """Mean loss over the epoch, each batch before its update."""
        self.module.train()
        noise = generator(self.seed, Stream.NOISE, epoch)
        order = torch.randperm(len(sample), generator=generator(self.seed, Stream.ORDER, epoch))
        total = torch.zeros((), dtype=torch.float64)
        for rows in _batches(order, batch_size):
            self.optimizer.zero_grad(set_to_none=True)
            loss = sample.loss(self.step, rows, noise)
            (loss / len(rows)).backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            total += loss.detach()
        return float(total) / len(sample)

    def validate(self, sample: Sample) -> float:
        """Mean loss; the noise is the same in each epoch, so that epochs can be compared."""
        self.module.eval()
        noise = generator(self.seed, Stream.VALIDATION)
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(sample), VALIDATION_ROWS):
                total += float(sample.loss(self.step, slice(start, start + VALIDATION_ROWS), noise))
        return total / len(sample)


def _batches(order: Tensor, size: int) -> list[Tensor]:
    batches = list(torch.split(order, size))
    if len(batches) > 1 and len(batches[-1]) == 1 < size:  # batch normalisation has no variance for one event
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _check_finite(epoch: int, train_loss: float, validation_loss: float) -> None:
    for what, loss in (("training", train_loss), ("validation", validation_loss)):
        if not math.isfinite(loss):
            raise FitFailedError(
                f"the {what} loss is {loss} in epoch {epoch}: lower the learning rate, or look for non-finite inputs"
            )
