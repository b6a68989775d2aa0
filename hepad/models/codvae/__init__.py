"""Categorical conditional dual variational autoencoder of detector images.

Reference: Anzalone, Chhibra, Maier, Chernyavskaya, Pierini, "Triggering dark showers with conditional dual
auto-encoders", Mach. Learn.: Sci. Technol. 5 (2024) 035064, section 4.5, and the code that its authors published.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hepad.nn.image_card import Filters, ImageCard

__all__ = ["SCORES", "CategoricalConfig", "ScoreName"]

ScoreName = Literal["sse", "dice", "pixel_sum", "z1", "z2", "kl_forward", "kl_reverse"]
SCORES: tuple[ScoreName, ...] = ("sse", "dice", "pixel_sum", "z1", "z2", "kl_forward", "kl_reverse")


class CategoricalConfig(ImageCard):
    """`filters`, `groups`, `mask_groups` and `latent` as of `codae`; each of the latent pixels is a relaxed categorical
    of `latent` classes, of a temperature of `temperature` and more. The prior is a mixture of `modes` temperatures from
    0.1 to 1. `samples` are drawn for the divergence, whose weight in the loss is `beta`.

    `scores`: which scores to give, the default first; `z1` and `z2` need the mask encoder only, no divergence needs a
    decoder.
    """

    filters: Filters = (64, 128, 128, 256)
    groups: int = Field(default=4, ge=1, le=256)
    mask_groups: int = Field(default=2, ge=1, le=256)
    latent: int = Field(default=64, ge=2, le=4096)
    temperature: float = Field(default=1.0, gt=0, le=100)
    modes: int = Field(default=5, ge=1, le=100)
    samples: int = Field(default=10, ge=1, le=1000)
    beta: float = Field(default=1.0, ge=0, le=1e6)
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)
