"""Autoencoder of spiking neurons.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field
from torch import Tensor

from hepad.cards.base import Card, parse_card
from hepad.inputs.batch import Batch
from hepad.nn.blocks import mirrored
from hepad.nn.inference import evaluate
from hepad.nn.network import Autoencoder
from hepad.nn.scorer import check_batch
from hepad.nn.spiking import SpikingStack

__all__ = ["SpikingAutoencoder", "SpikingConfig"]


class SpikingConfig(Card):
    """`layers`: widths down to the latent layer, mirrored by the decoder; the rest are the neurons' parameters.

    `beta` is the fraction of its potential that a neuron keeps per step, `threshold` the potential at which it spikes.
    """

    layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(24, 12, 4), min_length=1)
    steps: int = Field(default=5, ge=1)
    beta: float = Field(default=0.9, ge=0, le=1)
    threshold: float = Field(default=1.2, gt=0)


class SpikingAutoencoder(Autoencoder[SpikingStack]):
    """Leaky integrate-and-fire layers that see the same input at each step; the last output membrane is the output.

    Score `mse`: mean over the columns of the squared difference of input and output, in the input's units squared.
    """

    name: ClassVar[str] = "snn_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)

    def __init__(self, config: Mapping[str, Any], columns: Sequence[str]) -> None:
        self._spiking = parse_card(SpikingConfig, dict(config), f"model {self.name}")
        super().__init__(self._spiking, columns)

    def latent_spikes(self, batch: Batch) -> npt.NDArray[np.bool_]:
        """Which latent neuron spikes at which step, shape (n, steps, latent); figures 9 and 10 of the reference."""
        check_batch(self, self.columns, batch)
        stack = self._module
        latent = len(self._spiking.layers) - 1

        def spikes(x: Tensor) -> tuple[Tensor, ...]:
            return (stack.spikes(x)[latent].transpose(0, 1),)

        (values,) = evaluate(stack, spikes, self._arrays(batch), 1)
        return values > 0

    def _build(self) -> SpikingStack:
        config = self._spiking
        sizes = mirrored(len(self.columns), config.layers)
        return SpikingStack(sizes, steps=config.steps, beta=config.beta, threshold=config.threshold)
