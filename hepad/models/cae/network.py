"""The network of the residual convolutional autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.cae import SCORES, ResidualConfig
from hepad.nn.image_scorer import ImageScorer
from hepad.nn.residual import FIRST_LOGIT, ConditionalDecoder, ResidualEncoder, first_weights
from hepad.nn.sources import Noise

__all__ = ["ResidualAutoencoder"]


class ResidualAutoencoder(ImageScorer["_Network"]):
    """A residual encoder to many latent channels, and a residual decoder.

    The loss is the binary cross entropy, summed over the pixels. Scores: those of `hepad.nn.score_rules` of input and
    reconstruction.
    """

    name: ClassVar[str] = "cae"
    score_names: tuple[str, ...] = SCORES

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(ResidualConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.scores)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1:])

    def _losses(self, module: _Network, x: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002  it draws nothing
        return functional.binary_cross_entropy_with_logits(module(x), x, reduction="none").flatten(1).sum(dim=1)

    def _find(self, module: _Network, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        return (torch.sigmoid(module(x)) if decode else None), {}


class _Network(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: ResidualConfig, size: Sequence[int]) -> None:
        super().__init__()
        self.encoder = ResidualEncoder(config.filters, config.groups)
        self.latents = nn.Conv2d(config.filters[-1], config.latent, 1)
        self.decoder = ConditionalDecoder(config.filters[::-1], config.groups, size, config.latent, 0)
        first_weights(self)
        nn.init.constant_(self.decoder.last.bias, FIRST_LOGIT)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """The logits of the reconstruction."""
        logits: Tensor = self.decoder(self.latents(self.encoder(x)))
        return logits
