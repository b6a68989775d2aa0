"""The network of the convolutional autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import prod
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import IMAGE, Layout
from hepad.models.conv_ae import ConvConfig
from hepad.nn.images import PeriodicConvolution
from hepad.nn.inference import evaluate
from hepad.nn.network import NetworkScorer
from hepad.nn.recipe import Recipe
from hepad.nn.scorer import TrainingData, check_batch
from hepad.nn.sources import Noise

__all__ = ["ConvAutoencoder"]


class ConvAutoencoder(NetworkScorer["_Network"]):
    """Strided convolutions to a dense bottleneck, and back by upsampling; the loss is the mean squared error.

    Score `mse`: mean over the pixels of the squared difference of input and output, in the input's units squared.
    """

    name: ClassVar[str] = "conv_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("calo_image", "detector_image")
    score_names: tuple[str, ...] = ("mse",)
    block: ClassVar[int] = 128  # images are large

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(ConvConfig, dict(config), f"model {self.name}")
        if layout.axes != IMAGE:
            raise CardError(f"{self.name} takes an image, not an input of axes {', '.join(layout.axes)}")
        if min(layout.shape[1:]) < 2 ** len(self._settings.filters):
            raise CardError(f"an image of {layout.summary} is too small for {len(self._settings.filters)} halvings")
        super().__init__(self._settings, layout)

    @property
    def no_layers(self) -> str:
        """Why there is no logic; see `hepad.nn.layers.has_layers`."""
        size = self.layout.size
        return f": no trigger is given {size} pixels in one clock, and each would be a port and a reconstructed number"

    def reconstruction_errors(self, batch: Batch) -> npt.NDArray[np.float32]:
        """Squared difference of input and output, shape (n, *image); see `hepad.nn.explain.Explains`."""
        check_batch(self, batch)
        module = self._module
        (values,) = evaluate(module, lambda x: ((x - module(x)).square(),), (batch.x,), 1, block=self.block)
        return values

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape)

    def _recipe(self, module: _Network, data: TrainingData) -> Recipe:  # noqa: ARG002  it has no teachers
        def step(rows: tuple[Tensor, ...], _: Noise) -> Tensor:
            return _mean_error(rows[0], module(rows[0]))

        return Recipe.of_rows(module, step)

    def _score(self, module: _Network, rows: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_mean_error(rows[0], module(rows[0])),)


class _Network(nn.Module):
    """Encoder and decoder. The edges in eta are padded with zeros, those in phi with what is on the other side."""

    def __init__(self, config: ConvConfig, shape: Sequence[int]) -> None:
        super().__init__()
        channels, *size = shape
        sizes, widths = [tuple(size)], [channels, *config.filters]
        for _ in config.filters:
            sizes.append(tuple(-(-extent // 2) for extent in sizes[-1]))
        self._sizes, self._deepest = sizes, (widths[-1], *sizes[-1])
        self.down = nn.ModuleList(PeriodicConvolution(a, b, stride=2) for a, b in pairwise(widths))
        self.encode = nn.Linear(prod(self._deepest), config.latent)
        self.decode = nn.Linear(config.latent, prod(self._deepest))
        back = widths[::-1]
        self.up = nn.ModuleList(PeriodicConvolution(a, b) for a, b in pairwise(back))
        self.activation = nn.LeakyReLU(0.1)

    def forward(self, x: Tensor) -> Tensor:
        """The reconstructed image, of the shape of the input (n, channels, eta, phi)."""
        y: Tensor = x
        for layer in self.down:
            y = self.activation(layer(y))
        y = self.activation(self.decode(self.encode(y.flatten(1)))).view(x.shape[0], *self._deepest)
        for place, layer in enumerate(self.up):
            y = layer(nn.functional.interpolate(y, size=self._sizes[-2 - place], mode="nearest"))
            y = self.activation(y) if place < len(self.up) - 1 else y
        return y


def _mean_error(x: Tensor, y: Tensor) -> Tensor:
    return (x - y).square().flatten(1).mean(dim=1)
