"""Contrastive losses of representations, event by event (arXiv:2002.05709, arXiv:2301.04660).

`z`, `like` and `unlike` of shape (n, d) are the representations of events, of their views that shall look alike, and of
those made anomalous; s is the cosine of two and tau the temperature. All give shape (n,), the mean of what is seen from
an event and from its view; `unlike` is compared with the event in both, as in the authors' code.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["anomclr_loss", "anomclr_plus_loss", "clr_loss"]


def clr_loss(z: Tensor, like: Tensor, temperature: float) -> Tensor:
    """-s(z, z') / tau + ln sum exp(s / tau) over all other events and their views."""
    positive = _cosine(z, like) / temperature
    return _crowd(z, like, temperature) - positive


def anomclr_loss(z: Tensor, like: Tensor, unlike: Tensor, temperature: float) -> Tensor:
    """As `clr_loss`, and an anomalous view in the denominator: + s(z, z*) / tau."""
    return clr_loss(z, like, temperature) + _cosine(z, unlike) / temperature


def anomclr_plus_loss(z: Tensor, like: Tensor, unlike: Tensor, temperature: float) -> Tensor:
    """(s(z, z*) - s(z, z')) / tau: other events play no part."""
    return (_cosine(z, unlike) - _cosine(z, like)) / temperature


def _cosine(x: Tensor, y: Tensor) -> Tensor:
    return functional.cosine_similarity(x, y, dim=1)


def _crowd(z: Tensor, like: Tensor, temperature: float) -> Tensor:
    """The logarithm of the sum over all other events and views, the mean of that of an event and of its view."""
    n = len(z)
    both = functional.normalize(torch.cat([z, like]), dim=1)
    place = torch.arange(2 * n, device=z.device) % n
    own = place[:, None] == place[None, :]
    similar = (both @ both.T / temperature).masked_fill(own, -torch.inf)
    return torch.logsumexp(similar, dim=1).view(2, n).mean(dim=0)
