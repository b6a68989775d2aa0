"""Relaxed categorical numbers: their draws, their densities and how far two distributions of them are apart.

References: Maddison, Mnih, Teh, arXiv:1611.00712 (the density is its equation 10); Jang, Gu, Poole, arXiv:1611.01144.
Numbers are kept as logarithms, for at low temperatures they are too small for a float.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["drawn_log", "gumbel", "log_density", "log_mixture"]


def gumbel(uniform: Tensor) -> Tensor:
    """Numbers of a Gumbel distribution, made of uniform ones from 0 to 1."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -torch.log(-torch.log(uniform.clamp(tiny, 1 - 1e-7)))


def drawn_log(logits: Tensor, temperature: Tensor, noise: Tensor) -> Tensor:
    """Logarithms of relaxed categorical numbers of unnormalised logarithms of probability, along the last axis.

    `noise` is of a Gumbel distribution; `temperature` has a last axis of 1.
    """
    return torch.log_softmax((logits + noise) / temperature, dim=-1)


def log_density(log_z: Tensor, logits: Tensor, temperature: Tensor) -> Tensor:
    """Logarithm of the density at z, on the simplex, without its last axis.

    lgamma(C) + (C - 1) ln tau + sum_k (l_k - (tau + 1) ln z_k) - C ln sum_k exp(l_k - tau ln z_k).
    """
    count = log_z.shape[-1]
    part = logits - temperature * log_z
    return (
        math.lgamma(count)
        + (count - 1) * torch.log(temperature[..., 0])
        + (part - log_z).sum(dim=-1)
        - count * torch.logsumexp(part, dim=-1)
    )


def log_mixture(log_z: Tensor, temperatures: Tensor) -> Tensor:
    """Logarithm of the density of an even mixture of relaxed categoricals of equal probabilities, one a temperature."""
    parts = [log_density(log_z, torch.zeros_like(log_z), t.expand(*log_z.shape[:-1], 1)) for t in temperatures]
    return torch.logsumexp(torch.stack(parts), dim=0) - math.log(len(temperatures))
