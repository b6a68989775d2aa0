"""The network of the conditional dual autoencoder, in torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from hepad.cards.base import parse_card
from hepad.inputs.layout import Layout
from hepad.models.codae import SCORES, DualConfig
from hepad.nn.image_scorer import ImageScorer
from hepad.nn.oriented import Oriented
from hepad.nn.residual import FIRST_LOGIT, ConditionalDecoder, MaskEncoder, ResidualEncoder, first_weights
from hepad.nn.sources import Noise

__all__ = ["DualAutoencoder"]

_LATENT = 2


class DualAutoencoder(ImageScorer["_Network"]):
    """A residual encoder to many latent channels, and a mask encoder to two numbers that the decoder is conditioned on.

    The loss is the binary cross entropy, summed over the pixels. Scores: `bce`, `sse`, `sae`, `sae_mask`, `dice` and
    `pixel_sum` of input and reconstruction (`hepad.nn.score_rules`); `z1` and `z2`, the numbers of the mask encoder,
    signed so that over the background of the training they grow with the number of lit pixels.
    """

    name: ClassVar[str] = "codae"
    score_names: tuple[str, ...] = SCORES
    encoder_scores: tuple[str, ...] = ("z1", "z2")

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        self._settings = parse_card(DualConfig, dict(config), f"model {self.name}")
        super().__init__(self._settings, layout, self._settings.scores)

    def _build(self) -> _Network:
        return _Network(self._settings, self.layout.shape[1:])

    def _losses(self, module: _Network, x: Tensor, noise: Noise) -> Tensor:  # noqa: ARG002  it draws nothing
        z = module.mask_encoder(x)
        module.oriented.remember(z, x)
        logits = module.decode(x, z)
        return functional.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(1).sum(dim=1)

    def _find(self, module: _Network, x: Tensor, decode: bool) -> tuple[Tensor | None, Mapping[str, Tensor]]:
        z = module.mask_encoder(x)
        made = torch.sigmoid(module.decode(x, z)) if decode else None
        return made, module.oriented(z)


class _Network(nn.Module):
    """The two encoders and the decoder."""

    def __init__(self, config: DualConfig, size: Sequence[int]) -> None:
        super().__init__()
        self.encoder = ResidualEncoder(config.filters, config.groups)
        self.latents = nn.Conv2d(config.filters[-1], config.latent, 1)
        self.mask_encoder = MaskEncoder(config.filters, config.mask_groups, size, _LATENT)
        self.decoder = ConditionalDecoder(config.filters[::-1], config.groups, size, config.latent, _LATENT)
        self.oriented = Oriented(_LATENT)
        first_weights(self)
        nn.init.constant_(self.decoder.last.bias, FIRST_LOGIT)  # type: ignore[arg-type]

    def decode(self, x: Tensor, z: Tensor) -> Tensor:
        """The logits of the reconstruction of images, given their numbers of the mask encoder."""
        logits: Tensor = self.decoder(self.latents(self.encoder(x)), z)
        return logits
