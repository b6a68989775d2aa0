"""What networks of detector images are made of, in torch: images are (n, channels, eta, phi), and phi is periodic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from hepad.nn.sources import Noise

__all__ = ["PeriodicConvolution", "lit", "mirrored_and_turned", "pooled", "wrapped"]

TURNS = 7
"""A view is turned by one to so many steps, as in the reference of `mirrored_and_turned`."""


class PeriodicConvolution(nn.Module):
    """A convolution of 3 by 3 that knows the detector's topology.

    The edges in eta are padded with zeros, those in phi with what is on the other side.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1, groups: int = 1, *, bias: bool = True) -> None:
        super().__init__()
        self.layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=(1, 0), groups=groups, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """The convolved image, of the size of the input divided by the stride and rounded up."""
        result: Tensor = self.layer(wrapped(x))
        return result


def wrapped(x: Tensor) -> Tensor:
    """Images with one bin of phi more on either side, copied from the other."""
    if x.requires_grad and torch.is_grad_enabled():
        made: Tensor = _Wrapped.apply(x)  # type: ignore[no-untyped-call]
        return made
    return functional.pad(x, (1, 1, 0, 0), mode="circular")  # phi is the last axis


class _Wrapped(torch.autograd.Function):
    """The same with a gradient in place: torch's own makes a whole image for each of its edges."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """See `wrapped`."""
        return torch.cat([x[..., -1:], x, x[..., :1]], dim=-1)

    @staticmethod
    @once_differentiable
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """What goes to the bins themselves and, from beyond the edges, to the other side."""
        made = gradient[..., 1:-1].clone()
        made[..., -1] += gradient[..., 0]
        made[..., 0] += gradient[..., -1]
        return made


def pooled(x: Tensor) -> Tensor:
    """The largest of 3 by 3 pixels around every second one in eta and phi."""
    return functional.max_pool2d(wrapped(x), 3, stride=2, padding=(1, 0))


def lit(x: Tensor, threshold: float) -> Tensor:
    """1 for pixels above the threshold and 0 for the others; NaN stays NaN, so that a broken event is seen."""
    return torch.where(x.isnan(), x, (x > threshold).to(x.dtype))


def mirrored_and_turned(x: Tensor, noise: Noise, step: int) -> Tensor:
    """A random view of each image: itself, mirrored in eta, turned in phi up or down, or both, each in a sixth of them.

    Turns are by one to seven times `step` bins of phi, as far as there are so many (Anzalone et al., Mach. Learn.: Sci.
    Technol. 5 (2024) 035064, section 4.2: 8, 16, ..., 56 of 72 bins). A step of 0 leaves all as they are.
    """
    if not step:
        return x
    n, width = len(x), x.shape[-1]
    kind = noise.integers(6, n)
    turns = 1 + noise.integers(max(1, min(TURNS, (width - 1) // step)), n)
    mirrored, direction = (kind % 2 == 1), kind // 2  # 0 stays, 1 turns up, 2 turns down
    shift = torch.where(direction == 1, turns, -turns) * step * (direction > 0)
    place = (torch.arange(width, device=x.device)[None, :] - shift[:, None]) % width
    view = torch.where(mirrored[:, None, None, None], x.flip(-2), x)
    return torch.gather(view, -1, place[:, None, None, :].expand_as(view))
