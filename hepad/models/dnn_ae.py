"""Dense autoencoder: the conventional network that the spiking one is compared with.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics", section 4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card, parse_card
from hepad.inputs.layout import Layout
from hepad.nn.affine import Stack
from hepad.nn.autoencoder import Autoencoder, mirrored
from hepad.nn.layers import Layer, Network
from hepad.nn.scorer import State

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DenseAutoencoder", "DenseConfig"]


BLOCK = 512
"""Events at a time, so that what a layer works on stays in the cache."""


class DenseConfig(Card):
    """`layers`: widths from the first hidden layer down to the latent one; the decoder mirrors them."""

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(24, 12, 4), min_length=1, max_length=16)


class DenseAutoencoder(Autoencoder):
    """Dense encoder and decoder with ReLU between their layers; latent numbers and output are linear.

    The reference does not say whether the latent layer has a ReLU. With one, latent neurons died in each of three
    trainings on our stand-in for its data and the loss differed between seeds by a factor of four; without, it varied
    by 4 %, closer to the 20 % that the reference quotes.

    Score `mse`: mean over the columns of the squared difference of input and output, in the input's units squared.
    """

    name: ClassVar[str] = "dnn_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._layers = parse_card(DenseConfig, dict(config), f"model {self.name}")
        super().__init__(self._layers, layout)
        self._sizes = mirrored(len(self.columns), self._layers.layers)
        self._network: Stack

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that are made of layers alone."""
        return self.score_names

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The layers; see `hepad.nn.layers`."""
        state = {name: array.astype(np.float64) for name, array in self._trained().items()}
        parts = [self._part(index) for index in range(len(self._sizes) - 1)]
        layers = [
            Layer(state[f"{part}.weight"], state[f"{part}.bias"], "linear" if index in self._linear else "relu")
            for index, part in enumerate(parts)
        ]
        return Network(self.name, tuple(layers), "mse")

    def state_of(self, network: Network) -> State:
        """The weights of a network of the same layers, by their names here."""
        return {
            f"{self._part(i)}.{kind}": values.astype(np.float32)
            for i, layer in enumerate(network.layers)
            for kind, values in (("weight", layer.weight), ("bias", layer.bias))
        }

    @property
    def _linear(self) -> set[int]:
        """The layers that no activation follows: the latent one and the last."""
        return {len(self._layers.layers) - 1, len(self._sizes) - 2}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (inputs, outputs) in enumerate(pairwise(self._sizes)):
            shapes[f"{self._part(index)}.weight"] = (outputs, inputs)
            shapes[f"{self._part(index)}.bias"] = (outputs,)
        return shapes

    def _part(self, index: int) -> str:
        """The name of an affine layer in the torch module, where activations are counted too."""
        latent = len(self._layers.layers)
        return f"encoder.{2 * index}" if index < latent else f"decoder.{2 * (index - latent)}"

    def _build(self) -> nn.Module:
        from torch import nn

        from hepad.nn.blocks import dense_stack

        latent = len(self._layers.layers)
        encoder = dense_stack(self._sizes[: latent + 1], lambda _: nn.ReLU())
        decoder = dense_stack(self._sizes[latent:], lambda _: nn.ReLU())
        return nn.Sequential(OrderedDict(encoder=encoder, decoder=decoder))

    def _set_weights(self, weights: State) -> None:
        parts = [self._part(index) for index in range(len(self._sizes) - 1)]
        layers = [(weights[f"{p}.weight"], weights[f"{p}.bias"], i not in self._linear) for i, p in enumerate(parts)]
        self._network = Stack(layers, BLOCK)

    def _reconstruct(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._network(x)
