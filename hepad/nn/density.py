"""A density of vectors by a normalising flow: what is improbable scores high."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from hepad import registry
from hepad.cards.base import Card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.affine import Stack
from hepad.nn.conditional_flow import STEEPEST, ConditionalFlow
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise
from hepad.nn.tensors import to_array

__all__ = ["FlowDensity", "log_density"]

_BLOCK = 512
"""Events at a time."""
_LARGEST = np.float32(1e18)
"""What is farther out, or absurd, is taken to be there: its square is still a number."""


class _Settings(Card):
    blocks: int
    width: int


class FlowDensity(NetworkScorer[ConditionalFlow]):
    """A masked autoregressive flow, trained on its score `nll`: minus the logarithm of the density."""

    name: ClassVar[str] = "flow_density"
    input_kinds: ClassVar[tuple[str, ...]] = tuple(registry.INPUTS)  # the method that uses it says which it takes
    score_names: tuple[str, ...] = ("nll",)

    def __init__(self, layout: Layout, blocks: int, width: int, settings: Card | None = None) -> None:
        """`settings` are those of a model that has more of them."""
        self._steps: list[Stack] | None = None
        self._shape = (layout.size, 0, blocks, width)
        super().__init__(settings or _Settings(blocks=blocks, width=width), layout)

    def _values(self, batch: Batch) -> list[npt.NDArray[np.float32]]:
        """In numpy: of so small matrices libraries sum in an order that depends on the place of a row."""
        if self._steps is None:
            self._steps = [_stack(network) for network in self._module.steps]
        x = np.asarray(batch.x, dtype=np.float32)
        total = np.zeros(len(x), dtype=np.float32)
        for step in self._steps:
            x = np.clip(x, -_LARGEST, _LARGEST)
            shift, scale = np.moveaxis(step(x).reshape(*x.shape, 2), 2, 0)
            scale = scale / (1 + np.abs(scale / np.float32(STEEPEST)))
            x = x * np.exp(scale) + shift
            for column in scale.T:
                total += column
        for column in np.clip(x, -_LARGEST, _LARGEST).T:
            total -= np.square(column) / 2
        return [np.float32(0.5 * math.log(2 * math.pi) * x.shape[1]) - total]

    def _changed(self) -> None:
        self._steps = None

    def _build(self) -> ConditionalFlow:
        return ConditionalFlow(*self._shape)

    def _recipe(self, module: ConditionalFlow, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            return -log_density(module, rows[0])

        return Recipe.of_rows(module, step)

    def _score(self, module: ConditionalFlow, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (-log_density(module, rows[0]),)


def _stack(network: nn.Module) -> Stack:
    """The masked layers of a step."""
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Linear)]
    masks = [layer.get_buffer("mask") for layer in layers]
    arrays = [(to_array(mask * layer.weight), to_array(layer.bias)) for mask, layer in zip(masks, layers, strict=True)]
    return Stack([(weight, bias, place + 1 < len(layers)) for place, (weight, bias) in enumerate(arrays)], _BLOCK)


def log_density(module: ConditionalFlow, x: Tensor) -> Tensor:
    """The logarithm of the density (n,) of rows (n, d)."""
    density: Tensor = module.log_prob(x, x[:, :0])
    return density
