"""The scorer of the variational autoencoder with a discriminator: on the processor in numpy, else in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from hepad.cards.base import parse_card
from hepad.errors import CardError
from hepad.inputs.layout import Layout
from hepad.models.vae_gan import VaeGanConfig
from hepad.nn.in_numpy import ScaledEncoder
from hepad.nn.stacks import stack_shapes

if TYPE_CHECKING:
    from hepad.models.vae_gan.network import TorchVaeGan

__all__ = ["VaeGan"]


class VaeGan(ScaledEncoder):
    """Numbers scaled by powers of two, and a dense encoder with ReLU to the mean and log variance of a Gaussian.

    The decoder and the discriminator, with which it is trained, are in `hepad.models.vae_gan.network`.
    """

    name: ClassVar[str] = "vae_gan"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_hardware", "l1_vector")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(VaeGanConfig, dict(config), f"model {self.name}")
        if not layout.slots:
            raise CardError(f"{self.name} takes a vector of objects")
        super().__init__(self._settings, layout, self._settings.layers, self._settings.latent)

    def _make(self) -> TorchVaeGan:
        from hepad.models.vae_gan.network import TorchVaeGan

        return TorchVaeGan(self._settings, self.layout)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        discriminator = (self.layout.size, *self._settings.discriminator, 1)
        return self._encoder_shapes(self._settings.layers[::-1]) | stack_shapes("discriminator", discriminator)
