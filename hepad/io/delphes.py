"""Delphes ROOT files: the tree `Delphes`, as the program writes it or as a slim with the same branch names.

Branch names and units are those of Delphes' `classes/DelphesClasses.h`: PT, Mass, MET, HT in GeV. `taus` are the jets
with the tau tag; Delphes keeps them among the jets, and so does `jets` here.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from typing import Any

import awkward as ak
import numpy as np

from hepad.io.columns import MASSES, Columns
from hepad.io.events import SampleInfo, check_not_negative
from hepad.io.trees import TreeFile, positive

__all__ = ["TREE", "DelphesFile"]

TREE = "Delphes"

_JET = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}
_PHOTON = {"pt": "PT", "eta": "Eta", "phi": "Phi"}
_LEPTON = {**_PHOTON, "charge": "Charge"}
_TAU_TAG = "Jet.TauTag"
_BRANCHES: dict[str, tuple[str, dict[str, str]]] = {
    "jets": ("Jet", {**_JET, "btag": "BTag"}),
    "electrons": ("Electron", _LEPTON),
    "muons": ("Muon", _LEPTON),
    "photons": ("Photon", _PHOTON),
    "taus": ("Jet", _JET),
    "fatjets": ("FatJet", {**_JET, "btag": "BTag"}),
    "met": ("MissingET", {"pt": "MET", "phi": "Phi"}),
    "scalar_ht": ("ScalarHT", {"ht": "HT"}),
}
_KNOWN = {name: {*features, *({"mass"} if name in MASSES else ())} for name, (_, features) in _BRANCHES.items()}
_WEIGHTS = ("Weight.Weight", "Event.Weight")


class DelphesFile(TreeFile):
    """An open Delphes file."""

    format = "delphes"
    title = "Delphes"

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        found: dict[str, set[str]] = {}
        for name, (prefix, features) in _BRANCHES.items():
            present = {feature for feature, leaf in features.items() if self.has(f"{prefix}.{leaf}")}
            if present and name in MASSES:
                present.add("mass")
            if present and (name != "taus" or self.has(_TAU_TAG)):
                found[name] = present
        return found

    def sample(self) -> SampleInfo:
        """The generator's cross section in pb, its best estimate being that of the last event."""
        branch = self.keys.get("Event.CrossSection")
        if branch is None or self.entries == 0:
            return SampleInfo()
        try:
            last = ak.flatten(self.tree[branch].array(entry_start=self.entries - 1), axis=None)
        except Exception as error:
            raise self.damage(error, {branch: None}, self.entries - 1, self.entries) from error
        return SampleInfo(cross_section_pb=positive(last[0]) if len(last) else None)

    def weight_branch(self) -> str | None:
        """The generator's weight."""
        return next((branch for branch in _WEIGHTS if self.has(branch)), None)

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection."""
        self.refuse_unknown(name, features, _KNOWN)
        needed = {*self._columns(name, features).values(), *({_TAU_TAG} if name == "taus" else ())}
        self.require(sorted(needed), name)
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        branches = self._columns(name, features)
        if name == "met":
            return columns.momentum(branches)
        if name == "scalar_ht":
            values = columns.first(branches["ht"])
            check_not_negative(values, path=self.path, branch=branches["ht"], start=columns.start)
            return values
        tags = {"tautag": _TAU_TAG} if name == "taus" else {}
        objects = columns.objects({**branches, **tags}, whole={"btag", "tautag"})
        flat = objects.columns
        if "btag" in flat:
            flat["btag"] = (flat["btag"] & 1).astype(bool)
        if name in MASSES:
            flat["mass"] = np.full(len(flat["pt"]), MASSES[name], dtype=np.float32)
        if name == "taus":
            objects = objects.take((flat.pop("tautag") & 1).astype(bool))
        return objects.to_awkward(objects.columns)

    @staticmethod
    def _columns(name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Property to branch for one collection, in a fixed order; pT is always there to give the counts."""
        prefix, known = _BRANCHES[name]
        return {f: f"{prefix}.{known[f]}" for f in known if f in features or f == "pt"}
