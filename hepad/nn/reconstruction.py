"""Fitting one network; what scores without torch imports this when there is something to train."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy.typing as npt
from torch import Tensor, nn

from hepad.cards.train import TrainCard
from hepad.inputs.batch import Batch
from hepad.nn.blocks import mean_squared_error
from hepad.nn.recipe import Recipe
from hepad.nn.reproducible import build_seeded
from hepad.nn.scorer import Checkpoint, EpochEnd, FitReport, State, TrainingData
from hepad.nn.sources import ArraySource
from hepad.nn.tensors import get_weights
from hepad.nn.training import Trained, train

__all__ = ["fit_network", "fit_weights", "reconstruction_recipe", "untrained_weights"]

Network = TypeVar("Network", bound=nn.Module)
Arrays = Callable[[Batch], tuple[npt.NDArray[Any], ...]]


def untrained_weights(build: Callable[[], nn.Module]) -> State:
    """The random weights of seed 0."""
    return get_weights(build_seeded(build, 0))


def fit_network(
    build: Callable[[], Network],
    recipe: Callable[[Network], Recipe],
    arrays: Arrays,
    data: TrainingData,
    *,
    options: TrainCard,
    seed: int,
    device: str = "cpu",
    on_epoch: Callable[[EpochEnd], None] | None = None,
    resume: Checkpoint | None = None,
) -> tuple[Network, Trained]:
    """Build a network by the seed and train it by its recipe; the network with its kept weights, and how it went.

    `arrays` are those of a batch that the network sees. Raises what `hepad.nn.training.train` raises.
    """
    parts = ((data.train, "training"), (data.validation, "validation"))
    sources = [ArraySource.of(arrays(batch), batch.weight, what) for batch, what in parts]
    module = build_seeded(build, seed)
    done = train(recipe(module), *sources, options=options, seed=seed, device=device, on_epoch=on_epoch, resume=resume)
    return module, done


def reconstruction_recipe(module: nn.Module) -> Recipe:
    """How to train a network on the mean squared error of its output from its input."""

    def step(rows: tuple[Tensor, ...], _: object) -> Tensor:
        return mean_squared_error(rows[0], module(rows[0]))

    return Recipe.of_rows(module, step)


def fit_weights(
    build: Callable[[], nn.Module], recipe: Callable[[nn.Module], Recipe], data: TrainingData, **how: Any
) -> tuple[State, FitReport]:
    """Train a new network of one input by its recipe; its kept weights and how it went.

    `how` is the rest of what `fit_network` takes.
    """
    _, done = fit_network(build, recipe, lambda batch: (batch.x,), data, **how)
    return done.states[0], done.report
