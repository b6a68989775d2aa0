"""Objects in the integers of CMS's Global Trigger: what AXOL1TL sees.

The steps are those of the Level-1 trigger's interface documents as the trigger's ntuples state them: 0.5 GeV in E_T,
0.0435 in eta (muons 0.010875) and 2 pi / 144 in phi (muons 2 pi / 576).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout, Slot
from hepad.inputs.unlearned import Unlearned
from hepad.io.events import flat_columns
from hepad.objects.naming import singular

__all__ = ["L1Hardware", "L1HardwareCard", "eta_step", "phi_steps"]

Objects = Literal["met", "egammas", "muons", "jets", "taus"]

_PT_STEP, _ETA_STEP, _PHI_STEPS = 0.5, 0.0435, 144
_FINER = {"muons": 4}
"""Muons have steps in eta and phi that are so many times finer."""
_LOWEST = {"muons": 1}
"""The number that stands for 0 GeV: none of a muon that is there is 0."""
_CLOSE = 1e-3
"""Of a step: what single precision may take from a momentum that stands on one."""


def eta_step(thing: str) -> float:
    """The step in eta of an object (`muon`, `jet`, `met`): pseudorapidity is so many times its integer."""
    return _ETA_STEP / _finer(thing)


def phi_steps(thing: str) -> int:
    """In how many steps an object (`muon`, `jet`, `met`) goes around in phi."""
    return _PHI_STEPS * _finer(thing)


def _finer(thing: str) -> int:
    return next((times for name, times in _FINER.items() if singular(name) == thing), 1)


def _axol1tl_counts() -> dict[Objects, int]:
    return {"egammas": 4, "muons": 4, "jets": 10}


def _widths() -> dict[Objects, int]:
    return {"met": 12, "egammas": 9, "muons": 9, "jets": 11, "taus": 9}


class L1HardwareCard(InputCard):
    """Input kind `l1_hardware`: pt, eta and phi of objects in hardware units, 0 where there is none.

    `egammas` are the electrons and photons together. An E_T is a number of steps of 0.5 GeV, rounded down (and one more
    for muons, whose 0 GeV is 1), at most what the `bits` of its kind hold, and divided by `pt_divisor`; eta and phi are
    the nearest steps, phi counted from 0. Left out: quality and isolation, the trigger's own resolution and efficiency,
    and bunch crossings other than that of the event. `met_eta` says whether the missing momentum has a column for an
    eta, always 0, as AXOL1TL's has.
    """

    kind: Literal["l1_hardware"]
    order: tuple[Objects, ...] = ("met", "egammas", "muons", "jets")
    counts: dict[Objects, Annotated[int, Field(ge=1, le=100)]] = Field(default_factory=_axol1tl_counts)
    bits: dict[Objects, Annotated[int, Field(ge=1, le=15)]] = Field(default_factory=_widths)
    pt_divisor: int = Field(default=2, ge=1, le=16)
    met_eta: bool = True

    @model_validator(mode="after")
    def _is_complete(self) -> L1HardwareCard:
        if not self.order or len(set(self.order)) != len(self.order):
            raise ValueError("order must name collections or met, each once")
        for what, given in (("counts", self.counts), ("bits", self.bits)):
            if missing := [n for n in self.order if n not in given and (what, n) != ("counts", "met")]:
                raise ValueError(f"{what} must give a number for {', '.join(missing)}")
        return self


class L1Hardware(Unlearned):
    """Events to a `Batch` of kind `l1_hardware`, integers as float32. Nothing is learned from background."""

    kind: ClassVar[str] = "l1_hardware"

    card: L1HardwareCard

    def __init__(self, card: L1HardwareCard) -> None:
        super().__init__(card)
        self.layout = Layout.vector([slot for name in card.order for slot in _slots(card, name)])

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        wanted: dict[str, set[str]] = {}
        for name in self.card.order:
            for source in ("electrons", "photons") if name == "egammas" else (name,):
                wanted[source] = {"pt", "phi"} | (set() if name == "met" else {"eta"})
        return wanted

    def raw(self, events: ak.Array) -> Batch:
        """The batch in hardware units."""
        shape = (len(events), self.layout.size)
        x, mask, first = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.bool_), 0
        for name in self.card.order:
            count = 1 if name == "met" else self.card.counts[name]
            rows, place, columns = _met(events) if name == "met" else _objects(events, name, count)
            found = dict(zip(("pt", "eta", "phi"), self._integers(name, columns), strict=True))
            features = _features(self.card, name)
            at = first + len(features) * place
            for i, feature in enumerate(features):
                x[rows, at + i] = found[feature]
                mask[rows, at + i] = True
            first += len(features) * count
        return Batch(self.kind, self.layout, x, mask, ak.to_numpy(events.weight).astype(np.float64))

    def _integers(
        self, name: Objects, columns: Mapping[str, npt.NDArray[Any]]
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        pt, eta, phi = (np.asarray(columns[key], dtype=np.float64) for key in ("pt", "eta", "phi"))
        finer = _FINER.get(name, 1)
        steps = np.minimum(np.floor(pt / _PT_STEP + _CLOSE) + _LOWEST.get(name, 0), 2 ** self.card.bits[name] - 1)
        turns = np.rint(phi / (2 * np.pi) * _PHI_STEPS * finer) % (_PHI_STEPS * finer)
        return np.floor(steps / self.card.pt_divisor), np.rint(eta / _ETA_STEP * finer), turns

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The columns."""
        return np.array(self.layout.columns)


def _slots(card: L1HardwareCard, name: Objects) -> list[Slot]:
    features = _features(card, name)
    if name == "met":
        return [Slot("met", 0, feature) for feature in features]
    return [Slot(singular(name), i + 1, feature) for i in range(card.counts[name]) for feature in features]


def _features(card: L1HardwareCard, name: Objects) -> tuple[str, ...]:
    return ("pt", "phi") if name == "met" and not card.met_eta else ("pt", "eta", "phi")


def _met(events: ak.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """Rows, places and columns of the missing momentum, which has no eta."""
    pt, phi = (ak.to_numpy(events.met[name]) for name in ("pt", "phi"))
    rows = np.arange(len(events))
    return rows, np.zeros_like(rows), {"pt": pt, "eta": np.zeros(len(events)), "phi": phi}


def _objects(
    events: ak.Array, name: Objects, count: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], dict[str, npt.NDArray[Any]]]:
    """Rows, places within the event and columns of the first `count` objects of each event."""
    if name == "egammas":
        pairs = [flat_columns(events[source]) for source in ("electrons", "photons")]
        rows = np.concatenate([np.repeat(np.arange(len(events)), np.diff(offsets)) for offsets, _ in pairs])
        columns = {key: np.concatenate([part[key] for _, part in pairs]) for key in ("pt", "eta", "phi")}
        order = np.lexsort((-columns["pt"], rows))
        rows, columns = rows[order], {key: values[order] for key, values in columns.items()}
        offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(events)))])
    else:
        offsets, found = flat_columns(events[name])
        rows = np.repeat(np.arange(len(events)), np.diff(offsets))
        columns = {key: np.asarray(found[key]) for key in ("pt", "eta", "phi")}
    place = np.arange(len(rows)) - offsets[rows]
    kept = place < count
    return rows[kept], place[kept], {key: values[kept] for key, values in columns.items()}
