"""The network of the autoencoder with a dense bottleneck, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.image_ae import SCORES, ImageAutoencoderConfig
from hepad.nn.image_scorer import ImageScorer
from hepad.nn.images import PeriodicConvolution
from hepad.nn.residual import deepest
from hepad.nn.sources import Noise

__all__ = ["ImageAutoencoder"]


_FIRST_LOGIT = -3.9
"""The bias of the last layer before the training: 2 % of the pixels are lit. From 0 on it fell to dark images."""


class ImageAutoencoder(ImageScorer["_Network"]):
    """Pairs of convolutions with averages over 2 by 2 to a dense bottleneck, and back by transposed convolutions.

    The loss is the squared error, summed over the pixels; the best epoch has the lowest on the validation. Scores:
    those of `hepad.nn.score_rules` of input and reconstruction.
    """

    name: ClassVar[str] = "image_ae"
    score_names: tuple[str, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(ImageAutoencoderConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.scores)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1:])

    def _losses(self, module: _Network, x: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002  it draws nothing
        return self._judge(module, x)

    def _judge(self, module: _Network, x: Tensor) -> Tensor:
        difference: Tensor = x - module(x)
        return difference.square().flatten(1).sum(dim=1)

    def _find(self, module: _Network, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        return (module(x) if decode else None), {}


class _Network(nn.Module):
    """Encoder and decoder; PReLU after all layers but the latent and the last."""

    def __init__(self, config: ImageAutoencoderConfig, size: Sequence[int]) -> None:
        super().__init__()
        self._size = tuple(size)
        widths = [1, *config.filters]
        self._deepest = (widths[-1], *deepest(size, len(config.filters)))
        self.down = nn.ModuleList(_Pair(a, b) for a, b in pairwise(widths))
        dense = [prod(self._deepest), *config.dense]
        self.encode = _dense([*dense, config.latent], last=False)
        self.decode = _dense([config.latent, *dense[::-1]], last=True)
        self.up = nn.ModuleList(_Up(a, b) for a, b in pairwise([*widths[:0:-1], widths[1]]))
        self.last = nn.Conv2d(widths[1], 1, 1)
        nn.init.constant_(self.last.bias, _FIRST_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """The reconstruction, from 0 to 1."""
        y = x
        for pair in self.down:
            y = functional.avg_pool2d(pair(y), 2, ceil_mode=True)
        y = self.decode(self.encode(y.flatten(1))).view(x.shape[0], *self._deepest)
        for up in self.up:
            y = up(y)
        return torch.sigmoid(self.last(y)[:, :, : self._size[0], : self._size[1]])


class _Pair(nn.Module):
    """Two convolutions."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = PeriodicConvolution(inputs, outputs), PeriodicConvolution(outputs, outputs)
        self.after_first, self.after_second = nn.PReLU(outputs), nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The image after both."""
        result: Tensor = self.after_second(self.second(self.after_first(self.first(x))))
        return result


class _Up(nn.Module):
    """A transposed convolution that doubles an image, and a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.ConvTranspose2d(inputs, outputs, 3, stride=2, padding=1, output_padding=1)
        self.second = PeriodicConvolution(outputs, outputs)
        self.after_first, self.after_second = nn.PReLU(outputs), nn.PReLU(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The image after both."""
        result: Tensor = self.after_second(self.second(self.after_first(self.first(x))))
        return result


def _dense(sizes: Sequence[int], last: bool) -> nn.Sequential:
    """Affine layers with PReLU between, and after the last one if asked."""
    modules: list[nn.Module] = []
    for place, (inputs, outputs) in enumerate(pairwise(sizes)):
        modules.append(nn.Linear(inputs, outputs))
        if last or place < len(sizes) - 2:
            modules.append(nn.PReLU())
    return nn.Sequential(*modules)
