"""Dense autoencoder: the conventional network that the spiking one is compared with.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics", section 4.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from pydantic import Field
from torch import nn

from hepad.cards.base import Card, parse_card
from hepad.nn.blocks import dense_stack, mirrored
from hepad.nn.network import Autoencoder

__all__ = ["DenseAutoencoder", "DenseConfig"]


class DenseConfig(Card):
    """`layers`: widths from the first hidden layer down to the latent one; the decoder mirrors them."""

    layers: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(24, 12, 4), min_length=1)


class DenseAutoencoder(Autoencoder[nn.Sequential]):
    """Dense encoder and decoder with ReLU between their layers; latent numbers and output are linear.

    The reference does not say whether the latent layer has a ReLU. With one, latent neurons died in each of three
    trainings on our stand-in for its data and the loss differed between seeds by a factor of four; without, it varied
    by 4 %, closer to the 20 % that the reference quotes.

    Score `mse`: mean over the columns of the squared difference of input and output, in the input's units squared.
    """

    name: ClassVar[str] = "dnn_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)

    def __init__(self, config: Mapping[str, Any], columns: Sequence[str]) -> None:
        self._layers = parse_card(DenseConfig, dict(config), f"model {self.name}")
        super().__init__(self._layers, columns)

    def _build(self) -> nn.Sequential:
        sizes, latent = mirrored(len(self.columns), self._layers.layers), len(self._layers.layers)
        encoder = dense_stack(sizes[: latent + 1], lambda _: nn.ReLU())
        decoder = dense_stack(sizes[latent:], lambda _: nn.ReLU())
        return nn.Sequential(OrderedDict(encoder=encoder, decoder=decoder))
