"""Particle flow network: a classifier of sets of particles that is trained on a signal against background.

References: Komiske, Metodiev, Thaler, arXiv:1810.05165; Matos, Busch, Park, Gonski, "Semi-supervised permutation
invariant particle-level anomaly detection" (ANTELOPE), JHEP 05 (2025) 116, arXiv:2408.17409, and the code that its
authors published, for the sizes.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hepad.cards.base import Card

__all__ = ["FlowNetworkConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class FlowNetworkConfig(Card):
    """`particle`: widths of the layers that each particle goes through, the last that of the embedding of the set;
    `layers`: widths of the hidden layers of the classifier of the embedding.
    """

    particle: tuple[Width, ...] = Field(default=(75, 75, 75, 64), min_length=1, max_length=16)
    layers: tuple[Width, ...] = Field(default=(75, 75, 75), min_length=1, max_length=16)
