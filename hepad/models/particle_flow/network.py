"""The particle flow network, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import SET, Layout
from hepad.models.particle_flow import FlowNetworkConfig
from hepad.nn.blocks import dense_stack
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import FitReport, TrainingData, check_batch
from hepad.nn.sources import Noise
from hepad.nn.supervised import LABEL, labelled

__all__ = ["ParticleFlowNetwork"]


class ParticleFlowNetwork(NetworkScorer["_Network"]):
    """The same dense layers for each particle, the sum over the particles, and a classifier of the sum; ReLU after all.

    The loss is the binary cross entropy of a signal (`hepad train --against`) and background, which weigh the same. The
    embedding is the sum, its mean and variance over the events of the training taken to 0 and 1.
    Score `log_odds`: the logarithm of the ratio of the densities of signal and background at the event.
    """

    name: ClassVar[str] = "particle_flow"
    input_kinds: ClassVar[tuple[str, ...]] = ("particle_set",)
    score_names: tuple[str, ...] = ("log_odds",)
    supervised: ClassVar[bool] = True
    block: ClassVar[int] = 128

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(FlowNetworkConfig, dict(config), f"model {self.name}")
        if layout.axes != SET:
            raise CardError(f"model {self.name} takes sets, not an input of axes {', '.join(layout.axes)}")
        super().__init__(self._settings, layout)

    @property
    def embedding_layout(self) -> Layout:
        """`z1`, `z2`, ..."""
        return Layout.vector([f"z{i + 1}" for i in range(self._settings.particle[-1])])

    def embed(self, batch: Batch) -> npt.NDArray[Any]:
        """The embeddings, of shape (n, particle[-1])."""
        check_batch(self, batch)
        module = self._module
        arrays = self._arrays(batch)[:2]
        (values,) = evaluate(
            module, lambda x, there: (module.embed(x, there),), arrays, 1, block=self.block, device=self._device
        )
        return values

    def fit(self, data: TrainingData, **how: Any) -> FitReport:
        """Train on signal against background; see `hepad.nn.network.NetworkScorer.fit`."""
        return super().fit(labelled(self, data), **how)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1])

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        seen = (batch.x, batch.there[:, :, 0].astype("float32"))
        return (*seen, batch.beside[LABEL]) if LABEL in batch.beside else seen

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            x, there, label = rows
            return binary_cross_entropy_with_logits(module(x, there), label, reduction="none")

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (module(rows[0], rows[1]),)


class _Network(nn.Module):
    """Layers of a particle, the sum, its normalisation, layers of the classifier."""

    def __init__(self, config: FlowNetworkConfig, features: int) -> None:
        super().__init__()
        self.particle = dense_stack((features, *config.particle), lambda _: nn.ReLU()).append(nn.ReLU())
        self.scale = nn.BatchNorm1d(config.particle[-1], affine=False)
        self.classifier = dense_stack((config.particle[-1], *config.layers, 1), lambda _: nn.ReLU())

    def embed(self, x: Tensor, there: Tensor) -> Tensor:
        """The normalised sums, of shape (n, particle[-1]), of particles of shape (n, k, features)."""
        result: Tensor = self.scale(self._sum(x, there))
        return result

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        """The log-odds that a set is signal, shape (n,)."""
        result: Tensor = self.classifier(self.embed(x, there))[:, 0]
        return result

    def _sum(self, x: Tensor, there: Tensor) -> Tensor:
        if not self.training:  # all rows, so that a set's result does not depend on how many particles others have
            every: Tensor = self.particle(x)
            return (every * there[:, :, None]).sum(dim=1)
        present = there > 0
        owner = torch.arange(len(x), device=x.device).repeat_interleave(present.sum(dim=1))
        values: Tensor = self.particle(x[present])
        total = torch.zeros(len(x), values.shape[1], device=x.device)
        return total.index_add(0, owner, values)
