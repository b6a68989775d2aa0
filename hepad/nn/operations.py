"""What a network costs: its weights, and the multiplications that an event takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["Cost", "cost_of"]


@dataclass(frozen=True)
class Cost:
    """Numbers of weights, and of multiplications of the scores of an event, each followed by an addition."""

    weights: int
    operations: float

    def to_json(self) -> dict[str, Any]:
        """In JSON types."""
        return dict(vars(self))


def cost_of(module: nn.Module, score: Callable[[], Any], events: int) -> Cost:
    """The cost of a module whose scores of so many events `score` makes.

    Operations are those of matrix products, convolutions and attention, as torch counts them, the mean over the events.
    """
    module.eval()
    # With gradients: the counter follows modules by them. In plain products attention is counted, masked or not.
    with torch.enable_grad(), FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        score()
    return Cost(sum(weight.numel() for weight in module.parameters()), counter.get_total_flops() / 2 / events)
