"""A masked autoregressive flow whose density follows a context, such as the mass of an event.

Papamakarios, Pavlakou, Murray, "Masked autoregressive flow for density estimation", arXiv:1705.07057. The masked
networks are zuko's; the steps are taken here, so that sampling can compute each hidden number once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from hepad.errors import MissingExtraError
from hepad.nn.reproducible import single_thread

__all__ = ["STEEPEST", "ConditionalFlow", "drawn"]

_BLOCK = 4096
"""Events that are drawn at a time: their hidden numbers stay in the cache."""

STEEPEST = math.log(1e3)
"""The logarithms of the scales stay below it, as zuko's do."""


class ConditionalFlow(nn.Module):
    """`blocks` autoregressive steps from numbers x (n, features) to normal ones, given a context (n, context).

    Each step scales and moves an axis by those before it, in every other step by those behind it, through a masked
    network of two hidden layers of `width`. It begins as the identity. `MissingExtraError` without zuko.
    """

    def __init__(self, features: int, context: int, blocks: int, width: int) -> None:
        try:
            from zuko.nn import MaskedMLP
        except ImportError as error:
            raise MissingExtraError.of(error, "a conditional flow needs", "zuko", "methods") from error
        super().__init__()
        self.features = features
        self.steps = nn.ModuleList()
        for block in range(blocks):
            rank = _rank(features, block)
            before = torch.cat([rank[:, None] > rank, torch.ones(features, context, dtype=torch.bool)], dim=1)
            network = MaskedMLP(before.repeat_interleave(2, dim=0), hidden_features=(width, width))
            nn.init.zeros_(network[-1].weight)
            nn.init.zeros_(network[-1].bias)
            self.steps.append(network)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The latent numbers (n, features) and the logarithm of the determinant (n,)."""
        total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for network in self.steps:
            shift, scale = network(torch.cat([x, context], dim=1)).view(-1, self.features, 2).unbind(dim=2)
            scale = _bounded(scale)
            x = x * scale.exp() + shift
            total = total + scale.sum(dim=1)
        return x, total

    def log_prob(self, x: Tensor, context: Tensor) -> Tensor:
        """The logarithm of the density (n,) of x given the context."""
        z, logarithm = self(x, context)
        density: Tensor = logarithm - 0.5 * (z.square().sum(dim=1) + self.features * math.log(2 * math.pi))
        return density

    @torch.no_grad()
    def inverse(self, z: Tensor, context: Tensor) -> Tensor:
        """The x (n, features) of latent numbers: those of normal ones are a sample of the density given the context."""
        steps = [_Inverse(network, _rank(self.features, block)) for block, network in enumerate(self.steps)]
        found = []
        for some, of_some in zip(torch.split(z, _BLOCK), torch.split(context, _BLOCK), strict=True):
            values, given = some.t().contiguous(), of_some.t().contiguous()
            for step in reversed(steps):
                values = step(values, given)
            found.append(values.t())
        return torch.cat(found).contiguous()


def drawn(
    flow: ConditionalFlow, latent: npt.NDArray[np.float32], context: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """What a flow makes of latent numbers (n, features) given a context (n, context), on one thread."""
    z, given = (torch.from_numpy(np.ascontiguousarray(values)) for values in (latent, context))
    with single_thread():
        found: npt.NDArray[np.float32] = flow.inverse(z, given).numpy()
    return found


class _Inverse:
    """A step backwards, an axis after the other: the hidden numbers that follow from those before are computed once.

    zuko, and all that treats the network as one piece, computes all of them for each axis.
    """

    def __init__(self, network: nn.Module, rank: Tensor) -> None:
        features = len(rank)
        self._order = rank.argsort()
        layers: list[Any] = [layer for layer in network.children() if isinstance(layer, nn.Linear)]
        places = torch.cat([torch.arange(features, layers[0].in_features), self._order])
        context = len(places) - features
        level = torch.cat([torch.zeros(context, dtype=torch.long), torch.arange(1, features + 1)])
        self._layers: list[tuple[Tensor, Tensor, list[int], list[int]]] = []
        for layer in layers:
            weight = (layer.mask * layer.weight)[:, places]
            used = torch.where(layer.mask[:, places], level, 0).amax(dim=1)
            if layer is layers[-1]:  # shift and scale of each axis, in the order of the axes
                own, used = (2 * self._order[:, None] + torch.arange(2)).flatten(), torch.arange(2 * features) // 2
            else:
                own, used = used.argsort(stable=True), used.sort().values
            steps = torch.arange(features)
            ends = torch.searchsorted(used, steps, right=True).tolist()
            seen = torch.searchsorted(level, steps, right=True).tolist()
            self._layers.append((weight[own].contiguous(), layer.bias[own, None], ends, seen))
            places, level = own, used

    def __call__(self, z: Tensor, context: Tensor) -> Tensor:
        """z (features, n) to x, given a context (context, n)."""
        known = torch.cat([context, torch.empty_like(z)])
        hidden = [known, *(z.new_empty(len(layer[0]), z.shape[1]) for layer in self._layers)]
        for step, axis in enumerate(self._order.tolist()):
            for place, (weight, bias, ends, seen) in enumerate(self._layers):
                start = ends[step - 1] if step else 0
                rows, columns = slice(start, ends[step]), slice(0, seen[step])
                torch.addmm(bias[rows], weight[rows, columns], hidden[place][columns], out=hidden[place + 1][rows])
                if place + 1 < len(self._layers):
                    hidden[place + 1][rows].relu_()
            shift, scale = hidden[-1][2 * step : 2 * step + 2]
            known[len(context) + step] = (z[axis] - shift) * (-_bounded(scale)).exp()
        return known[len(context) :][self._order.argsort()]


def _rank(features: int, block: int) -> Tensor:
    """The place of each axis in the order of a step."""
    rank = torch.arange(features)
    return rank.flip(0) if block % 2 else rank


def _bounded(scale: Tensor) -> Tensor:
    return scale / (1 + (scale / STEEPEST).abs())
