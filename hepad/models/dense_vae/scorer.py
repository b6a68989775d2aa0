"""The scorer of the variational autoencoder of an embedding: on the processor in numpy, else in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.dense_vae import DenseVaeConfig
from hepad.nn.in_numpy import InNumpy, plain_stack
from hepad.nn.layers import Layer, Network
from hepad.nn.score_rules import sse
from hepad.nn.scorer import Scores, State
from hepad.nn.stacks import dense_layers, stack_shapes, with_layers

if TYPE_CHECKING:
    from hepad.models.dense_vae.network import TorchDenseVae

__all__ = ["DenseVae", "dense_vae_layers"]


class DenseVae(InNumpy):
    """Dense encoder with ReLU to the mean and log variance of a Gaussian, and its mirror image; all outputs linear.

    Score `sse`: the sum over the columns of the squared difference of the input and the reconstruction of the mean.
    """

    name: ClassVar[str] = "dense_vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)
    score_names: tuple[str, ...] = ("sse",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(DenseVaeConfig, dict(config), f"model {self.name}")
        self._width = len(layout.columns)
        super().__init__(self._settings, layout)

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that are made of layers alone."""
        return self.score_names

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The encoder of the means and the decoder; see `hepad.nn.layers`."""
        return Network(self.name, dense_vae_layers(self._trained(), self._settings), "sse")

    def state_of(self, network: Network) -> State:
        """The state with these layers."""
        count = len(self._settings.layers) + 1
        state = with_layers(self.state(), "encoder", network.layers[:count])
        return with_layers(state, "decoder", network.layers[count:])

    def _make(self) -> TorchDenseVae:
        from hepad.models.dense_vae.network import TorchDenseVae

        return TorchDenseVae(self._settings, self.layout)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        layers, latent = self._settings.layers, self._settings.latent
        encoder = stack_shapes("encoder", (self._width, *layers, 2 * latent))
        return encoder | stack_shapes("decoder", (latent, *layers[::-1], self._width))

    def _set_weights(self, weights: State) -> None:
        self._stack = plain_stack(dense_vae_layers(weights, self._settings))

    def _scored(self, x: npt.NDArray[np.float32], there: npt.NDArray[np.bool_]) -> Scores:  # noqa: ARG002
        return {"sse": sse(x, self._stack(x)).astype(np.float32)}


def dense_vae_layers(state: Mapping[str, npt.NDArray[Any]], config: DenseVaeConfig) -> tuple[Layer, ...]:
    """The encoder of the means and the decoder."""
    count = len(config.layers) + 1
    return (*dense_layers(state, "encoder", count, config.latent), *dense_layers(state, "decoder", count))
