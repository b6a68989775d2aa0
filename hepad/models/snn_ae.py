"""Autoencoder of spiking neurons.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.base import Card, parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.autoencoder import Autoencoder, mirrored
from hepad.nn.layers import Layer, Network, Spiking
from hepad.nn.lif import LifNetwork, lif_shapes
from hepad.nn.scorer import State, check_batch

if TYPE_CHECKING:
    from torch import nn

__all__ = ["SpikingAutoencoder", "SpikingConfig"]


class SpikingConfig(Card):
    """`layers`: widths down to the latent layer, mirrored by the decoder; the rest are the neurons' parameters.

    `beta` is the fraction of its potential that a neuron keeps per step, `threshold` the potential at which it spikes.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(24, 12, 4), min_length=1, max_length=16)
    steps: int = Field(default=5, ge=1, le=1000)
    beta: float = Field(default=0.9, ge=0, le=1)
    threshold: float = Field(default=1.2, gt=0)


class SpikingAutoencoder(Autoencoder):
    """Leaky integrate-and-fire layers that see the same input at each step; the last output membrane is the output.

    Score `mse`: mean over the columns of the squared difference of input and output, in the input's units squared.
    """

    name: ClassVar[str] = "snn_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._spiking = parse_card(SpikingConfig, dict(config), f"model {self.name}")
        super().__init__(self._spiking, layout)
        self._sizes = mirrored(len(self.columns), self._spiking.layers)
        self._neurons = {key: getattr(self._spiking, key) for key in ("steps", "beta", "threshold")}
        self._network: LifNetwork

    def latent_spikes(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Which latent neuron spikes at which step, shape (n, steps, latent); figures 9 and 10 of the reference."""
        check_batch(self, batch)
        self._trained()
        return self._network.spikes(batch.x, len(self._spiking.layers) - 1)

    @property
    def layered_scores(self) -> tuple[str, ...]:
        """The scores that are made of layers alone."""
        return self.score_names

    def layers(self, score: str) -> Network:  # noqa: ARG002  it has one
        """The layers with their neurons; see `hepad.nn.layers`."""
        state = {name: array.astype(np.float64) for name, array in self._trained().items()}
        last = len(self._sizes) - 2
        layers = [
            Layer(state[f"layers.{i}.weight"], state[f"layers.{i}.bias"], "spike" if i < last else "linear")
            for i in range(last + 1)
        ]
        neurons = self._spiking
        return Network(self.name, tuple(layers), "mse", Spiking(neurons.steps, neurons.beta, neurons.threshold))

    def state_of(self, network: Network) -> State:
        """The weights of a network of the same layers, by their names here."""
        return {
            f"layers.{i}.{kind}": values.astype(np.float32)
            for i, layer in enumerate(network.layers)
            for kind, values in (("weight", layer.weight), ("bias", layer.bias))
        }

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return lif_shapes(self._sizes)

    def _build(self) -> nn.Module:
        from hepad.nn.fused import FusedSpikingStack

        return FusedSpikingStack(self._sizes, **self._neurons)

    def _set_weights(self, weights: State) -> None:
        self._network = LifNetwork(weights, self._sizes, **self._neurons)

    def _reconstruct(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return self._network.outputs(x)
