"""How a model is trained, apart from the loop: its losses, its learning rate, and what it validates on."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt
from torch import Tensor, nn

from hepad.cards.train import ScheduleCard, TrainCard
from hepad.nn.sources import Noise, Rows

__all__ = ["Memory", "Phase", "Recipe", "Step", "knows_the_batch", "learning_rate"]

Step = Callable[[tuple[Tensor, ...], Noise], Tensor]
"""Given the tensors of some rows and noise, the loss of each row, shape (n,)."""


class Memory(Protocol):
    """What a training remembers besides weights and moments: replay buffers, running averages, augmentations."""

    def state(self) -> Mapping[str, npt.NDArray[Any]]:
        """All of it, as arrays whose names and shapes do not change during a training."""
        ...

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take what `state` gave."""
        ...


@dataclass(frozen=True)
class Phase:
    """A step of each batch with an optimiser of its own: one for most models, two for a game of two networks.

    `loss` gives a scalar, the mean over the rows or any function of the whole batch; the parameters of `module` follow
    its gradient. A phase may be left out of most batches: it is done `every` so many. `in_parts` gives losses of at
    most so many rows at a time that add up to that of the batch; None if they cannot.
    """

    name: str
    module: nn.Module
    loss: Callable[[Rows, Noise], Tensor]
    every: int = 1
    in_parts: Callable[[Rows, Noise, int], Iterator[Tensor]] | None = None

    def losses(self, rows: Rows, noise: Noise, at_once: int | None) -> Iterator[Tensor]:
        """The loss of the batch, or what adds up to it."""
        if at_once is None or self.in_parts is None:
            yield self.loss(rows, noise)
        else:
            yield from self.in_parts(rows, noise, at_once)


@dataclass(frozen=True)
class Recipe:
    """All that the loop needs to know of a model.

    `module` holds all weights that are kept. `validate` gives a number for each row, shape (n,), whose mean decides
    which epoch is the best: lower is better. The loss that a report shows is that of the first phase.
    """

    module: nn.Module
    phases: tuple[Phase, ...]
    validate: Callable[[Rows, Noise], Tensor]
    memory: Memory | None = None

    @classmethod
    def of_rows(cls, module: nn.Module, step: Step) -> Recipe:
        """The recipe of a model whose loss is a mean over rows, and is what it validates on."""

        def loss(rows: Rows, noise: Noise) -> Tensor:
            return rows.mean(step(rows.tensors, noise))

        def in_parts(rows: Rows, noise: Noise, at_once: int) -> Iterator[Tensor]:
            for part in rows.parts(at_once):
                yield part.total(step(part.tensors, noise)) / len(rows)

        phase = Phase("adam", module, loss, in_parts=None if knows_the_batch(module) else in_parts)
        return cls(module, (phase,), lambda rows, noise: step(rows.tensors, noise))


def knows_the_batch(module: nn.Module) -> bool:
    """Whether what it makes of an event follows from the others."""
    return any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in module.modules())  # noqa: SLF001


def learning_rate(options: TrainCard, done: float, validation_loss: Sequence[float]) -> float:
    """The learning rate after `done` epochs (a fraction within one) and the validation losses of those complete.

    It follows from these alone, so that a resumed training needs to remember nothing more.
    """
    card = options.schedule
    factor = min(1.0, done / card.warmup_epochs) if card.warmup_epochs else 1.0
    if card.name == "cosine":
        rest = max(options.epochs - card.warmup_epochs, 1)
        factor *= card.floor + (1 - card.floor) * (1 + math.cos(math.pi * _after(done, card) / rest)) / 2
    elif card.name == "plateau":
        factor *= max(card.floor, card.factor ** _plateaus(validation_loss, card.patience))
    return options.learning_rate * factor


def _after(done: float, card: ScheduleCard) -> float:
    return max(done - card.warmup_epochs, 0.0)


def _plateaus(losses: Sequence[float], patience: int) -> int:
    """How often `patience` epochs went by without a lower loss."""
    best, waited, count = math.inf, 0, 0
    for loss in losses:
        best, waited = (loss, 0) if loss < best else (best, waited + 1)
        if waited >= patience:
            count, waited = count + 1, 0
    return count
