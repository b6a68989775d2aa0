"""The network of the variational autoencoder, in torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.models.vae import ScoreName, VariationalConfig
from hepad.models.vae.scorer import EPSILON, SLOPE, VariationalAutoencoder
from hepad.nn.blocks import dense_stack, kl_divergence
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData
from hepad.nn.sources import Noise
from hepad.nn.variational import bounded_log_variance, drawn

__all__ = ["TorchVae"]


class TorchVae(NetworkScorer["_Network"]):
    """What of `hepad.models.vae.scorer.VariationalAutoencoder` needs torch; the same scores, otherwise rounded."""

    name: ClassVar[str] = VariationalAutoencoder.name
    input_kinds: ClassVar[tuple[str, ...]] = VariationalAutoencoder.input_kinds

    def __init__(self, config: VariationalConfig, layout: Layout, limits: Sequence[float]) -> None:
        """`limits` of the columns of the output, infinite where it is linear."""
        self._variational, self._limits = config, limits
        self.score_names: tuple[ScoreName, ...] = config.scores
        super().__init__(config, layout)

    def _build(self) -> _Network:
        return _Network(self._variational, self._limits)

    def _arrays(self, batch: Batch) -> tuple[npt.NDArray[Any], ...]:
        return batch.x, batch.there.astype("float32")

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        beta = self._variational.beta

        def step(rows: tuple[Tensor, ...], noise: Noise) -> Tensor:
            x, mask = rows
            mean, log_variance = module.encode(x)
            latent = drawn(mean, log_variance, noise)
            error = _masked_error(x, module.decode(latent), mask)
            return (1 - beta) * error + beta * kl_divergence(mean, log_variance)

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x, mask = rows
        mean, log_variance = module.encode(x)
        squares = mean.square()
        values = {
            "kl": kl_divergence(mean, log_variance),
            "r": (squares * torch.exp(-log_variance)).sum(dim=1),
            "mu2": squares.sum(dim=1),
        }
        if "mse" in self.score_names:
            values["mse"] = _masked_error(x, module.decode(mean), mask)
        return tuple(values[name] for name in self.score_names)


class _Network(nn.Module):
    """Encoder and decoder; batch normalisation of the input and before each activation, as in the authors' code."""

    bounded: Tensor
    limits: Tensor

    def __init__(self, config: VariationalConfig, limits: Sequence[float]) -> None:
        super().__init__()
        width, layers = len(limits), config.layers
        self.normalise = _normalisation(width)
        self.encoder = dense_stack((width, *layers, 2 * config.latent), _activation)
        self.decoder = dense_stack((config.latent, *reversed(layers), width), _activation)
        # Not persistent, so not among the weights: both follow from columns and configuration.
        bounded = torch.tensor([math.isfinite(limit) for limit in limits])
        self.register_buffer("bounded", bounded, persistent=False)
        self.register_buffer("limits", torch.where(bounded, torch.tensor(limits), 1.0), persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latent Gaussian, each of shape (n, latent)."""
        mean, log_variance = self.encoder(self.normalise(x)).chunk(2, dim=1)
        return mean, bounded_log_variance(log_variance)

    def decode(self, latent: Tensor) -> Tensor:
        """Reconstructed columns: pt as it comes, eta and phi within their limits."""
        raw: Tensor = self.decoder(latent)
        return torch.where(self.bounded, self.limits * torch.tanh(raw), raw)


def _normalisation(width: int) -> nn.BatchNorm1d:
    # The authors' momentum of 0.99 (0.01 in torch's sense) needs hundreds of batches
    # before the running statistics forget their start; torch's default has the same limit.
    return nn.BatchNorm1d(width, eps=EPSILON)


def _activation(width: int) -> nn.Module:
    return nn.Sequential(_normalisation(width), nn.LeakyReLU(SLOPE))


def _masked_error(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    return ((x - y) * mask).square().mean(dim=1)
