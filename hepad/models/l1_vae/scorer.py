"""The scorer of the variational autoencoder of hardware integers: on the processor in numpy, else in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, check_momenta
from hepad.models.l1_vae import HardwareVaeConfig
from hepad.nn.in_numpy import ScaledEncoder

if TYPE_CHECKING:
    from hepad.models.l1_vae.network import TorchHardwareVae

__all__ = ["HardwareVae"]


class HardwareVae(ScaledEncoder):
    """Integers scaled by powers of two, and a dense encoder with ReLU to the mean and log variance of a Gaussian.

    The decoder and the error, with which it is trained, are in `hepad.models.l1_vae.network`.
    """

    name: ClassVar[str] = "l1_vae"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_hardware",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(HardwareVaeConfig, dict(config), f"model {self.name}")
        check_momenta(layout, self.name)
        super().__init__(self._settings, layout, self._settings.layers, self._settings.latent)

    @property
    def embedding_layout(self) -> Layout:
        """The latent means, `z1`, `z2`, ..."""
        return Layout.latent(self._settings.latent)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The means of the latent Gaussians, of shape (n, latent)."""
        return np.concatenate([self._encoded(x) for x, _ in self._pieces(batch)])

    def _make(self) -> TorchHardwareVae:
        from hepad.models.l1_vae.network import TorchHardwareVae

        return TorchHardwareVae(self._settings, self.layout)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        return self._encoder_shapes(self._settings.decoder)
