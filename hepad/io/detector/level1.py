"""CMS's Level-1 trigger: its objects in integers and in GeV, whatever the file was.

A format says which branches hold the integers (`integers`); all else is here. Only the bunch crossing of the event
counts. The steps are those of the trigger's interfaces, as CMS's own branches in GeV have them (`L1Jet_pt` beside
`L1Jet_hwPt`): 0.5 GeV in E_T, 0.0435 in eta, 2 pi / 144 in phi, for muons 0.010875 and 2 pi / 576. The lowest number
that a muon's pT can have is 1, for 0 GeV: it is half a GeV less than half its number. Muons are at the vertex where
the file says where that is.

`electrons` are the trigger's e/gamma objects, as it does not tell electrons from photons, and `photons` are empty.
Objects are in the trigger's own order, which is by falling pT but for muons: theirs is by pT and quality.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import MASSES, Columns, Objects
from hepad.io.detector.trees import TreeFile
from hepad.io.detector.trigger_bits import check_bits, read_bits
from hepad.io.events import TRIGGER, SampleInfo, check_within, collection, missing_momentum
from hepad.paths import InputPath

__all__ = ["Level1File"]

_ET_STEP = 0.5  # GeV
_KINDS = {"met": 2, "scalar_ht": 1}
"""Types of sums: the missing momentum and the scalar sum of jets (`l1t::EtSum` of CMSSW)."""


@dataclass(frozen=True)
class _Scale:
    """How many bits a kind's integers have, what one of them is, and the lowest E_T."""

    et_bits: int
    eta_bits: int = 8
    eta_step: float = 0.0435
    phi_steps: int = 144
    lowest: int = 0


_SCALES = {
    "jets": _Scale(11),
    "electrons": _Scale(9),
    "taus": _Scale(9),
    "muons": _Scale(9, 9, 0.010875, 576, lowest=1),
    "met": _Scale(12),
    "scalar_ht": _Scale(12),
}
_TOWER_BITS, _TOWERS_PHI, _LAST_TOWER = 9, 72, 41
# Edges of the trigger towers in |eta|: JINST 3 (2008) S08004, section 5. There is no tower 29 of the trigger's own.
_ENDCAP = (1.830, 1.930, 2.043, 2.172, 2.322, 2.500, 2.650, 3.000)
_FORWARD = (3.000, 3.139, 3.314, 3.489, 3.664, 3.839, 4.013, 4.191, 4.363, 4.538, 4.716, 4.889, 5.191)
_TOWER_EDGES = np.array([*np.round(0.087 * np.arange(21), 3), *_ENDCAP, *_FORWARD])
_TOWER_ETA = (_TOWER_EDGES[1:] + _TOWER_EDGES[:-1]) / 2

_INTEGERS = {"pt": "hw_pt", "eta": "hw_eta", "phi": "hw_phi", "ht": "hw_pt"}
_TOWER_INTEGERS = {"pt": "iet", "eta": "ieta", "phi": "iphi"}
_OBJECT = {"pt", "eta", "phi", "hw_pt", "hw_eta", "hw_phi"}
_KNOWN: dict[str, set[str]] = {
    "jets": _OBJECT,
    "electrons": _OBJECT | {"mass"},
    "muons": _OBJECT | {"mass"},
    "photons": _OBJECT | {"mass"},
    "taus": _OBJECT,
    "met": {"pt", "phi", "hw_pt", "hw_phi"},
    "scalar_ht": {"ht"},
    "towers": {*_TOWER_INTEGERS, *_TOWER_INTEGERS.values()},
}
_ORDER = ("pt", "eta", "phi", "mass", "hw_pt", "hw_eta", "hw_phi", "ieta", "iphi", "iet")
_SAME = {"scalar_ht": "met", "photons": "electrons"}
"""What is read where another collection is read: of sums, and to know the number of events."""


class Level1File(TreeFile):
    """An open file of Level-1 objects. `sources` are where each collection may be, the first there being the usual."""

    sources: ClassVar[Mapping[str, tuple[str, ...]]]

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        super().__init__(path, directory, name)
        self._chosen: dict[str, str] = {}

    @abstractmethod
    def integers(self, name: str, source: str) -> dict[str, str]:
        """The branches of a collection's `hw_pt`, `hw_eta`, `hw_phi` (towers: `iet`, `ieta`, `iphi`), and others.

        `bx` is the bunch crossing, if objects of several are there; `kind` the type of a sum, if there are several.
        """

    @property
    @abstractmethod
    def triggers(self) -> tuple[str, ...]:
        """The names of the trigger's bits."""

    def bit_branches(self, names: AbstractSet[str]) -> set[str]:
        """The branches of bits, which have one number an event."""
        return set(names)

    def bits(self, names: AbstractSet[str], columns: Columns) -> ak.Array:
        """The record of bits."""
        return read_bits(columns, {name: name for name in names})

    @cached_property
    def present(self) -> dict[str, tuple[str, ...]]:
        """The sources of each collection that the file has."""
        lead = {"towers": "iet"}
        return {
            name: tuple(s for s in sources if self.has(self.integers(name, s)[lead.get(name, "hw_pt")]))
            for name, sources in self.sources.items()
        }

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """What a selection may name for each collection."""
        return self.present

    @property
    def others(self) -> dict[str, tuple[str, ...]]:
        """Where collections may be read from beside the usual place, for the key `collections` of selections."""
        usual = {name: found[:1] for name, found in self.present.items()}
        rest = {name: tuple(s for s in found if s not in usual.get(name, ())) for name, found in self.choices.items()}
        return {name: found for name, found in rest.items() if found}

    def choosing(self, sources: Mapping[str, str]) -> Level1File:
        """The same file with other sources for some collections; `InputDataError` if it does not have them."""
        for name, source in sources.items():
            found = self.choices.get(name, ())
            if source not in found:
                raise InputDataError(
                    f"{self.path}: the selection takes {source!r} for {name} (its key collections), which is not there "
                    f"(there are: {', '.join(found) or 'none'})"
                )
        other = copy.copy(self)
        other._chosen = dict(sources)  # noqa: SLF001  a copy of our own
        return other

    def source(self, name: str) -> str:
        """Where the integers of a collection are read from."""
        name = _SAME.get(name, name)
        chosen = self._chosen.get(name)
        return chosen if chosen in self.present[name] else (*self.present[name], *self.sources[name])[0]

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return self.buildable(self._known)

    @property
    def _known(self) -> dict[str, set[str]]:
        return {name: features for name, features in _KNOWN.items() if _SAME.get(name, name) in self.sources}

    def sample(self) -> SampleInfo:
        """Nothing: it is data, or its generator is not named."""
        return SampleInfo()

    def weight_branches(self) -> set[str]:
        """None: events weigh 1."""
        return set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection, or of bits."""
        if name == TRIGGER:
            check_bits(self.path, features, self.triggers)
            return self.bit_branches(features)
        self.refuse_unknown(name, features, self._known)
        needed = set(self._columns(name, features).values())
        self.require(sorted(needed), name)
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == TRIGGER:
            return self.bits(features, columns)
        branches = self._columns(name, features)
        wanted = [f for f in _ORDER if f in features | {"pt"}]
        if name == "photons":
            return collection(np.zeros(len(columns) + 1, dtype=np.int64), {f: np.empty(0) for f in wanted})
        objects = self._in_time(name, branches, columns)
        if name == "towers":
            return Objects(objects.offsets, objects.columns | _towers(objects.columns)).to_awkward(wanted)
        found = objects.columns | _physical(_SCALES[name], objects.columns)
        if name in _KINDS:
            of_met = {f: found[f] for f in wanted if f in found}
            return found["pt"] if name == "scalar_ht" else missing_momentum(of_met)
        if name in MASSES:
            found["mass"] = np.full(len(found["pt"]), MASSES[name])
        if name == "muons":  # in the trigger's own order
            return collection(objects.offsets, {f: found[f] for f in wanted})
        return Objects(objects.offsets, found).to_awkward(wanted)

    def _columns(self, name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Integer to branch, for what is asked for; E_T is always there to give the counts."""
        known = self.integers("electrons" if name == "photons" else name, self.source(name))
        names = _TOWER_INTEGERS if name == "towers" else _INTEGERS
        needed = {names.get(feature, feature) for feature in features | {"pt"}} | {"bx", "kind"}
        return {integer: branch for integer, branch in known.items() if integer in needed}

    def _in_time(self, name: str, branches: Mapping[str, str], columns: Columns) -> Objects:
        """The objects of the event's own bunch crossing, or the one sum of a name, with integers within their bits."""
        objects = columns.objects(branches, whole=set(branches))
        for key, wanted in (("bx", 0), ("kind", _KINDS.get(name))):
            if key in branches:
                objects = objects.take(objects[key] == wanted)
                del objects.columns[key]
        if name in _KINDS and (objects.counts != 1).any():
            event = int(np.flatnonzero(objects.counts != 1)[0])
            raise InputDataError(
                f"{self.path}: {objects.counts[event]} sums of type {_KINDS[name]} ({name}) of bunch crossing 0 at "
                f"entry {columns.start + event} of branch {branches['hw_pt']!r}; there must be one"
            )
        for integer, values in objects.columns.items():
            low, high = _bounds(name, integer)
            check_within(
                values,
                low,
                high,
                path=self.path,
                branch=branches[integer],
                start=columns.start,
                offsets=objects.offsets,
            )
            objects.columns[integer] = values.astype(np.int32)
        return objects


def _bounds(name: str, integer: str) -> tuple[int, int]:
    """The lowest and highest number that hardware can give."""
    if name == "towers":
        return {"iet": (0, 2**_TOWER_BITS - 1), "ieta": (-_LAST_TOWER, _LAST_TOWER), "iphi": (1, _TOWERS_PHI)}[integer]
    scale = _SCALES[name]
    if integer == "hw_pt":
        return scale.lowest, 2**scale.et_bits - 1
    if integer == "hw_phi":
        return 0, scale.phi_steps - 1
    return -(2 ** (scale.eta_bits - 1)), 2 ** (scale.eta_bits - 1) - 1


def _physical(scale: _Scale, integers: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
    """GeV, eta and phi in (-pi, pi] of the integers that are there."""
    found = {"pt": (integers["hw_pt"] - scale.lowest) * _ET_STEP}
    if "hw_eta" in integers:
        found["eta"] = integers["hw_eta"] * scale.eta_step
    if "hw_phi" in integers:
        found["phi"] = _angle(integers["hw_phi"], scale.phi_steps)
    return found


def _towers(integers: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[np.float64]]:
    """E_T in GeV and the centres of towers, whose numbers begin with 1 and in eta have a sign."""
    found = {"pt": integers["iet"] * _ET_STEP}
    if "ieta" in integers:
        ieta = integers["ieta"]
        found["eta"] = np.where(ieta == 0, 0.0, np.sign(ieta) * _TOWER_ETA[np.abs(ieta) - 1])
    if "iphi" in integers:
        found["phi"] = _angle(integers["iphi"] - 0.5, _TOWERS_PHI)
    return found


def _angle(turned: npt.NDArray[Any], steps: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.where(turned > steps / 2, turned - steps, turned) * (2 * np.pi / steps), dtype=np.float64)
