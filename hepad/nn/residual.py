"""Residual encoders and decoders of images, and the conditioning of a decoder on a few numbers.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, "Triggering dark showers with conditional dual
auto-encoders", Mach. Learn.: Sci. Technol. 5 (2024) 035064, and the code that its authors published, whose numbers of
parameters these have. Images are (n, channels, eta, phi).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.errors import CardError
from hepad.nn.images import PeriodicConvolution, pooled

__all__ = ["FIRST_LOGIT", "SLOPE", "Block", "ConditionalDecoder", "Conditioning", "MaskEncoder", "Residual"]
__all__ += ["ResidualEncoder", "deepest", "first_weights", "margins"]

FIRST_LOGIT = -1.0
"""The bias of the decoder's last layer before the training: most pixels are dark."""

SLOPE = 0.2
_EPSILON = 1e-3
"""Of leaky ReLU and instance normalisation, those of TensorFlow, which the authors use."""


class ResidualEncoder(nn.Module):
    """Convolutions of stride 2, a residual pair of convolutions after each; to features of the last of `filters`."""

    def __init__(self, filters: Sequence[int], groups: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            nn.Sequential(Block(a, b, 2, groups if place else 1), Residual(b, groups))
            for place, (a, b) in enumerate(pairwise([1, *filters]))
        )

    def forward(self, x: Tensor) -> Tensor:
        """The features, of shape (n, filters[-1], *deepest)."""
        for stage in self.stages:
            x = stage(x)
        return x


class MaskEncoder(nn.Module):
    """Convolutions with a maximum over 3 by 3 after each, then a dense layer to `latent` numbers."""

    def __init__(self, filters: Sequence[int], groups: int, size: Sequence[int], latent: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(
            Block(a, b, 1, groups if place else 1) for place, (a, b) in enumerate(pairwise([1, *filters]))
        )
        self.dense = nn.Linear(filters[-1] * prod(deepest(size, len(filters))), latent)

    def forward(self, x: Tensor) -> Tensor:
        """The latent numbers, of shape (n, latent)."""
        for stage in self.stages:
            x = pooled(stage(x))
        result: Tensor = self.dense(x.flatten(1))
        return result


class ConditionalDecoder(nn.Module):
    """Bilinear upsampling by 2 with convolutions, from `latent` channels; the logits of one channel, cropped to `size`.

    With `condition` numbers z each stage begins with a product: of what comes in with a convolution of z and the two
    coordinates, spread over all pixels.
    """

    def __init__(self, filters: Sequence[int], groups: int, size: Sequence[int], latent: int, condition: int) -> None:
        super().__init__()
        self.latent, self._size = latent, tuple(size)
        widths = [latent, *filters]
        shape = deepest(size, len(filters))
        scaled = [(extent[0] * 2**place, extent[1] * 2**place) for place, extent in enumerate([shape] * len(filters))]
        self.conditions = nn.ModuleList(
            Conditioning(condition, width, extent) for width, extent in zip(widths, scaled, strict=False) if condition
        )
        self.stages = nn.ModuleList(
            nn.Sequential(Block(a, b, 1, groups if place else 1), Residual(b, groups))
            for place, (a, b) in enumerate(pairwise(widths))
        )
        self.last = nn.Conv2d(widths[-1], 1, 1)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The logits of the pixels, of shape (n, 1, *size), of features (n, latent, *deepest) and z (n, condition)."""
        for place, stage in enumerate(self.stages):
            if z is not None:
                x = self.conditions[place](x, z)
            x = stage(functional.interpolate(x, scale_factor=2, mode="bilinear"))
        (top, left), (rows, columns) = margins(x.shape[-2:], self._size), self._size
        result: Tensor = self.last(x[:, :, top : top + rows, left : left + columns])
        return result


class Block(nn.Module):
    """Convolution, instance normalisation, leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        if inputs % groups or outputs % groups:
            raise CardError(f"{groups} groups cannot share {inputs} and {outputs} channels")
        self.convolution = PeriodicConvolution(inputs, outputs, stride, groups)
        self.norm = nn.InstanceNorm2d(outputs, eps=_EPSILON, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """The image after the block."""
        return functional.leaky_relu(self.norm(self.convolution(x)), SLOPE, inplace=True)  # the gradient needs no more


class Residual(nn.Module):
    """Two blocks beside a short cut."""

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.first, self.second = Block(width, width, 1, groups), Block(width, width, 1, groups)

    def forward(self, x: Tensor) -> Tensor:
        """The image after the blocks."""
        result: Tensor = x + self.second(self.first(x))
        return result


class Conditioning(nn.Module):
    """Spatial broadcast (Watters et al., arXiv:1901.07017), a linear convolution, and the product with what comes in.

    The coordinates run from -1 to 1; there the authors pad phi with zeros, since it has an end for the coordinate.
    """

    coordinates: Tensor

    def __init__(self, latent: int, width: int, size: Sequence[int]) -> None:
        super().__init__()
        self.expand = nn.Conv2d(latent + 2, width, 3, padding=1)
        eta, phi = (torch.linspace(-1, 1, extent) for extent in size)
        grid = torch.stack([phi.expand(*size), eta[:, None].expand(*size)])
        self.register_buffer("coordinates", grid[None], persistent=False)  # follows from the layout

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """The product, of the shape of x."""
        spread = z[:, :, None, None].expand(-1, -1, *x.shape[-2:])
        result: Tensor = x * self.expand(torch.cat([spread, self.coordinates.expand(x.shape[0], -1, -1, -1)], dim=1))
        return result


def deepest(size: Sequence[int], halvings: int) -> tuple[int, int]:
    """Eta and phi bins after halvings, each rounded up; `CardError` if there is a single pixel left of them."""
    rows, columns = (-(-extent // 2**halvings) for extent in size)
    if rows * columns < 2:
        raise CardError(f"an image of {size[0]} x {size[1]} is too small for {halvings} halvings")
    return rows, columns


def first_weights(module: nn.Module) -> None:
    """The reference's first weights: He's uniform for all that has a kernel, biases 0."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_uniform_(part.weight, nonlinearity="relu")
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def margins(have: Sequence[int], want: Sequence[int]) -> tuple[int, int]:
    """Where to begin, so that what is left over is shared by both sides."""
    return (have[0] - want[0]) // 2, (have[1] - want[1]) // 2
