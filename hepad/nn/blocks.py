"""Building blocks of dense networks, and the losses that several models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

__all__ = ["dense_stack", "kl_divergence", "mean_squared_error"]


def dense_stack(sizes: Sequence[int], between: Callable[[int], nn.Module]) -> nn.Sequential:
    """Affine layers of the given widths with `between(width)` after each but the last."""
    modules: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        if index:
            modules.append(between(inputs))
        modules.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*modules)


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean over the columns of (x - y)^2, shape (n,)."""
    return (x - y).square().mean(dim=1)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), averaged over the latent axes, shape (n,).

    The average instead of the sum is what the authors of arXiv:2108.03986 use; it fixes the meaning of their beta.
    """
    return 0.5 * (mean.square() + torch.exp(log_variance) - log_variance - 1.0).mean(dim=1)
