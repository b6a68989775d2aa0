"""What a network costs: its weights, and the multiplications that an event takes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

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

    Operations are those of matrix products, affine layers, convolutions, gated recurrent cells and attention, the mean
    over the events.
    """
    module.eval()
    with torch.no_grad(), _Counter() as counter:  # torch's own counter loads its compiler, which takes seconds
        score()
    return Cost(sum(weight.numel() for weight in module.parameters()), counter.total / events)


class _Counter(TorchFunctionMode):
    """Sums the multiplications of what is called."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _PRODUCTS:
            self.total += _PRODUCTS[func](result, *args)
        return result


def _affine(_: Tensor, x: Tensor, weight: Tensor, *__: Any) -> int:
    return x.numel() * weight.shape[0]


def _product(result: Tensor, a: Tensor, *_: Any) -> int:
    return result.numel() * a.shape[-1]


def _convolution(result: Tensor, _: Tensor, weight: Tensor, *__: Any) -> int:
    return result.numel() * weight[0].numel()


def _transposed(_: Tensor, x: Tensor, weight: Tensor, *__: Any) -> int:
    return x.numel() * weight[0].numel()


def _attention(result: Tensor, query: Tensor, key: Tensor, *_: Any) -> int:
    pairs = math.prod(query.shape[:-1]) * key.shape[-2]
    return pairs * (query.shape[-1] + result.shape[-1])


def _cell(_: Tensor, x: Tensor, hidden: Tensor, weight: Tensor, *__: Any) -> int:
    return x.numel() * weight.shape[0] + hidden.numel() * weight.shape[0]


_PRODUCTS: dict[Any, Callable[..., int]] = {
    functional.linear: _affine,
    functional.conv1d: _convolution,
    functional.conv2d: _convolution,
    functional.conv3d: _convolution,
    functional.conv_transpose1d: _transposed,
    functional.conv_transpose2d: _transposed,
    functional.scaled_dot_product_attention: _attention,
    torch.gru_cell: _cell,
    **dict.fromkeys(
        [torch.matmul, torch.mm, torch.bmm, Tensor.matmul, Tensor.mm, Tensor.bmm, Tensor.__matmul__], _product
    ),
}
