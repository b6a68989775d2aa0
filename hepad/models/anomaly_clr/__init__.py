"""Contrastive representation of events of trigger objects, with augmentations that imitate anomalies.

Reference: Dillon, Favaro, Feiden, Modak, Plehn, "Anomalies, representations, and self-supervision", arXiv:2301.04660,
and the code that its authors published.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["ContrastiveConfig"]

Width = Annotated[int, Field(ge=1, le=4096)]


class ContrastiveConfig(Card):
    """`loss` and its `temperature`; `width`, `heads`, `layers` and `feedforward` of the transformer; the `head` has as
    many ReLU and linear layers after it, of `output` numbers.
    """

    loss: Literal["clr", "anomclr", "anomclr_plus"] = "anomclr_plus"
    temperature: float = Field(default=0.07, gt=0, le=100)
    width: Width = 32
    heads: int = Field(default=4, ge=1, le=64)
    layers: int = Field(default=2, ge=1, le=32)
    feedforward: Width = 64
    head: int = Field(default=2, ge=1, le=8)
    output: Width = 16

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> ContrastiveConfig:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is no multiple of heads {self.heads}")
        return self
