"""The settings of a dense classifier, without torch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["Activation", "DenseCard", "Width"]

Activation = Literal["leaky_relu", "elu"]
Width = Annotated[int, Field(ge=1, le=4096)]


class DenseCard(Card):
    """`layers`: widths of the hidden layers; `activations` and `dropout` are of each, or one for all."""

    layers: tuple[Width, ...] = Field(min_length=1, max_length=16)
    activations: tuple[Activation, ...] = Field(default=("leaky_relu",), min_length=1, max_length=16)
    dropout: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(default=(0.0,), min_length=1, max_length=16)
    normalise: bool = False

    @model_validator(mode="after")
    def _has_one_each(self) -> DenseCard:
        for what, given in (("activations", self.activations), ("dropout", self.dropout)):
            if len(given) not in (1, len(self.layers)):
                raise ValueError(f"{what} has {len(given)} entries for {len(self.layers)} layers: give 1, or 1 each")
        return self

    def of_layers(self) -> list[tuple[Activation, float]]:
        """Activation and dropout behind each hidden layer."""
        count = len(self.layers)
        activations = self.activations * (count // len(self.activations))
        return list(zip(activations, self.dropout * (count // len(self.dropout)), strict=True))
