"""Variational autoencoder trained against a discriminator: the kind of network of GELATO, ATLAS's Level-1 trigger.

References: ATLAS, GELATO: a Generic Event-Level Anomalous Trigger Option for ATLAS in LHC Run 3, whose layers are not
public; Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", arXiv:1512.09300.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["VaeGanConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class VaeGanConfig(Card):
    """`layers` and `latent`: widths of the encoder, mirrored by the decoder; `discriminator`: its hidden layers.

    Encoder and decoder lower half the sum of squared errors + `beta` times the KL divergence, summed over the latent
    axes, + `gamma` times how well the discriminator tells their events from real ones.
    """

    layers: tuple[Width, ...] = Field(default=(32, 16), min_length=1, max_length=16)
    latent: int = Field(default=3, ge=1, le=4096)
    discriminator: tuple[Width, ...] = Field(default=(32, 16), min_length=1, max_length=16)
    beta: float = Field(default=1.0, gt=0)
    gamma: float = Field(default=1.0, ge=0)
