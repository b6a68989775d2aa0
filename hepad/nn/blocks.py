"""Building blocks of dense networks, and the losses that several models share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hepad.nn.sources import Noise

__all__ = ["chamfer_distance", "dense_stack", "distance_correlation", "dropped", "kl_divergence", "mean_squared_error"]


def dense_stack(sizes: Sequence[int], between: Callable[[int], nn.Module]) -> nn.Sequential:
    """Affine layers of the given widths with `between(width)` after each but the last."""
    modules: list[nn.Module] = []
    for index, (inputs, outputs) in enumerate(pairwise(sizes)):
        if index:
            modules.append(between(inputs))
        modules.append(nn.Linear(inputs, outputs))
    return nn.Sequential(*modules)


def dropped(x: Tensor, noise: Noise | None, share: float) -> Tensor:
    """x with a share of its numbers set to 0 and the others scaled up, by the training's own random numbers."""
    if noise is None or not share:
        return x
    return x * (noise.uniform(*x.shape) >= share) / (1 - share)


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """Mean over the columns of (x - y)^2, shape (n,)."""
    return (x - y).square().mean(dim=1)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Kullback-Leibler divergence of N(mean, variance) from N(0, 1), averaged over the latent axes, shape (n,).

    The average instead of the sum is what the authors of arXiv:2108.03986 use; it fixes the meaning of their beta.
    """
    return 0.5 * (mean.square() + torch.exp(log_variance) - log_variance - 1.0).mean(dim=1)


def chamfer_distance(x: Tensor, y: Tensor) -> Tensor:
    """Sum over the objects of two sets (n, a, f) and (n, b, f) of the squared distance to the nearest of the other set,
    shape (n,).
    """
    distances = (x[:, :, None, :] - y[:, None, :, :]).square().sum(dim=3)
    return distances.amin(dim=2).sum(dim=1) + distances.amin(dim=1).sum(dim=1)


def distance_correlation(x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Squared distance correlation of two numbers of n events, of shape (n,) each: 0 if independent, at most 1.

    sum(ab) / sqrt(sum(aa) sum(bb)) with a, b the doubly centred distances of all pairs (Szekely, Rizzo, Bakirov, Ann.
    Statist. 35 (2007) 2769), pairs weighted by the product of their events' `weight`. Where all are equal it is 0.
    """
    part = torch.full_like(x, 1 / len(x)) if weight is None else weight / weight.sum()
    a, b = _centred_distances(x, part), _centred_distances(y, part)
    pairs = part[:, None] * part[None, :]
    product, first, second = (pairs * a * b).sum(), (pairs * a * a).sum(), (pairs * b * b).sum()
    tiny = torch.finfo(x.dtype).tiny
    return product / torch.sqrt((first * second).clamp_min(tiny))


def _centred_distances(x: Tensor, part: Tensor) -> Tensor:
    """Distances of all pairs less their weighted means by row and by column, shape (n, n)."""
    distances = (x[:, None] - x[None, :]).abs()
    rows = distances @ part
    return distances - rows[:, None] - rows[None, :] + rows @ part
