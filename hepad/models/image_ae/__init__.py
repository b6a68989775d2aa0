"""Autoencoder of detector images with a dense bottleneck, in the manner of "QCD or What?".

References: Heimel, Kasieczka, Plehn, Thompson, SciPost Phys. 6 (2019) 030, arXiv:1808.08979, in the form that Anzalone
et al., Mach. Learn.: Sci. Technol. 5 (2024) 035064, compare with: transposed convolutions, 600 000 parameters, a latent
space of 32 numbers and the mean squared error. The layer sizes are ours, chosen to give that number of parameters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hepad.nn.image_card import Filters, ImageCard

__all__ = ["SCORES", "ImageAutoencoderConfig", "ScoreName"]

ScoreName = Literal["pixel_sum", "sse", "sae", "sae_mask", "bce", "dice"]
SCORES: tuple[ScoreName, ...] = ("pixel_sum", "sse", "sae", "sae_mask", "bce", "dice")


class ImageAutoencoderConfig(ImageCard):
    """`filters`: channels of the two convolutions before each halving, mirrored by the decoder; `dense`: widths of the
    layers from there to the `latent` numbers.

    `scores`: which scores to give, the default first.
    """

    filters: Filters = (16, 32, 32)
    dense: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(114,), min_length=1, max_length=8)
    latent: int = Field(default=32, ge=1, le=4096)
    scores: tuple[ScoreName, ...] = Field(default=SCORES, min_length=1)
