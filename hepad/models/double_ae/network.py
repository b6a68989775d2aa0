"""The network of the double autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, ClassVar

from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.double_ae import DoubleConfig
from hepad.nn.autoencoder import mirrored
from hepad.nn.blocks import distance_correlation, mean_squared_error
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows

__all__ = ["DoubleAutoencoder"]


class DoubleAutoencoder(NetworkScorer["_Network"]):
    """Two dense autoencoders without biases, ReLU after all layers but the latent and the last.

    The loss of a batch is the sum of their mean squared errors and `decorrelation` times the distance correlation of
    the two errors, of its events; so is what it validates on, in blocks of the validation's events.
    Scores: `mse1` and `mse2`, the mean squared error of each, in the input's units squared.
    """

    name: ClassVar[str] = "double_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = ("mse1", "mse2")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(DoubleConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout)

    def _build(self) -> _Network:
        return _Network(self._settings, len(self.layout.columns))

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        weight = self._settings.decorrelation

        def losses(rows: Rows, _: Noise) -> Tensor:
            errors: tuple[Tensor, Tensor] = module(rows.tensors[0])
            return errors[0] + errors[1] + weight * distance_correlation(*errors, rows.weight)

        return Recipe(module, (Phase("adam", module, lambda rows, noise: rows.mean(losses(rows, noise))),), losses)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        errors: tuple[Tensor, Tensor] = module(rows[0])
        return errors


class _Network(nn.Module):
    """The two autoencoders."""

    def __init__(self, config: DoubleConfig, width: int) -> None:
        super().__init__()
        self.first = _autoencoder(config, width)
        self.second = _autoencoder(config, width)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The mean squared error of either, shape (n,)."""
        return mean_squared_error(x, self.first(x)), mean_squared_error(x, self.second(x))


def _autoencoder(config: DoubleConfig, width: int) -> nn.Sequential:
    sizes = mirrored(width, config.layers)
    linear = {len(config.layers), len(sizes) - 1}  # the latent layer and the last, counted from 1
    modules: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(pairwise(sizes), 1):
        modules.append(nn.Linear(inputs, outputs, bias=False))
        if place not in linear:
            modules.append(nn.ReLU())
    return nn.Sequential(*modules)
