"""The network of the embedding by VICReg, in torch."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.vicreg import VicregConfig
from hepad.models.vicreg.scorer import VicregEmbedding
from hepad.nn.blocks import dense_stack
from hepad.nn.hardware_scale import HardwareScale
from hepad.nn.momenta import object_columns
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Phase, Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise, Rows
from hepad.nn.vicreg import vicreg_terms
from hepad.nn.views import blurred, object_of_column, turned, turns, without_objects

__all__ = ["TorchVicreg"]


class TorchVicreg(NetworkScorer["_Network"]):
    """Integers scaled by powers of two, and dense layers with a ReLU after each; trained to embed views alike.

    Score `z2`: the sum of the squares of the embedding, which a chain does not use.
    """

    name: ClassVar[str] = VicregEmbedding.name
    input_kinds: ClassVar[tuple[str, ...]] = VicregEmbedding.input_kinds
    score_names: tuple[str, ...] = VicregEmbedding.score_names

    def __init__(self, config: VicregConfig, layout: Layout) -> None:
        self._settings = config
        self._owner = object_of_column(object_columns(layout, self.name), layout.size)
        super().__init__(config, layout)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.size)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return batch.x, batch.there.astype("float32")

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:
        module.scale.learn(data.train.x, self.layout.slots)
        settings, around, owner = self._settings, turns(self.layout), self._owner

        def view(x: Tensor, there: Tensor, noise: Noise) -> Tensor:
            rotated = module.scale(turned(x, there, around.to(x.device), noise, settings.rotation))
            mixed = blurred(
                rotated,
                noise,
                probability=settings.blur,
                strength=settings.blur_strength,
                magnitude=settings.blur_magnitude,
            )
            return without_objects(mixed, owner.to(x.device), noise, settings.mask)

        def loss(rows: Rows, noise: Noise) -> Tensor:
            x, there = rows.tensors
            one, two = (module.projector(module.backbone(view(x, there, noise))) for _ in range(2))
            terms = vicreg_terms(one, two, rows.weight)
            weights = (settings.similarity, settings.deviation, settings.covariance)
            return torch.stack([weight * term for weight, term in zip(weights, terms, strict=True)]).sum()

        def validate(rows: Rows, noise: Noise) -> Tensor:
            return loss(rows, noise).expand(len(rows))

        return Recipe(module, (Phase("adam", module, loss),), validate)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module(rows[0]).square().sum(dim=1),)


class _Network(nn.Module):
    """Scale, embedding, and the projector that the loss looks through."""

    def __init__(self, config: VicregConfig, width: int) -> None:
        super().__init__()
        self.scale = HardwareScale(width)
        self.backbone = dense_stack((width, *config.layers), lambda _: nn.ReLU()).append(nn.ReLU())
        sizes = (config.layers[-1], *config.projector)
        self.projector = dense_stack(sizes, _normalised).append(_normalised(sizes[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """The embedding of integers, of shape (n, layers[-1])."""
        result: Tensor = self.backbone(self.scale(x))
        return result


def _normalised(width: int) -> nn.Module:
    return nn.Sequential(nn.BatchNorm1d(width), nn.ReLU())
