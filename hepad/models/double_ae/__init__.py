"""Two autoencoders of the same input whose errors are decorrelated, for a background estimate by the ABCD method.

Reference: Mikuni, Nachman, Shih, "Online-compatible unsupervised non-resonant anomaly detection", Phys. Rev. D 105
(2022) 055006, arXiv:2111.06417, and the code that its authors published; "the authors" below are theirs.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["DoubleConfig"]


class DoubleConfig(Card):
    """`layers`: widths of either encoder down to the latent space, mirrored by its decoder.

    `decorrelation`: weight of the distance correlation of the two errors over a batch, beside their means in the loss.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(
        default=(256, 128, 64, 32, 5), min_length=1, max_length=16
    )
    decorrelation: float = Field(default=10.0, ge=0, le=1e6)
