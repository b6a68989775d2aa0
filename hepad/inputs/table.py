"""Columns of tables of features, and expressions of them."""

from __future__ import annotations

from typing import ClassVar, Literal

import awkward as ak
import numpy as np
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.errors import UsageError
from hepad.inputs.batch import Batch
from hepad.inputs.scale import Scale
from hepad.inputs.standardised import Standardised
from hepad.io.events import COLUMNS
from hepad.objects.expressions import Expression

__all__ = ["TableFeatures", "TableFeaturesCard"]


class TableFeaturesCard(InputCard):
    """Input kind `table`: columns of a table of features (numpy, Parquet, HDF5 or ROOT, an event a row), and the scale.

    A feature is a column or an expression of columns with + - * / **, `abs`, `sqrt`, `log`, `exp`, `min` and `max`:
    `j1_msd`, `j1_tau2/j1_tau1`, or a name that `columns` has one for. Columns of a plain array are `c0`, `c1`, ... An
    event lacks what is not finite, such as a ratio whose denominator is 0, and it is 0 there. `scale: standard` takes
    each to mean 0 and standard deviation 1 over the events that have it.
    """

    kind: Literal["table"]
    features: tuple[str, ...] = Field(min_length=1, max_length=1000)
    columns: dict[str, str] = Field(default_factory=dict)
    scale: Literal["none", "standard"] = "standard"

    @model_validator(mode="after")
    def _are_expressions(self) -> TableFeaturesCard:
        if len(set(self.features)) != len(self.features):
            raise ValueError("features must name each quantity once")
        for name in (*self.features, *self.columns):
            try:
                self.expression(name)
            except UsageError as error:
                raise ValueError(str(error)) from error
        return self

    def expression(self, name: str) -> Expression:
        """What a feature is made of."""
        return Expression(self.columns.get(name, name))


class TableFeatures(Standardised):
    """Rows of a table to a `Batch` of kind `table`, in the units of the table before scaling."""

    kind: ClassVar[str] = "table"

    card: TableFeaturesCard

    def __init__(self, card: TableFeaturesCard, scale: Scale | None = None) -> None:
        super().__init__(card, scale)
        self._features = [card.expression(name) for name in card.features]

    def fields(self) -> dict[str, set[str]]:
        """The columns that must be read."""
        return {COLUMNS: set().union(*(feature.columns for feature in self._features))}

    def raw(self, events: ak.Array) -> Batch:
        """The batch in physical units, before scaling."""
        names = self.fields()[COLUMNS]
        columns = {name: ak.to_numpy(events[COLUMNS][name]).astype(np.float64) for name in names}
        values = np.stack([feature.of(columns) for feature in self._features], axis=1)
        mask = np.isfinite(values) & (np.abs(values) <= np.finfo(np.float32).max)
        x = np.where(mask, values, 0.0).astype(np.float32)
        return Batch(self.kind, self.layout, x, mask, ak.to_numpy(events.weight).astype(np.float64))
