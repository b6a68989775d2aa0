"""A quantity of an event as its score: the number of tracks, H_T, the missing momentum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.cards.base import Card, parse_card
from hepad.errors import CardError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.nn.untrained import Untrained

__all__ = ["Quantity", "QuantityConfig"]


class QuantityConfig(Card):
    """`feature`: the column of the input that is the score, None for the only one."""

    feature: str | None = None


class Quantity(Untrained):
    """Score `value`: a column of the input as it is, in the input's units; 0 for an event that lacks it."""

    name: ClassVar[str] = "quantity"
    input_kinds: ClassVar[tuple[str, ...]] = ("event_features", "jet_features", "l1_vector", "l1_hardware")
    score_names: tuple[str, ...] = ("value",)

    def __init__(self, config: Mapping[str, Any], layout: Layout) -> None:
        settings = parse_card(QuantityConfig, dict(config), f"model {self.name}")
        super().__init__(settings, layout)
        feature = settings.feature or (layout.columns[0] if len(layout.columns) == 1 else None)
        if feature not in layout.columns:
            found = ", ".join(layout.columns[:10])
            raise CardError(f"model {self.name}: no column {feature!r}; name one with the key feature: {found}")
        self._place = layout.columns.index(feature)

    def _values(self, batch: Batch) -> dict[str, npt.NDArray[np.float64]]:
        finite = np.isfinite(batch.x).all(axis=1)
        return {"value": np.where(finite, batch.x[:, self._place].astype(np.float64), np.nan)}
