"""Input kinds that are vectors of named quantities, scaled to mean 0 and standard deviation 1 if the card says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.scale import Scale

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Standardised"]


class Standardised:
    """Their share of `hepad.inputs.base.Input`, for cards with `features` and `scale`; kinds add `fields` and `raw`."""

    def __init__(self, card: Any, scale: Scale | None = None) -> None:
        self.card, self.scale = card, scale
        self.layout = Layout.vector(card.features)

    def raw(self, events: ak.Array) -> Batch:
        """The batch in physical units, before scaling."""
        raise NotImplementedError

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it; `CardError` if the scale was never fitted."""
        if self.card.scale == "none":
            return batch
        if self.scale is None:
            raise CardError(f"scale {self.card.scale} must be fitted on background before it is used")
        return self.scale.of(self._curved(batch))

    def __call__(self, events: ak.Array) -> Batch:
        """The batch as the network sees it."""
        return self.scaled(self.raw(events))

    def fitted(self, background: Batch) -> Self:
        """A copy whose scale is fitted on an unscaled batch."""
        if len(background) == 0:
            raise InputDataError("no events to fit the input scale on")
        return self if self.card.scale == "none" else type(self)(self.card, Scale.standard(self._curved(background)))

    def _curved(self, batch: Batch) -> Batch:
        """With `scale: log`, sign(x) ln(1 + |x|) of each quantity x, 0 where there is none."""
        if self.card.scale != "log":
            return batch
        return replace(batch, x=np.copysign(np.log1p(np.abs(batch.x)), batch.x).astype(np.float32))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The fitted scale as arrays for a bundle."""
        return {} if self.scale is None else self.scale.state()

    @classmethod
    def from_state(cls, card: Any, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """The input of a card with the scale that `state` gave; `CardError` if it does not fit the card."""
        return cls(card, None if card.scale == "none" else Scale.from_state(state, len(card.features)))

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The quantities."""
        return np.array(self.card.features)

    def table(self, events: ak.Array) -> npt.NDArray[np.float32]:
        """The unscaled quantities of events, of shape (n, d)."""
        return self.raw(events).x
