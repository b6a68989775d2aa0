"""Latent numbers as scores: the sign that makes them grow with what an image shows."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Oriented"]

_MEMORY, _EVENTS = 0.9, 128
"""Of the covariances of a training, after so many events."""


class Oriented(nn.Module):
    """Latent numbers z, whose sign is an accident of the first weights, as scores `z1`, `z2`, ...

    They get the sign of their covariance with the number of lit pixels over the background of the training, as its last
    thousand events had it: no signal is needed to tell which end of a number is odd.
    """

    covariance: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("covariance", torch.zeros(latent))

    def remember(self, z: Tensor, x: Tensor) -> None:
        """Take note of the latent numbers (n, latent) of images of a batch of the training."""
        if self.training and len(z) > 1:
            with torch.no_grad():
                count = x.flatten(1).sum(dim=1)
                now = ((z - z.mean(dim=0)) * (count - count.mean())[:, None]).mean(dim=0)
                kept = _MEMORY ** (len(z) / _EVENTS)
                self.covariance.copy_(kept * self.covariance + (1 - kept) * now)

    def forward(self, z: Tensor) -> dict[str, Tensor]:
        """The scores by name, each of shape (n,)."""
        sign = torch.where(self.covariance < 0, -1.0, 1.0)
        return {f"z{place + 1}": column for place, column in enumerate((z * sign).unbind(dim=1))}
