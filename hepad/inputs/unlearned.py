"""Input kinds that learn nothing from background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.inputs.batch import Batch

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Unlearned"]


class Unlearned:
    """Their share of `hepad.inputs.base.Input`; a kind adds `fields`, `raw`, `table_names` and perhaps `scaled`."""

    def __init__(self, card: Any) -> None:
        self.card = card

    def raw(self, events: ak.Array) -> Batch:
        """The batch of selected events in physical units."""
        raise NotImplementedError

    def scaled(self, batch: Batch) -> Batch:
        """The batch itself."""
        return batch

    def __call__(self, events: ak.Array) -> Batch:
        """The batch as the network sees it."""
        return self.scaled(self.raw(events))

    def fitted(self, background: Batch) -> Self:
        """The input itself: there is nothing to learn."""
        if len(background) == 0:
            raise InputDataError("no background events")
        return self

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Nothing was learned."""
        return {}

    @classmethod
    def from_state(cls, card: Any, state: Mapping[str, npt.NDArray[Any]]) -> Self:  # noqa: ARG003
        """The input of a card; there is no state to take."""
        return cls(card)

    def table(self, events: ak.Array) -> npt.NDArray[np.float32]:
        """The unscaled numbers of events."""
        return np.asarray(self.raw(events).x)
