"""Dense autoencoders with ReLU: scored in numpy, trained in torch, with layers for the trigger."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card
from hepad.inputs.layout import Layout
from hepad.nn.affine import Stack
from hepad.nn.autoencoder import Autoencoder, mirrored
from hepad.nn.layers import Layer, Network
from hepad.nn.scorer import State

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DenseNetwork"]

BLOCK = 512
"""Events at a time, so that what a layer works on stays in the cache."""


class DenseNetwork(Autoencoder):
    """Dense encoder and decoder with ReLU between their layers; latent numbers and output are linear.

    What it is trained on is its score, unless a model says otherwise.
    Score `mse`: mean over the columns of the squared difference of input and output, in the input's units squared.
    """

    def __init__(
        self, config: Card, layout: Layout, encoder: Sequence[int], decoder: Sequence[int] | None = None
    ) -> None:
        """`encoder`: widths of its layers, the latent one last; `decoder`: of its hidden layers, None mirrors these."""
        super().__init__(config, layout)
        width = len(self.columns)
        self._latent = len(encoder)
        self._sizes = mirrored(width, encoder) if decoder is None else (width, *encoder, *decoder, width)
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
        return {self._latent - 1, len(self._sizes) - 2}

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        for index, (inputs, outputs) in enumerate(pairwise(self._sizes)):
            shapes[f"{self._part(index)}.weight"] = (outputs, inputs)
            shapes[f"{self._part(index)}.bias"] = (outputs,)
        return shapes

    def _part(self, index: int) -> str:
        """The name of an affine layer in the torch module, where activations are counted too."""
        return f"encoder.{2 * index}" if index < self._latent else f"decoder.{2 * (index - self._latent)}"

    def _build(self) -> nn.Module:
        from torch import nn

        from hepad.nn.blocks import dense_stack

        encoder = dense_stack(self._sizes[: self._latent + 1], lambda _: nn.ReLU())
        decoder = dense_stack(self._sizes[self._latent :], lambda _: nn.ReLU())
        return nn.Sequential(OrderedDict(encoder=encoder, decoder=decoder))

    def _set_weights(self, weights: State) -> None:
        parts = [self._part(index) for index in range(len(self._sizes) - 1)]
        layers = [(weights[f"{p}.weight"], weights[f"{p}.bias"], i not in self._linear) for i, p in enumerate(parts)]
        self._network = Stack(layers, BLOCK)

    def _reconstruct(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._network(x)
