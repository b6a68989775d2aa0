"""The network of a model of somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise
from hepad_tiny import TinyConfig


class TinyScorer(NetworkScorer[nn.Sequential]):
    """Two linear layers; score `mse`."""

    name: ClassVar[str] = "tiny_linear"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = ("mse",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._tiny = parse_card(TinyConfig, dict(config), f"model {self.name}")
        super().__init__(self._tiny, layout)

    def _build(self) -> nn.Sequential:
        width = self.layout.size
        return nn.Sequential(nn.Linear(width, self._tiny.latent), nn.Linear(self._tiny.latent, width))

    def _recipe(self, module: nn.Sequential, data: TrainingData) -> Recipe:
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            return (module(rows[0]) - rows[0]).square().mean(dim=1)

        return Recipe.of_rows(module, step)

    def _score(self, module: nn.Sequential, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return ((module(rows[0]) - rows[0]).square().mean(dim=1),)
