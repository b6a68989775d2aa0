"""Conditional dual autoencoder of detector images, for dark showers in a trigger.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, "Triggering dark showers with conditional dual
auto-encoders", Mach. Learn.: Sci. Technol. 5 (2024) 035064, and the code that its authors published.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hepad.nn.image_card import Filters, ImageCard

__all__ = ["SCORES", "DualConfig", "ScoreName"]

ScoreName = Literal["bce", "sse", "sae", "sae_mask", "dice", "pixel_sum", "z1", "z2"]
SCORES: tuple[ScoreName, ...] = ("bce", "sse", "sae", "sae_mask", "dice", "pixel_sum", "z1", "z2")


class DualConfig(ImageCard):
    """`filters` of both encoders, mirrored by the decoder; `groups` of the convolutions of residual encoder and decoder
    and `mask_groups` of the mask encoder; `latent` channels of the former.

    `scores`: which scores to give, the default first; `z1` and `z2` alone need the mask encoder only.
    """

    filters: Filters = (64, 128, 128, 256)
    groups: int = Field(default=4, ge=1, le=256)
    mask_groups: int = Field(default=2, ge=1, le=256)
    latent: int = Field(default=64, ge=1, le=4096)
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)
