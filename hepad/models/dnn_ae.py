"""Dense autoencoder: the conventional network that the spiking one is compared with.

Reference: Dillon, Harkin, Javed, "Anomaly detection with spiking neural networks for LHC physics", section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from hepad.cards.base import Card, parse_card
from hepad.inputs.layout import Layout
from hepad.nn.dense_autoencoder import DenseNetwork

__all__ = ["DenseAutoencoder", "DenseConfig"]


class DenseConfig(Card):
    """`layers`: widths from the first hidden layer down to the latent one; the decoder mirrors them."""

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(24, 12, 4), min_length=1, max_length=16)


class DenseAutoencoder(DenseNetwork):
    """A dense autoencoder trained on its score, `mse`; see `hepad.nn.dense_autoencoder`.

    The reference does not say whether the latent layer has a ReLU. With one, latent neurons died in each of three
    trainings on our stand-in for its data and the loss differed between seeds by a factor of four; without, it varied
    by 4 %, closer to the 20 % that the reference quotes.
    """

    name: ClassVar[str] = "dnn_ae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_vector",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        settings = parse_card(DenseConfig, dict(config), f"model {self.name}")
        super().__init__(settings, layout, settings.layers)
