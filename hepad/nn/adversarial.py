"""The game of a generator and a discriminator: losses of the discriminator's log-odds that an event is real."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import softplus

__all__ = ["discriminator_loss", "generator_loss"]


def discriminator_loss(real: Tensor, made: Tensor) -> Tensor:
    """-ln D(real) - ln(1 - D(made)) of log-odds, each of shape (n,)."""
    return softplus(-real) + softplus(made)


def generator_loss(made: Tensor) -> Tensor:
    """-ln D(made) of log-odds of shape (n,): the form whose gradient does not vanish (arXiv:1406.2661, section 3)."""
    return softplus(-made)
