"""Convolutional autoencoder of detector images: the conditional dual autoencoder without its second encoder.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, "Triggering dark showers with conditional dual
auto-encoders", Mach. Learn.: Sci. Technol. 5 (2024) 035064, section 5.2.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hepad.nn.image_card import Filters, ImageCard

__all__ = ["SCORES", "ResidualConfig", "ScoreName"]

ScoreName = Literal["bce", "sse", "sae", "sae_mask", "dice", "pixel_sum"]
SCORES: tuple[ScoreName, ...] = ("bce", "sse", "sae", "sae_mask", "dice", "pixel_sum")


class ResidualConfig(ImageCard):
    """`filters` of the encoder, mirrored by the decoder; `groups` of the convolutions; `latent` channels.

    `scores`: which scores to give, the default first.
    """

    filters: Filters = (64, 128, 128, 256)
    groups: int = Field(default=4, ge=1, le=256)
    latent: int = Field(default=64, ge=1, le=4096)
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)
