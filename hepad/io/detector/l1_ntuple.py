"""Level-1 ntuples of CMS (`L1Ntuple.root`): several trees of the same events.

`l1UpgradeTree` has the objects that the detector sent and `l1UpgradeEmuTree` those of the emulator, `l1CaloTowerTree`
and `l1CaloTowerEmuTree` the towers, `l1uGTTree` the bits, whose names are its aliases. Towers are the emulator's where
they are there: the detector sends all of its own for few events. All events weigh 1.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from typing import Any, ClassVar

import awkward as ak
import numpy as np

from hepad.errors import InputDataError
from hepad.io.detector.columns import Columns
from hepad.io.detector.friends import Friends
from hepad.io.detector.level1 import Level1File
from hepad.io.events import record
from hepad.paths import InputPath

__all__ = ["L1NtupleFile"]

_OBJECTS = ("l1UpgradeTree", "l1UpgradeEmuTree")
_BITS = ("l1uGTTree", "l1uGTEmuTree")
_CONTENT = {
    **dict.fromkeys(_OBJECTS, "L1Upgrade"),
    **dict.fromkeys(("l1CaloTowerTree", "l1CaloTowerEmuTree"), "L1CaloTower"),  # beside clusters, whose names are alike
    **dict.fromkeys(_BITS, "L1uGT"),
}
"""The object in each folder's tree, which is called like it."""
_PREFIXES = {"jets": "jet", "electrons": "eg", "muons": "muon", "taus": "tau"}
_LEAVES = {"hw_pt": "IEt", "hw_eta": "IEta", "hw_phi": "IPhi", "bx": "Bx"}
_AT_VERTEX = {"hw_eta": "IEtaAtVtx", "hw_phi": "IPhiAtVtx"}
_SUM_LEAVES = {"hw_pt": "sumIEt", "hw_phi": "sumIPhi", "kind": "sumType", "bx": "sumBx"}
_DECISIONS = "m_algoDecisionInitial"
_ALIAS = re.compile(rf"{_DECISIONS}\[(\d+)\]")


class L1NtupleFile(Level1File):
    """An open Level-1 ntuple; branches are called `tree.branch`."""

    format = "l1_ntuple"
    title = "Level-1 ntuple"
    sources: ClassVar = {
        **dict.fromkeys((*_PREFIXES, "met"), _OBJECTS),
        "towers": ("l1CaloTowerEmuTree", "l1CaloTowerTree"),
    }

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        places = {folder: f"{folder}/{content}Tree" for folder, content in _CONTENT.items()}
        trees = {folder: directory[place] for folder, place in places.items() if place in directory}
        filled = {folder: tree for folder, tree in trees.items() if tree.num_entries}  # others were not asked for
        super().__init__(path, {name: Friends(path, filled or trees, _CONTENT)}, name)
        self.directory = directory
        bits = [folder for folder in _BITS if self.has(f"{folder}.{_DECISIONS}")]
        self._bits = f"{bits[0]}.{_DECISIONS}" if bits else ""
        aliases = trees[bits[0]].aliases if bits else {}
        found = {bit: _ALIAS.search(text) for bit, text in aliases.items()}
        self._place = {bit: int(match[1]) for bit, match in found.items() if match}

    @property
    def triggers(self) -> tuple[str, ...]:
        """The names of the trigger's bits."""
        return tuple(self._place)

    def integers(self, name: str, source: str) -> dict[str, str]:
        """The branches of a collection's integers; of muons at the vertex, where they are there."""
        if name in {"met", "scalar_ht"}:
            return {integer: f"{source}.{leaf}" for integer, leaf in _SUM_LEAVES.items()}
        if name == "towers":
            return {integer: f"{source}.{integer}" for integer in ("iet", "ieta", "iphi")}
        leaves, prefix = _LEAVES, f"{source}.{_PREFIXES[name]}"
        if name == "muons" and self.has(*(prefix + leaf for leaf in _AT_VERTEX.values())):
            leaves = leaves | _AT_VERTEX
        return {integer: prefix + leaf for integer, leaf in leaves.items()}

    def bit_branches(self, names: AbstractSet[str]) -> set[str]:  # noqa: ARG002  all are in one
        """The branch of all decisions."""
        return {self._bits}

    def bits(self, names: AbstractSet[str], columns: Columns) -> ak.Array:
        """The record of bits, by their places in the decisions before prescales and masks."""
        offsets, values = columns.jagged(self._bits)
        needed = max(self._place[name] for name in names) + 1
        if (short := np.diff(offsets) < needed).any():
            entry = int(np.flatnonzero(short)[0])
            raise InputDataError(
                f"{self.path}: branch {self._bits!r} has {offsets[entry + 1] - offsets[entry]} decisions at entry "
                f"{columns.start + entry}, and the names ask for {needed}; leave that entry out"
            )
        return record({name: values[offsets[:-1] + self._place[name]] != 0 for name in sorted(names)})
