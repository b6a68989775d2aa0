"""Settings that all networks of detector images share; no torch in here."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from hepad.cards.base import Card

__all__ = ["Filters", "ImageCard"]

Filters = Annotated[tuple[Annotated[int, Field(ge=1, le=4096)], ...], Field(min_length=1, max_length=8)]
"""Channels after each convolution that halves an image."""


class ImageCard(Card):
    """Of an image a network sees which pixels of one `channel` are lit: above `threshold`, in the input's units.

    In the training each image is mirrored in eta or turned in phi by multiples of `turn` bins, at random, as in
    Anzalone et al., Mach. Learn.: Sci. Technol. 5 (2024) 035064; `turn` 0 leaves them as they are.
    """

    channel: str = "track"
    threshold: float = Field(default=0.0, ge=0)
    turn: int = Field(default=8, ge=0, le=512)

    @field_validator("scores", check_fields=False)
    @classmethod
    def _each_once(cls, scores: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(scores)) != len(scores):
            raise ValueError("scores must be named each once")
        return scores
