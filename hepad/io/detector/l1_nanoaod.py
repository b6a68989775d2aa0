"""CMS Level-1 NanoAOD: the tree `Events` with the trigger's objects in integers (`L1Jet_hwPt`), which others lack.

Objects are those that the detector sent (`L1Jet`), or, chosen in a selection card or where these are not there, those
that CMS's emulator made of its raw data (`L1EmulJet`). Towers are the emulator's, as the detector sends its own for few
events (`L1UnpackedCaloTower`). Such files may hold the collections of NanoAOD too: a selection card takes them by their
names (`collections: {jets: Jet}`), as `nanoaod` defines them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, ClassVar

from hepad.io.detector.columns import Columns
from hepad.io.detector.level1 import Level1File
from hepad.io.detector.nanoaod import PREFIXES, NanoAodFile, generated
from hepad.io.detector.trigger_bits import bits_among
from hepad.io.events import SampleInfo
from hepad.paths import InputPath

__all__ = ["L1NanoAodFile"]

_LEAVES = {"hw_pt": "hwPt", "hw_eta": "hwEta", "hw_phi": "hwPhi", "bx": "bx"}
_SUM_LEAVES = {"hw_pt": "hwPt", "hw_phi": "hwPhi", "kind": "etSumType", "bx": "bx"}
_TOWER_LEAVES = {"iet": "iet", "ieta": "ieta", "iphi": "iphi"}
_AT_VERTEX = {"hw_eta": "hwEtaAtVtx", "hw_phi": "hwPhiAtVtx"}
_OFFLINE = {**PREFIXES, "met": "PuppiMET"}
_WEIGHT = "genWeight"


class L1NanoAodFile(Level1File):
    """An open Level-1 NanoAOD file."""

    format = "l1_nanoaod"
    title = "Level-1 NanoAOD"
    tells = ("L1EG_hwPt", "L1Jet_hwPt", "L1Mu_hwPt", "L1EmulEG_hwPt", "L1EmulJet_hwPt", "L1EmulMu_hwPt")
    sources: ClassVar = {
        "jets": ("L1Jet", "L1EmulJet"),
        "electrons": ("L1EG", "L1EmulEG"),
        "muons": ("L1Mu", "L1EmulMu"),
        "taus": ("L1Tau", "L1EmulTau"),
        "met": ("L1EtSum", "L1EmulEtSum"),
        "towers": ("L1EmulCaloTower", "L1UnpackedCaloTower"),
    }

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        super().__init__(path, directory, name)
        self._offline = NanoAodFile(path, directory, name) if any(map(self._has_offline, _OFFLINE)) else None

    def _has_offline(self, name: str) -> bool:
        return self.has(f"{_OFFLINE[name]}_pt")

    def integers(self, name: str, source: str) -> dict[str, str]:
        """The branches of a collection's integers; of muons at the vertex, where they are there."""
        leaves = _SUM_LEAVES if name in {"met", "scalar_ht"} else _TOWER_LEAVES if name == "towers" else _LEAVES
        if name == "muons" and self.has(*(f"{source}_{leaf}" for leaf in _AT_VERTEX.values())):
            leaves = leaves | _AT_VERTEX
        if name == "towers" and self.has(f"{source}_bx"):
            leaves = leaves | {"bx": "bx"}
        return {integer: f"{source}_{leaf}" for integer, leaf in leaves.items()}

    @property
    def choices(self) -> dict[str, tuple[str, ...]]:
        """Those of the trigger, and the collections of NanoAOD."""
        offline = {name: (source,) for name, source in _OFFLINE.items() if self._has_offline(name)}
        return {name: (*self.present.get(name, ()), *offline.get(name, ())) for name in {**self.present, **offline}}

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """The names of the trigger's bits."""
        return bits_among(self.keys)

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        found = super().available()
        if self._offline is not None:
            found |= {n: features for n, features in self._offline.available().items() if self._is_offline(n)}
        return found

    def sample(self) -> SampleInfo:
        """The generated events and their weights, which `Runs` counts."""
        return generated(self.path, self.directory)

    def weight_branches(self) -> set[str]:
        """`genWeight`, if it is there."""
        return {_WEIGHT} if self.has(_WEIGHT) else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection."""
        if self._offline is not None and self._is_offline(name):
            return self._offline.branches(name, features)
        return super().branches(name, features)

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if self._offline is not None and self._is_offline(name):
            return self._offline.build(name, features, columns)
        return super().build(name, features, columns)

    def _is_offline(self, name: str) -> bool:
        return self._chosen.get(name) == _OFFLINE.get(name, "")
