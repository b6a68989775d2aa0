"""The network of the Dirichlet variational autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.dirichlet_vae import SCORES, DirichletConfig
from hepad.nn.image_scorer import ImageScorer
from hepad.nn.oriented import Oriented
from hepad.nn.sources import Noise
from hepad.nn.variational import drawn

__all__ = ["DirichletAutoencoder", "softmax_normal"]

_LOG_VARIANCE = (-20.0, 2.0)
"""Its bounds, those of the authors' code."""


class DirichletAutoencoder(ImageScorer["_Network"]):
    """A dense encoder to the weights of three pictures, whose mixture is the reconstruction; images are of sum 1.

    The weights are a softmax of Gaussian numbers, whose prior stands for a Dirichlet distribution. The loss is the
    divergence of the image from its reconstruction and `alpha` times that of the numbers from their prior; the best
    epoch has the lowest on the validation. Scores: `z1`, `z2` and `z3`, the weights at the mean, signed so that over
    the training they grow with the number of lit pixels; `sse`, `sae` and `dice` of the image and the reconstruction
    times the sum of the image.
    """

    name: ClassVar[str] = "dirichlet_vae"
    score_names: tuple[str, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(DirichletConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.scores)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1] * self.layout.shape[2])

    def _losses(self, module: _Network, x: Tensor, noise: Noise) -> Tensor:
        mean, log_variance = module.encode(x)
        module.oriented.remember(torch.softmax(mean, dim=1), x)
        return self._loss(module, x, drawn(mean, log_variance, noise), mean, log_variance)

    def _judge(self, module: _Network, x: Tensor) -> Tensor:
        mean, log_variance = module.encode(x)
        return self._loss(module, x, mean, mean, log_variance)

    def _loss(self, module: _Network, x: Tensor, latent: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
        part = _shares(x)
        error = (torch.special.xlogy(part, part) - part * module.log_mixture(latent)).sum(dim=1)
        total: Tensor = error + self._settings.alpha * module.divergence(mean, log_variance)
        return total

    def _find(self, module: _Network, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        mean, _ = module.encode(x)
        made = module.log_mixture(mean).exp() * x.flatten(1).sum(dim=1)[:, None] if decode else None
        return None if made is None else made.view_as(x), module.oriented(torch.softmax(mean, dim=1))


class _Network(nn.Module):
    """Encoder and pictures."""

    prior_mean: Tensor
    prior_variance: Tensor

    def __init__(self, config: DirichletConfig, pixels: int) -> None:
        super().__init__()
        latent = len(config.concentration)
        self.dense = nn.Linear(pixels, config.width)
        self.norm = nn.BatchNorm1d(config.width, eps=1e-3, momentum=0.01, affine=False)
        self.gain = nn.Parameter(torch.ones(config.width))
        self.mean, self.log_variance = nn.Linear(config.width, latent), nn.Linear(config.width, latent)
        self.pictures = nn.Linear(latent, pixels, bias=False)
        self.oriented = Oriented(latent)
        mean, variance = softmax_normal(config.concentration)
        for name, values in (("prior_mean", mean), ("prior_variance", variance)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32), persistent=False)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the numbers of images, each of shape (n, 3)."""
        y = self.gain * self.norm(functional.selu(self.dense(_shares(x))))
        mean: Tensor = self.mean(y)
        return mean, self.log_variance(y).clamp(*_LOG_VARIANCE)

    def log_mixture(self, latent: Tensor) -> Tensor:
        """Logarithms of the reconstruction of sum 1, of shape (n, pixels)."""
        return torch.log_softmax(self.pictures(torch.softmax(latent, dim=1)), dim=1)

    def divergence(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Of the numbers' Gaussians from those of the prior, shape (n,)."""
        ratio = (log_variance.exp() + (mean - self.prior_mean).square()) / self.prior_variance
        return 0.5 * (ratio - 1 + self.prior_variance.log() - log_variance).sum(dim=1)


def softmax_normal(concentration: tuple[float, ...]) -> tuple[Any, Any]:
    """Means and variances of Gaussian numbers whose softmax is nearly of a Dirichlet distribution (Laplace's bridge).

    ln a - mean ln a, and (1 - 2 / K) / a + sum(1 / a) / K^2 (Srivastava, Sutton, arXiv:1703.01488, section 3.2).
    """
    a = np.asarray(concentration, dtype=np.float64)
    return np.log(a) - np.log(a).mean(), (1 - 2 / len(a)) / a + (1 / a).sum() / len(a) ** 2


def _shares(x: Tensor) -> Tensor:
    """Images as parts of their sum, flat; one without lit pixels stays 0."""
    flat = x.flatten(1)
    return flat / flat.sum(dim=1, keepdim=True).clamp_min(1)
