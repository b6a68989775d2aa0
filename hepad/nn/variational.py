"""What dense variational autoencoders share in torch: the network and its noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hepad.nn.blocks import dense_stack
from hepad.nn.score_rules import LARGEST_LOG_VARIANCE
from hepad.nn.sources import Noise

__all__ = ["GaussianAutoencoder", "bounded_log_variance", "drawn"]


def bounded_log_variance(x: Tensor) -> Tensor:
    """Log variances within what their exponential can take."""
    return x.clamp(-LARGEST_LOG_VARIANCE, LARGEST_LOG_VARIANCE)


def drawn(mean: Tensor, log_variance: Tensor, noise: Noise) -> Tensor:
    """Numbers drawn from Gaussians, as a function of their means and log variances."""
    return mean + torch.exp(0.5 * log_variance) * noise.normal(*mean.shape)


class GaussianAutoencoder(nn.Module):
    """Dense encoder to the mean and log variance of a Gaussian, and dense decoder; ReLU between layers."""

    def __init__(self, width: int, layers: Sequence[int], latent: int, decoder: Sequence[int]) -> None:
        super().__init__()
        self.encoder = dense_stack((width, *layers, 2 * latent), lambda _: nn.ReLU())
        self.decoder = dense_stack((latent, *decoder, width), lambda _: nn.ReLU())

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance, each of shape (n, latent)."""
        mean, log_variance = self.encoder(x).chunk(2, dim=1)
        return mean, bounded_log_variance(log_variance)

    def decode(self, latent: Tensor) -> Tensor:
        """The reconstruction, of shape (n, width)."""
        result: Tensor = self.decoder(latent)
        return result
