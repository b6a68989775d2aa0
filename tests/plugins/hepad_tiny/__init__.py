"""A model of somebody else: what is known of it without torch."""

from __future__ import annotations

from pydantic import Field

from hepad.cards.base import Card
from hepad.registry import Entry

__all__ = ["ENTRY", "TinyConfig"]


class TinyConfig(Card):
    """`latent`: width of the bottleneck."""

    latent: int = Field(default=2, ge=1, le=64)


ENTRY = Entry("hepad_tiny.network:TinyScorer", "linear autoencoder of somebody else", ("l1_vector",), "TinyConfig")
