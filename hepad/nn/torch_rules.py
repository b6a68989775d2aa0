"""The scores of `hepad.nn.score_rules` of an input and its reconstruction in torch, as part of a network.

In single precision and (n,), where the originals sum in double precision: for what must be one graph with its network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from hepad.nn.score_rules import LEAST_OVERLAP, LEAST_PROBABILITY

__all__ = ["TORCH_RECONSTRUCTION"]

_Rule = Callable[[Tensor, Tensor], Tensor]


def _sum(values: Tensor) -> Tensor:
    return values.flatten(1).sum(dim=1)


def _mean(values: Tensor) -> Tensor:
    return values.flatten(1).mean(dim=1)


def _bce(x: Tensor, y: Tensor) -> Tensor:
    p = y.clamp(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return -_sum(x * torch.log(p) + (1 - x) * torch.log1p(-p))


def _dice(x: Tensor, y: Tensor) -> Tensor:
    both = _sum(x.square()) + _sum(y.square())
    return torch.where(both > 0, both / (2 * _sum(x * y)).clamp_min(LEAST_OVERLAP), 1 + both)


TORCH_RECONSTRUCTION: dict[str, _Rule] = {
    "mse": lambda x, y: _mean((x - y).square()),
    "mae": lambda x, y: _mean((x - y).abs()),
    "log_mae": lambda x, y: torch.log(_mean((x - y).abs()).clamp_min(torch.finfo(torch.float32).tiny)),
    "sse": lambda x, y: _sum((x - y).square()),
    "sae": lambda x, y: _sum((x - y).abs()),
    "sae_mask": lambda x, y: _sum(((x > 0) != (y > 0)).to(y.dtype)),
    "bce": _bce,
    "dice": _dice,
    "pixel_sum": lambda x, y: _sum(y),  # noqa: ARG005  all rules of a reconstruction are alike
}
"""The names of `hepad.nn.score_rules.RECONSTRUCTION`."""
