"""What every input kind promises, and how to build the input of a card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import awkward as ak
import numpy.typing as npt

from hepad import registry
from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout

__all__ = ["Input", "input_from_state", "make_input"]


class Input(Protocol):
    """Events to a `Batch`; what it learns from background is fitted once and kept in the bundle."""

    kind: ClassVar[str]
    layout: Layout

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        ...

    def raw(self, events: ak.Array) -> Batch:
        """The batch of selected events in physical units, before scaling."""
        ...

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it; `CardError` if a scale must be fitted first."""
        ...

    def __call__(self, events: ak.Array) -> Batch:
        """The batch as the network sees it."""
        ...

    def fitted(self, background: Batch) -> Input:
        """A copy that has learned its scale from an unscaled background batch."""
        ...

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """What was learned, as arrays for a bundle."""
        ...

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of the numbers of an event in a table, of the shape that an event has there."""
        ...

    def table(self, events: ak.Array) -> npt.NDArray[Any]:
        """All that is known of the events, unscaled, for people: of shape (n, *table_names.shape), float32."""
        ...


def make_input(card: InputCard) -> Input:
    """The input of a card, with nothing learned yet."""
    made: Input = registry.load(registry.INPUTS[card.kind])(card)
    return made


def input_from_state(card: InputCard, state: Mapping[str, npt.NDArray[Any]]) -> Input:
    """The input of a card with what `state` gave; `CardError` if that does not fit the card."""
    made: Input = registry.load(registry.INPUTS[card.kind]).from_state(card, state)
    return made
