"""One training loop for all networks: it is handed a `Recipe` and knows no model.

On the CPU the same seed gives the same weights bit for bit, also when a training is resumed from any of its
checkpoints: the order of the events and the noise of an epoch follow from (seed, epoch) alone, the learning rate from
the losses so far, and everything runs on one thread. Another device sums in another order: there the same seed gives
losses that agree to one or two parts in a thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hepad.cards.train import TrainCard
from hepad.errors import CardError, FitFailedError
from hepad.nn.checkpoint import Progress, TrainingState
from hepad.nn.optimizer import Optimizer
from hepad.nn.recipe import Phase, Recipe, learning_rate
from hepad.nn.reproducible import Stream, generator, single_thread
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, State
from hepad.nn.sources import Noise, Source
from hepad.nn.tensors import get_weights, set_weights

__all__ = ["Trained", "train"]

VALIDATION_ROWS = 8192

_LEAST_NORM = 1e-6  # of torch.nn.utils.clip_grad_norm_


@dataclass(frozen=True)
class Trained:
    """How a training went, and the weights that it keeps: those of the card's `keep_epochs` epochs, the best first."""

    report: FitReport
    states: tuple[State, ...]


def train(
    recipe: Recipe,
    training: Source,
    validation: Source,
    *,
    options: TrainCard,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[EpochEnd], None] | None = None,
    resume: Checkpoint | None = None,
) -> Trained:
    """Train the module of a recipe and leave the kept weights in it, on the CPU.

    With `options.patience` None all epochs are run, otherwise training stops after so many epochs without a lower
    validation loss. The weights of the last epoch are kept or of the best, as the card says. `resume` goes on after a
    checkpoint of the same training.
    Raises `FitFailedError` naming the epoch if a loss is not finite, `CardError` if the checkpoint does not fit or the
    loss is not one that `rows_at_once` can add up.
    """
    _check_in_parts(recipe, options)
    recipe.module.to(device)
    epochs = _Epochs(recipe, options, seed, torch.device(device))
    state = TrainingState(recipe, epochs.optimizers, options.optimizer, options.keep_epochs)
    if resume:
        state.restore(resume)
    with single_thread():
        while not _finished(state.progress, options):
            epoch = state.progress.epoch + 1
            train_loss = epochs.train(training, epoch, state.progress)
            validation_loss = epochs.validate(validation)
            _check_finite(epoch, train_loss, validation_loss)
            state.finish_epoch(train_loss, validation_loss)
            if on_epoch:
                on_epoch(EpochEnd(epoch, options.epochs, train_loss, validation_loss, state.checkpoint))
    recipe.module.to("cpu").eval()
    if options.keeps_best:
        set_weights(recipe.module, state.best()[0], "best weights")
    done = state.progress
    kept = done.best_epoch if options.keeps_best else done.epoch
    states = state.best() if options.keeps_best else (get_weights(recipe.module),)
    report = FitReport(done.train_loss, done.validation_loss, kept, stopped_early=done.epoch < options.epochs)
    return Trained(report, states)


def _finished(done: Progress, options: TrainCard) -> bool:
    exhausted = options.patience is not None and done.epoch - done.best_epoch >= options.patience
    return exhausted or done.epoch >= options.epochs


class _Epochs:
    """The two halves of an epoch; all random numbers follow from `seed` and the epoch."""

    def __init__(self, recipe: Recipe, options: TrainCard, seed: int, device: torch.device) -> None:
        self._recipe, self._options, self._seed, self._device = recipe, options, seed, device
        self._at_once = options.rows_at_once if self._device.type == "cpu" else None
        self.optimizers = {
            phase.name: Optimizer(options.optimizer, list(phase.module.parameters())) for phase in recipe.phases
        }

    def train(self, source: Source, epoch: int, done: Progress) -> float:
        """Mean loss of the first phase over the epoch, each batch before its update."""
        self._recipe.module.train()
        noise = self._noise(Stream.NOISE, epoch)
        order = torch.randperm(len(source), generator=generator(self._seed, Stream.ORDER, epoch))
        batches = _batches(order, self._options.batch_size)
        losses: list[Tensor] = []
        for place, which in enumerate(batches):
            rate = learning_rate(self._options, epoch - 1 + (place + 0.5) / len(batches), done.validation_loss)
            rows = source.rows(which, self._device)
            for phase in self._recipe.phases:
                if place % phase.every:
                    continue
                loss = self._update(phase, phase.losses(rows, noise, self._at_once), rate)
                if phase is self._recipe.phases[0]:
                    losses.append(loss * (len(rows) * phase.every))
        return float(torch.stack(losses).cpu().double().sum()) / len(source)

    def _update(self, phase: Phase, losses: Iterator[Tensor], rate: float) -> Tensor:
        """Follow the gradient of the sum of losses, of which one at a time is in memory; gives the sum."""
        optimizer = self.optimizers[phase.name]
        optimizer.zero_grad()
        total: Tensor | None = None
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
            total = loss.detach() if total is None else total + loss.detach()
        if self._options.clip_each is not None:
            _clip_each(phase.module, self._options.clip_each)
        if self._options.clip_norm is not None:
            nn.utils.clip_grad_norm_(phase.module.parameters(), self._options.clip_norm)
        optimizer.step(rate)
        assert total is not None  # noqa: S101  a batch has rows
        return total

    def validate(self, source: Source) -> float:
        """Mean of the validation; the noise is the same in each epoch, so that epochs can be compared."""
        self._recipe.module.eval()
        noise = self._noise(Stream.VALIDATION)
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(source), VALIDATION_ROWS):
                rows = source.rows(slice(start, start + VALIDATION_ROWS), self._device)
                total += float(rows.total(self._recipe.validate(rows, noise)))
        return total / len(source)

    def _noise(self, stream: Stream, epoch: int = 0) -> Noise:
        return Noise(generator(self._seed, stream, epoch), self._device)


def _clip_each(module: nn.Module, most: float) -> None:
    """Bound the norm of the gradient of each tensor of weights: `clip_grad_norm_` of each by itself, all in one go."""
    gradients = [weights.grad for weights in module.parameters() if weights.grad is not None]
    norms = torch.stack(torch._foreach_norm(gradients))  # noqa: SLF001  as torch's own clipping calls it
    factors = (most / (norms + _LEAST_NORM)).clamp(max=1.0)
    torch._foreach_mul_(gradients, list(factors.unbind()))


def _check_in_parts(recipe: Recipe, options: TrainCard) -> None:
    if options.rows_at_once is not None and any(phase.in_parts is None for phase in recipe.phases):
        raise CardError(
            f"train.rows_at_once is {options.rows_at_once}, but the loss of this model is one of whole batches: "
            "leave it out, or train with a smaller batch_size"
        )


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
