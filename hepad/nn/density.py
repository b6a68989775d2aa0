"""A density of vectors by a normalising flow: what is improbable scores high."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hepad import registry
from hepad.cards.base import Card
from hepad.inputs.layout import Layout
from hepad.nn.conditional_flow import ConditionalFlow
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise

__all__ = ["FlowDensity"]


class _Settings(Card):
    blocks: int
    width: int


class FlowDensity(NetworkScorer[ConditionalFlow]):
    """A masked autoregressive flow, trained on its score `nll`: minus the logarithm of the density."""

    name: ClassVar[str] = "flow_density"
    input_kinds: ClassVar[tuple[str, ...]] = tuple(registry.INPUTS)  # the method that uses it says which it takes
    score_names: tuple[str, ...] = ("nll",)

    def __init__(self, layout: Layout, blocks: int, width: int) -> None:
        self._shape = (layout.size, 0, blocks, width)
        super().__init__(_Settings(blocks=blocks, width=width), layout)

    def _build(self) -> ConditionalFlow:
        return ConditionalFlow(*self._shape)

    def _recipe(self, module: ConditionalFlow, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            return -_log_density(module, rows[0])

        return Recipe.of_rows(module, step)

    def _score(self, module: ConditionalFlow, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (-_log_density(module, rows[0]),)


def _log_density(module: ConditionalFlow, x: Tensor) -> Tensor:
    density: Tensor = module.log_prob(x, x[:, :0])
    return density
