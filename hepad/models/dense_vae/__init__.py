"""Variational autoencoder of an embedding: the second half of CMS's trigger AXOL1TL v5.

Reference: the sizes in CMS's public C++ library of version 5, and the collaboration's public training code.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["DenseVaeConfig"]


class DenseVaeConfig(Card):
    """`layers` and `latent`: widths of the encoder, mirrored by the decoder.

    The loss is alpha (1 - beta) times the sum of squared errors + beta times the KL divergence, summed over the latent
    axes.
    """

    layers: tuple[Annotated[int, Field(ge=1, le=4096)], ...] = Field(default=(9, 6), min_length=1, max_length=16)
    latent: int = Field(default=4, ge=1, le=4096)
    alpha: float = Field(default=0.469, gt=0)
    beta: float = Field(default=0.848, gt=0, lt=1)
