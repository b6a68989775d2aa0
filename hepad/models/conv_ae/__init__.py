"""Convolutional autoencoder of calorimeter images, in the manner of "QCD or What?" (Heimel, Kasieczka, Plehn,
Thompson, SciPost Phys. 6 (2019) 030, arXiv:1808.08979), on whole events: phi is periodic.

The layer sizes are ours.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["ConvConfig"]


class ConvConfig(Card):
    """`filters`: channels after each convolution, which halves the image; `latent`: the bottleneck, a dense layer."""

    filters: tuple[Annotated[int, Field(ge=1, le=1024)], ...] = Field(default=(8, 16, 16), min_length=1, max_length=8)
    latent: int = Field(default=16, ge=1, le=4096)
