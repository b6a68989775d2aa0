"""Variational autoencoder of trigger objects in hardware units: CMS's trigger AXOL1TL up to its version 4.

Reference: Gandrakota, arXiv:2411.19506, the sizes in CMS's public C++ library of version 4, and the collaboration's
public training code.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["HardwareVaeConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class HardwareVaeConfig(Card):
    """`layers`, `latent` and `decoder`: widths of the hidden layers of the encoder, its means, and of the decoder's.

    The loss is alpha (1 - beta) times the error in cylindrical coordinates + beta times the KL divergence.
    `reconstruct_eta`: whether the longitudinal momentum of the reconstruction has the eta of the reconstruction, or
    that of the input, as in the first version of the collaboration's code, which later ones call the legacy.
    """

    layers: tuple[Width, ...] = Field(default=(28, 15), min_length=1, max_length=16)
    latent: int = Field(default=8, ge=1, le=4096)
    decoder: tuple[Width, ...] = Field(default=(24, 32, 64, 128), min_length=1, max_length=16)
    alpha: float = Field(default=1.0, gt=0)
    beta: float = Field(default=0.604, gt=0, lt=1)
    reconstruct_eta: bool = False
