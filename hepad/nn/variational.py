"""What dense variational autoencoders share: the network, its noise, and its encoder as layers for the trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.nn.blocks import dense_stack
from hepad.nn.layers import After, Layer
from hepad.nn.score_rules import LARGEST_LOG_VARIANCE
from hepad.nn.scorer import State
from hepad.nn.sources import Noise

__all__ = ["GaussianAutoencoder", "bounded_log_variance", "dense_layers", "drawn", "with_layers"]


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


def dense_layers(
    state: Mapping[str, npt.NDArray[Any]], prefix: str, count: int, kept: int | None = None, last: After = "linear"
) -> tuple[Layer, ...]:
    """The first `count` affine layers of a stack with ReLU between them, in float64; `kept` outputs of the last.

    `last` is what follows the last one.
    """
    layers = []
    for i in range(count):
        weight, bias = (state[f"{prefix}.{2 * i}.{part}"].astype(np.float64) for part in ("weight", "bias"))
        rows = slice(kept) if i == count - 1 else slice(None)
        layers.append(Layer(weight[rows], bias[rows], last if i == count - 1 else "relu"))
    return tuple(layers)


def with_layers(state: State, prefix: str, layers: Sequence[Layer]) -> State:
    """The state with these layers in their places; outputs that the last one lacks stay as they are."""
    state = dict(state)
    for i, layer in enumerate(layers):
        for part, values in (("weight", layer.weight), ("bias", layer.bias)):
            name = f"{prefix}.{2 * i}.{part}"
            state[name] = np.concatenate([values.astype(np.float32), state[name][len(values) :]])
    return state
