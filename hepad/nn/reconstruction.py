"""Training a network to give back its input; `hepad.nn.autoencoder` imports this when there is something to train."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from hepad.cards.analysis import TrainCard
from hepad.inputs.batch import Batch
from hepad.nn.blocks import mean_squared_error
from hepad.nn.reproducible import build_seeded
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, State
from hepad.nn.tensors import get_weights
from hepad.nn.training import Sample, train

__all__ = ["fit_reconstruction", "untrained_weights"]


def untrained_weights(build: Callable[[], nn.Module]) -> State:
    """The random weights of seed 0."""
    return get_weights(build_seeded(build, 0))


def fit_reconstruction(
    build: Callable[[], nn.Module],
    training: Batch,
    validation: Batch,
    *,
    options: TrainCard,
    seed: int,
    on_epoch: Callable[[EpochEnd], None] | None = None,
    resume: Checkpoint | None = None,
) -> tuple[State, FitReport]:
    """Train a new network on the mean squared error over the columns; its kept weights and how it went.

    Raises what `hepad.nn.training.train` raises.
    """
    samples = [Sample.of((b.x,), b.weight, what) for b, what in ((training, "training"), (validation, "validation"))]
    module = build_seeded(build, seed)

    def step(rows: tuple[Tensor, ...], _: object) -> Tensor:
        return mean_squared_error(rows[0], module(rows[0]))

    report = train(module, step, *samples, options=options, seed=seed, on_epoch=on_epoch, resume=resume)
    return get_weights(module), report
