"""The Level-1 object vector: a fixed number of objects of each type, pT-ordered, padded with zeros.

With the default card it is the 19-number input of the spiking-autoencoder paper (10 jets, 4 muons, 4 electrons, MET),
or, with pt, eta and phi, the 57 numbers of arXiv:2108.03986.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.condition import DERIVED
from hepad.cards.input import InputCard
from hepad.errors import CardError, InputDataError
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, Slot
from hepad.inputs.scale import Scale
from hepad.io.events import contents, flat_columns, numbers
from hepad.objects.naming import singular

__all__ = ["L1Vector", "L1VectorCard"]

FLOOR = 0.1
"""Where `max_with_floor` puts the smallest non-zero value of a slot (section 3 of the spiking-autoencoder paper)."""

_Float = npt.NDArray[np.float64]


Collection = Literal["jets", "muons", "electrons", "photons", "taus", "fatjets", "egammas"]


def _adc2021_counts() -> dict[Collection, int]:
    return {"jets": 10, "muons": 4, "electrons": 4}


class L1VectorCard(InputCard):
    """Input kind `l1_vector`: order, multiplicities, features and scaling.

    `scale` is learned from background: `max_with_floor` takes the smallest pt of a slot to 0.1 and the largest to 1,
    eta and phi to at most 1; `standard` takes pt to mean 0 and standard deviation 1; `min_max` takes each column's
    smallest number to 0 and its largest to 1, padding being zeros like any others. Otherwise padding stays 0.
    """

    kind: Literal["l1_vector"]
    features: tuple[Literal["pt", "eta", "phi"], ...] = ("pt",)
    order: tuple[Collection | Literal["met"], ...] = ("jets", "muons", "electrons", "met")
    counts: dict[Collection, Annotated[int, Field(ge=1, le=1000)]] = Field(default_factory=_adc2021_counts)
    scale: Literal["none", "max_with_floor", "standard", "min_max"] = "none"

    @model_validator(mode="after")
    def _is_complete(self) -> L1VectorCard:
        if not self.features or len(set(self.features)) != len(self.features):
            raise ValueError("features must name pt, eta or phi, each once")
        if not self.order or len(set(self.order)) != len(self.order):
            raise ValueError("order must name collections or met, each once")
        missing = [name for name in self.order if name != "met" and self.counts.get(name, 0) < 1]
        if missing:
            raise ValueError(f"counts must give a positive number for {', '.join(missing)}")
        return self


class L1Vector:
    """Events to a `Batch` of kind `l1_vector`; the scale is fitted once on background with `fitted`.

    Columns are object by object in the card's order: `jet1_pt, jet2_pt, ...` or `jet1_pt, jet1_eta, jet1_phi, ...`.
    Unscaled, pt is in GeV and phi in radians. MET has no eta: its column is 0 and masked.
    """

    kind: ClassVar[str] = "l1_vector"

    def __init__(self, card: L1VectorCard, scale: Scale | None = None) -> None:
        self.card = card
        self.scale = scale
        self.layout = Layout.vector([slot for name in card.order for slot in _slots(card, name)])
        self.columns = self.layout.columns

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read; what a selection builds, it reads the parts of."""
        features = set(self.card.features) | {"pt"}
        return {
            name: (features - {"eta"} if name == "met" else features) for name in self.card.order if name not in DERIVED
        }

    def raw(self, events: ak.Array) -> Batch:
        """The batch in physical units, before scaling."""
        return self._filled(events, None)

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it; `CardError` if the scale was never fitted."""
        if self.card.scale == "none":
            return batch
        scale = self._known_scale()
        return scale.of_all(batch) if self.card.scale == "min_max" else scale.of(batch)

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The columns."""
        return np.array(self.columns)

    def table(self, events: ak.Array) -> npt.NDArray[np.float32]:
        """The unscaled numbers of events, of shape (n, d)."""
        return self.raw(events).x

    def __call__(self, events: ak.Array) -> Batch:
        """The batch as the network sees it, `scaled` of `raw`."""
        if self.card.scale in ("none", "min_max"):
            return self.scaled(self.raw(events))
        return self._filled(events, self._known_scale())  # padding stays 0: nobody need look for the numbers again

    def fitted(self, background: Batch) -> L1Vector:
        """A copy whose scale is fitted on an unscaled background batch."""
        if len(background) == 0:
            raise InputDataError("no background events to fit the input scale on")
        fits = {"none": None, "max_with_floor": _max_with_floor, "standard": _standard, "min_max": _min_max}
        fit = fits[self.card.scale]
        return self if fit is None else L1Vector(self.card, fit(background))

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """The fitted scale as arrays for a bundle."""
        return {} if self.scale is None else self.scale.state()

    @classmethod
    def from_state(cls, card: L1VectorCard, state: Mapping[str, npt.NDArray[Any]]) -> L1Vector:
        """The input of a card with the scale that `state` gave; `CardError` if it does not fit the card."""
        if card.scale == "none":
            return cls(card)
        return cls(card, Scale.from_state(state, len(cls(card).columns)))

    def _known_scale(self) -> Scale:
        if self.scale is None:
            raise CardError(f"scale {self.card.scale} must be fitted on background before it is used")
        return self.scale

    def _filled(self, events: ak.Array, scale: Scale | None) -> Batch:
        shape = (len(events), len(self.columns))
        x, mask = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
        first, fields, into = 0, contents(events), _Numbers(x.reshape(-1), mask.reshape(-1), scale)
        for name in self.card.order:
            fill = self._fill_met if name == "met" else self._fill_objects
            first += fill(fields, name, first, into)
        return Batch(self.kind, self.layout, x, mask, numbers(fields["weight"]).astype(np.float64))

    def _fill_met(self, fields: Mapping[str, Any], name: str, first: int, into: _Numbers) -> int:
        """Put MET into the columns from `first` on; how many these are."""
        for i, feature in enumerate(self.card.features):
            if feature != "eta":
                into.put(slice(first + i, None, len(self.columns)), first + i, numbers(fields[name][feature]))
        return len(self.card.features)

    def _fill_objects(self, fields: Mapping[str, Any], name: str, first: int, into: _Numbers) -> int:
        """Put a collection into the columns from `first` on; how many these are."""
        if name in DERIVED and name not in fields:
            raise CardError(f"the input takes {name}, which the selection must build, under its key 'build'")
        count, features = self.card.counts[name], self.card.features  # type: ignore[index]  # they share their names
        offsets, objects = flat_columns(fields[name])
        counts = np.diff(offsets)
        position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)  # of each object in its event
        row = np.repeat(np.arange(0, len(counts) * len(self.columns), len(self.columns)), counts)
        if counts.max(initial=0) > count:
            leading = position < count
            row, position = row[leading], position[leading]
            objects = {feature: objects[feature][leading] for feature in features}
        for i, feature in enumerate(features):
            column = position * len(features) + (first + i)
            into.put(row + column, column, objects[feature])
        return count * len(features)


@dataclass(frozen=True)
class _Numbers:
    """Numbers and which are there, flat, event after event, and the scale that they are put in with, None: none."""

    x: npt.NDArray[np.float32]
    mask: npt.NDArray[np.bool_]
    scale: Scale | None

    def put(self, where: Any, column: Any, values: npt.NDArray[Any]) -> None:
        """Put numbers of the columns that are told in their places."""
        values = values.astype(np.float32, copy=False)
        self.x[where] = values if self.scale is None else self.scale.at(column, values)
        self.mask[where] = True


def _slots(card: L1VectorCard, name: str) -> list[Slot]:
    """The numbers of a collection, object by object."""
    if name == "met":
        return [Slot("met", 0, feature) for feature in card.features]
    count = card.counts[name]  # type: ignore[index]  # they share their names
    return [Slot(singular(name), i + 1, feature) for i in range(count) for feature in card.features]


def _max_with_floor(batch: Batch) -> Scale:
    """pT: the smallest value of a slot goes to 0.1 and the largest to 1. eta, phi: divided by the largest |value|.

    A slot that is empty in all of the background keeps the scale of the slot before it, so that an object which
    the background never had still shows.
    """
    slots, there = batch.layout.slots, batch.there
    gain, offset = np.ones(len(slots)), np.zeros(len(slots))
    for i, slot in enumerate(slots):
        values = batch.x[there[:, i], i].astype(np.float64)
        momentum = slot.feature == "pt"
        if len(values) == 0:
            gain[i], offset[i] = _neighbour(slots, i, gain, offset)
            continue
        low, high = (values.min(), values.max()) if momentum else (0.0, np.abs(values).max())
        width = high - low if high > low else max(high, 1.0)
        gain[i] = (1 - FLOOR) / width if momentum else 1 / width
        offset[i] = FLOOR - low * gain[i] if momentum else 0.0
    return Scale(gain, offset)


def _neighbour(slots: tuple[Slot, ...], i: int, gain: _Float, offset: _Float) -> tuple[float, float]:
    """Scale of the same feature of the slot before, if it is of the same collection."""
    before = replace(slots[i], position=slots[i].position - 1)
    if before not in slots[:i]:
        return (1e-3, FLOOR) if slots[i].feature == "pt" else (1.0, 0.0)
    j = slots.index(before)
    return float(gain[j]), float(offset[j])


def _standard(batch: Batch) -> Scale:
    """pT: mean 0 and standard deviation 1 over all events, padding included as zeros; eta and phi as they are.

    That is what the authors of arXiv:2108.03986 do before they mask the padding.
    """
    slots = batch.layout.slots
    gain, offset = np.ones(len(slots)), np.zeros(len(slots))
    for i, slot in enumerate(slots):
        if slot.feature == "pt":
            values = batch.x[:, i].astype(np.float64)
            spread = values.std()
            gain[i] = 1 / spread if spread > 0 else 1.0
            offset[i] = -values.mean() * gain[i]
    return Scale(gain, offset)


def _min_max(batch: Batch) -> Scale:
    """The smallest number of a column goes to 0 and the largest to 1, padding included, as in arXiv:2111.06417's code.

    A column that is always the same goes to 0.
    """
    low, high = (extreme(batch.x, axis=0).astype(np.float64) for extreme in (np.min, np.max))
    gain = 1 / np.where(high > low, high - low, 1.0)
    return Scale(gain, -low * gain)
