"""The network of the variational autoencoder of an embedding, in torch."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from hepad.inputs.layout import Layout
from hepad.models.dense_vae import DenseVaeConfig
from hepad.models.dense_vae.scorer import DenseVae
from hepad.nn.blocks import kl_divergence
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise
from hepad.nn.variational import GaussianAutoencoder, drawn

__all__ = ["TorchDenseVae"]


class TorchDenseVae(NetworkScorer[GaussianAutoencoder]):
    """Dense encoder with ReLU to the mean and log variance of a Gaussian, and its mirror image; all outputs linear.

    Score `sse`: the sum over the columns of the squared difference of the input and the reconstruction of the mean.
    """

    name: ClassVar[str] = DenseVae.name
    input_kinds: ClassVar[tuple[str, ...]] = DenseVae.input_kinds
    score_names: tuple[str, ...] = DenseVae.score_names

    def __init__(self, config: DenseVaeConfig, layout: Layout) -> None:
        self._settings = config
        self._width = len(layout.columns)
        super().__init__(config, layout)

    def _build(self) -> GaussianAutoencoder:
        layers = self._settings.layers
        return GaussianAutoencoder(self._width, layers, self._settings.latent, layers[::-1])

    def _recipe(self, module: GaussianAutoencoder, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        alpha, beta, latent = self._settings.alpha, self._settings.beta, self._settings.latent

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            mean, log_variance = module.encode(rows[0])
            error = _squared_error(rows[0], module.decode(drawn(mean, log_variance, noise)))
            return alpha * (1 - beta) * error + beta * latent * kl_divergence(mean, log_variance)

        return Recipe.of_rows(module, step)

    def _score(self, module: GaussianAutoencoder, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_squared_error(rows[0], module.decode(module.encode(rows[0])[0])),)


def _squared_error(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().sum(dim=1)
