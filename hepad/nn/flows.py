"""Steps of normalising flows on a latent space whose parameters follow from the event.

A step takes z of shape (n, d) and hidden numbers of the events (n, h), and gives the new z and ln |det dz'/dz| (n,).
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.errors import MissingExtraError

__all__ = ["Autoregressive", "Convolutional", "Planar", "Sylvester", "SylvesterKind"]

SylvesterKind = Literal["orthogonal", "householder", "triangular"]

_TINY = 1e-12


class Planar(nn.Module):
    """z + u tanh(w z + b), with u moved along w so that w u > -1 (Rezende, Mohamed, arXiv:1505.05770)."""

    def __init__(self, latent: int, hidden: int) -> None:
        super().__init__()
        self._latent = latent
        self.amortised = nn.Linear(hidden, 2 * latent + 1)

    def forward(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The new z and the logarithm of the determinant."""
        w, u, b = self.amortised(hidden).split([self._latent, self._latent, 1], dim=1)
        along = (w * u).sum(dim=1, keepdim=True)
        u = u + (functional.softplus(along) - 1 - along) * w / w.square().sum(dim=1, keepdim=True).clamp_min(_TINY)
        bent = torch.tanh((w * z).sum(dim=1, keepdim=True) + b)
        return z + u * bent, _log_one_plus((1 - bent.square()) * (w * u).sum(dim=1, keepdim=True))


class Sylvester(nn.Module):
    """z + Q R1 tanh(R2 Q^T z + b), R1 and R2 upper triangular (van den Berg et al., arXiv:1803.05649).

    Their diagonals are within -1 and 1, so that the step can be undone. Q is `orthogonal`, of `size` orthonormal
    columns; `householder`, a product of `size` reflections; or `triangular`, which is the identity or, if `reverse` is
    set, puts the axes into the opposite order.
    """

    def __init__(self, latent: int, hidden: int, kind: SylvesterKind, size: int = 0, *, reverse: bool = False) -> None:
        super().__init__()
        self._latent, self._kind, self._size, self._reverse = latent, kind, size, reverse
        self._width = size if kind == "orthogonal" else latent
        self.full = nn.Linear(hidden, self._width**2)
        self.diagonals = nn.Linear(hidden, 2 * self._width)
        self.offset = nn.Linear(hidden, self._width)
        self.vectors = None if kind == "triangular" else nn.Linear(hidden, latent * size)

    def forward(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The new z and the logarithm of the determinant."""
        full = self.full(hidden).view(-1, self._width, self._width)
        first, second = torch.tanh(self.diagonals(hidden)).chunk(2, dim=1)
        r1 = torch.triu(full, diagonal=1) + torch.diag_embed(first)
        r2 = torch.triu(full.transpose(1, 2), diagonal=1) + torch.diag_embed(second)
        q = self.q(hidden)
        bent = torch.tanh(_times(r2, _times(q.transpose(1, 2), z)) + self.offset(hidden))
        return z + _times(q, _times(r1, bent)), _log_one_plus((1 - bent.square()) * first * second)

    def q(self, hidden: Tensor) -> Tensor:
        """The matrices Q, of shape (n, d, width)."""
        identity = torch.eye(self._latent, dtype=hidden.dtype, device=hidden.device)
        if self.vectors is None:
            return (identity.flip(0) if self._reverse else identity).expand(len(hidden), -1, -1)
        vectors = self.vectors(hidden).view(-1, self._size, self._latent)
        vectors = vectors / vectors.norm(dim=2, keepdim=True).clamp_min(_TINY)
        if self._kind == "orthogonal":
            return _orthonormal(vectors).transpose(1, 2)
        product = identity.expand(len(hidden), -1, -1)
        for place in range(self._size):
            v = vectors[:, place]
            product = product - 2 * v[:, :, None] * _times(product.transpose(1, 2), v)[:, None, :]
        return product


class Convolutional(nn.Module):
    """z + u tanh(w * z), a convolution of each axis with those after it (Zheng et al., arXiv:1711.02255).

    `kernel` is how many axes it sees. The first weight and u are within -1 and 1, so that the step can be undone; both
    are the same for all events. If `reverse` is set the axes are taken in the opposite order.
    """

    def __init__(self, latent: int, kernel: int, *, reverse: bool = False) -> None:
        super().__init__()
        self._reverse = reverse
        self.weight = nn.Parameter(torch.randn(kernel) / math.sqrt(kernel))
        self.height = nn.Parameter(0.1 * torch.randn(latent))

    def forward(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG002  no part of its parameters
        """The new z and the logarithm of the determinant."""
        x = z.flip(1) if self._reverse else z
        weight = torch.cat([torch.tanh(self.weight[:1]), self.weight[1:]])
        seen = functional.pad(x, (0, len(weight) - 1)).unfold(1, len(weight), 1) @ weight
        height, bent = torch.tanh(self.height), torch.tanh(seen)
        moved = x + height * bent
        return moved.flip(1) if self._reverse else moved, _log_one_plus((1 - bent.square()) * weight[0] * height)


class Autoregressive(nn.Module):
    """An inverse autoregressive step (Kingma et al., arXiv:1606.04934), by zuko: each axis scaled and moved by those
    before it, or after it if `reverse` is set, through a masked network with one layer of `width`.
    """

    def __init__(self, latent: int, hidden: int, width: int, *, reverse: bool = False) -> None:
        super().__init__()
        try:
            from zuko.flows.autoregressive import MaskedAutoregressiveTransform
        except ImportError as error:
            raise MissingExtraError.of(error, "an autoregressive flow needs", "zuko", "methods") from error
        order = torch.arange(latent).flip(0) if reverse else torch.arange(latent)
        self.step = MaskedAutoregressiveTransform(latent, hidden, order=order, hidden_features=(width,))

    def forward(self, z: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """The new z and the logarithm of the determinant."""
        moved, logarithm = self.step(hidden).call_and_ladj(z)
        return moved, logarithm


def _log_one_plus(slopes: Tensor) -> Tensor:
    """The sum over the axes of ln |1 + slope|; (n,)."""
    return torch.log((1 + slopes).abs().clamp_min(_TINY)).sum(dim=1)


def _times(matrix: Tensor, vector: Tensor) -> Tensor:
    return (matrix @ vector[:, :, None])[:, :, 0]


def _orthonormal(vectors: Tensor) -> Tensor:
    """Rows of unit length (n, m, d) made orthogonal one after the other, twice for the sake of rounding."""
    found: list[Tensor] = []
    for place in range(vectors.shape[1]):
        row = vectors[:, place]
        for _ in range(2):
            for other in found:
                row = row - (row * other).sum(dim=1, keepdim=True) * other
            row = row / row.norm(dim=1, keepdim=True).clamp_min(_TINY)
        found.append(row)
    return torch.stack(found, dim=1)
