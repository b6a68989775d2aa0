"""The scorer of the embedding by VICReg: on the processor in numpy, else in torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import parse_card
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, check_momenta
from hepad.models.vicreg import VicregConfig
from hepad.nn.in_numpy import ScaledEncoder
from hepad.nn.layers import Layer
from hepad.nn.scorer import State
from hepad.nn.stacks import dense_layers, normalisation_shapes, scale_shapes, stack_shapes

if TYPE_CHECKING:
    from hepad.models.vicreg.network import TorchVicreg

__all__ = ["VicregEmbedding"]


class VicregEmbedding(ScaledEncoder):
    """Integers scaled by powers of two, and dense layers with a ReLU after each; trained to embed views alike.

    Score `z2`: the sum of the squares of the embedding, which a chain does not use.
    """

    name: ClassVar[str] = "vicreg"
    input_kinds: ClassVar[tuple[str, ...]] = ("l1_hardware",)
    score_names: tuple[str, ...] = ("z2",)
    prefix: ClassVar[str] = "backbone"

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(VicregConfig, dict(config), f"model {self.name}")
        check_momenta(layout, self.name)
        *hidden, last = self._settings.layers
        super().__init__(self._settings, layout, hidden, last)

    @property
    def embedding_layout(self) -> Layout:
        """`z1`, `z2`, ..."""
        return Layout.latent(self._latent)

    def embed(self, batch: Batch) -> npt.NDArray[np.float32]:
        """The embeddings, of shape (n, layers[-1])."""
        return np.concatenate([self._encoded(x) for x, _ in self._pieces(batch)])

    def _encoder(self, state: State) -> tuple[Layer, ...]:
        return dense_layers(state, self.prefix, len(self._sizes), last="relu")

    def _make(self) -> TorchVicreg:
        from hepad.models.vicreg.network import TorchVicreg

        return TorchVicreg(self._settings, self.layout)

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        shapes = scale_shapes("scale", self.layout.size) | stack_shapes(self.prefix, (*self._sizes, self._latent))
        projector = stack_shapes("projector", (self._latent, *self._settings.projector))
        for i, width in enumerate(self._settings.projector):
            shapes |= {
                f"projector.{2 * i}.{part}": projector[f"projector.{2 * i}.{part}"] for part in ("weight", "bias")
            }
            shapes |= normalisation_shapes(f"projector.{2 * i + 1}.0", width)
        return shapes
