"""ATLAS DAOD_PHYSLITE: the tree `CollectionTree`. Momenta and masses are in MeV there, in GeV in Events.

PHYSLITE holds calibrated candidates. This reader keeps those that pass:

- electrons: `DFCommonElectronsLHMedium`, ptvarcone30 below 15 % and topoetcone20 below 20 % of pT (loose
  isolation, "Loose_VarRad"; variables and cuts as in arXiv:1908.00005);
- muons: quality medium or better (`quality & 7` at most 1, as xAOD::Muon stores it), `DFCommonMuonPassIDCuts`, and
  ptvarcone30 + 0.4 neflowisol20 below 16 % of pT ("PflowLoose_VarRad"; arXiv:2012.00578);
- photons: `DFCommonPhotonsIsEMTight`, `DFCommonPhotonsCleaning`, ptcone20 below 5 % and topoetcone20 below 6.5 % of pT
  ("Loose"; arXiv:1908.00005), not within 0.4 of a kept electron or muon;
- taus: `JetDeepSetMedium`, not within 0.2 of a kept electron or muon; jets that are taus stay among the jets;
- jets: `NNJvtPass` (not pile-up), not within 0.4 of a kept electron, muon or photon. Overlaps count from 10 GeV;
- fatjets: all of `AnalysisLargeRJets`.

A jet is b-tagged at the fixed cut of its tagger (see `_TAGGERS`), whose outputs are found through `btaggingLink`.

PHYSLITE has no final missing momentum: it is to be built from the objects that an analysis selects. Here it is minus
the sum of the kept electrons, muons and photons and of the kept jets above 20 GeV, 30 GeV from |eta| 2.4 on, plus the
soft term: `PVSoftTrkCore` of `MET_Core_AnalysisMET`, and the tracks (`jettrkpx`, `jettrkpy` of the association map) of
the kept jets below those thresholds or failing `NNJvtPass`. ATLAS' METMaker also shares out constituents between
objects that overlap; this does not, nor does it apply muon energy-loss corrections.

The first of `mcEventWeights` is the weight, 1 in data. The file states neither the cross section nor the energy; the
sums of weights are in its metadata, which this reader does not read.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.baskets import words
from hepad.io.detector.columns import MASSES, Columns, Objects
from hepad.io.detector.trees import TreeFile
from hepad.io.events import SampleInfo, missing_momentum
from hepad.paths import InputPath

__all__ = ["TREE", "PhysliteFile"]

TREE = "CollectionTree"

_GEV = 1000.0  # in MeV
_MOMENTUM = {"pt": "pt", "eta": "eta", "phi": "phi", "mass": "m"}
_PREFIXES = {
    "jets": "AnalysisJetsAuxDyn",
    "electrons": "AnalysisElectronsAuxDyn",
    "muons": "AnalysisMuonsAuxDyn",
    "photons": "AnalysisPhotonsAuxDyn",
    "taus": "AnalysisTauJetsAuxDyn",
    "fatjets": "AnalysisLargeRJetsAuxDyn",
}
_FLAGS = {
    "jets": ("NNJvtPass",),
    "electrons": ("DFCommonElectronsLHMedium",),
    "muons": ("DFCommonMuonPassIDCuts",),
    "photons": ("DFCommonPhotonsIsEMTight", "DFCommonPhotonsCleaning"),
    "taus": ("JetDeepSetMedium",),
    "fatjets": (),
}
_QUALITY, _MEDIUM_MUON = "quality", 1  # 0 tight, 1 medium, 2 loose, 3 very loose, in the lowest three bits
# Each isolation: what is summed, with its factor, and the fraction of pT it must stay below.
_ISOLATION: dict[str, tuple[tuple[dict[str, float], float], ...]] = {
    "electrons": (
        ({"ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000": 1.0}, 0.15),
        ({"topoetcone20": 1.0}, 0.20),
    ),
    "muons": (({"ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500": 1.0, "neflowisol20": 0.4}, 0.16),),
    "photons": (({"ptcone20": 1.0}, 0.05), ({"topoetcone20": 1.0}, 0.065)),
}
_OVERLAPS: dict[str, tuple[tuple[str, ...], float]] = {
    "jets": (("electrons", "muons", "photons"), 0.4),
    "photons": (("electrons", "muons"), 0.4),
    "taus": (("electrons", "muons"), 0.2),
}
_OVERLAP_PT = 10.0
_KNOWN = {name: set(_MOMENTUM) for name in _PREFIXES} | {
    "jets": {*_MOMENTUM, "btag"},
    **{name: {*_MOMENTUM, "charge"} for name in ("electrons", "muons")},
    "met": {"pt", "phi"},
}

_BTAGGING = "BTagging_AntiKt4EMPFlowAuxDyn"
_LINK = ("AnalysisJetsAuxDyn.btaggingLink.m_persKey", "AnalysisJetsAuxDyn.btaggingLink.m_persIndex")
# Tagger to the fractions of c, tau and light jets in ln(p_b / sum f_i p_i), and the cut on it. GN2v01: 77 %, as
# ADFilter's converter DAOD2Ntuple.py has it from the release 22 flavour-tagging recommendation. DL1dv01: the loosest
# point, 85 %, as the jet requirements of ATLAS' derivation framework (Athena) have it.
_TAGGERS = {
    "GN2v01": ({"pc": 0.2, "ptau": 0.01, "pu": 0.79}, 0.82),
    "DL1dv01": ({"pc": 0.018, "pu": 0.982}, 0.948),
}

_JET_THRESHOLD, _FORWARD_THRESHOLD, _FORWARD = 20.0, 30.0, 2.4
_CORE = {"px": "MET_Core_AnalysisMETAuxDyn.mpx", "py": "MET_Core_AnalysisMETAuxDyn.mpy"}
_TERMS = "MET_Core_AnalysisMETAuxDyn.name"
_SOFT, _SOFT_PLACE = "PVSoftTrkCore", 1  # after SoftClusCore, where a slim lost the names
_JET_TRACKS = {"px": "METAssoc_AnalysisMETAux.jettrkpx", "py": "METAssoc_AnalysisMETAux.jettrkpy"}
_WEIGHT = "EventInfoAuxDyn.mcEventWeights"


class PhysliteFile(TreeFile):
    """An open PHYSLITE file."""

    format = "physlite"
    title = "PHYSLITE"

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        super().__init__(path, directory, name)
        if not any(self.has(f"{prefix}.pt") for prefix in _PREFIXES.values()):
            kind, part = words(self.tree)
            raise InputDataError(
                f"{path}: {kind} {name!r} has no {part} of PHYSLITE, such as 'AnalysisJetsAuxDyn.pt': this is another "
                "xAOD, and hepad reads no other ATLAS format"
            )

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return self.buildable(_KNOWN)

    def sample(self) -> SampleInfo:
        """Nothing: it is in the metadata of the file, or nowhere."""
        return SampleInfo()

    def weight_branches(self) -> set[str]:
        """`mcEventWeights`, if it is there."""
        return {_WEIGHT} if self.has(_WEIGHT) else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection, of its criteria, and of what its objects may overlap with."""
        self.refuse_unknown(name, features, _KNOWN)
        if name == "met":
            needed = {*_CORE.values(), *_JET_TRACKS.values()}
            self.require(sorted(needed), name)
            return needed | self.branches("jets", {"pt", "eta", "phi"})
        momentum = self._columns(name, features | ({"eta", "phi"} if name in _OVERLAPS else set()))
        needed = {*momentum.values(), *self._criteria(name).values()}
        if "btag" in features:
            needed |= {*_LINK, *self._scores.values()}
        self.require(sorted(needed), name)
        for other in _OVERLAPS.get(name, ((), 0.0))[0]:
            needed |= self.branches(other, {"pt", "eta", "phi"})
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == "met":
            px, py = self._missing(columns)
            return missing_momentum({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)})
        objects = self._kept(name, features, columns)
        if name in MASSES and "mass" in features:
            objects.columns["mass"] = np.full(len(objects["pt"]), MASSES[name], dtype=np.float32)
        order = (*_MOMENTUM, "btag", "charge")
        return objects.to_awkward([f for f in order if f in features | {"pt"}])

    @cached_property
    def _tagger(self) -> str:
        return next((t for t in _TAGGERS if self.has(f"{_BTAGGING}.{t}_pb")), "DL1dv01")

    @property
    def _scores(self) -> dict[str, str]:
        return {p: f"{_BTAGGING}.{self._tagger}_{p}" for p in ("pb", *_TAGGERS[self._tagger][0])}

    @staticmethod
    def _columns(name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Property to branch of what is read as it is; pT is always there to give the counts."""
        wanted = [f for f in _MOMENTUM if f in features | {"pt"} and not (f == "mass" and name in MASSES)]
        leaves = {**{f: _MOMENTUM[f] for f in wanted}, **({"charge": "charge"} if "charge" in features else {})}
        return {feature: f"{_PREFIXES[name]}.{leaf}" for feature, leaf in leaves.items()}

    @staticmethod
    def _criteria(name: str) -> dict[str, str]:
        isolation = [part for parts, _ in _ISOLATION.get(name, ()) for part in parts]
        quality = [_QUALITY] if name == "muons" else []
        return {leaf: f"{_PREFIXES[name]}.{leaf}" for leaf in (*_FLAGS[name], *quality, *isolation)}

    def _candidates(self, name: str, features: AbstractSet[str], columns: Columns) -> Objects:
        """All objects of a collection that overlap with no kept lepton or photon, with their criteria."""
        extra = {"eta", "phi"} if name in _OVERLAPS else set()
        branches = {**self._columns(name, features | extra), **self._criteria(name)}
        isolation = {part: _GEV for parts, _ in _ISOLATION.get(name, ()) for part in parts}
        objects = columns.objects(branches, units={"pt": _GEV, "mass": _GEV, **isolation}, whole={_QUALITY})
        if "btag" in features:
            objects.columns["btag"] = self._btag(objects, columns)
        others, radius = _OVERLAPS.get(name, ((), 0.0))
        apart: npt.NDArray[np.bool_] = np.ones(len(objects["pt"]), dtype=bool)
        for other in others:
            leptons = self._kept(other, {"pt", "eta", "phi"}, columns)
            apart &= ~columns.near(objects, leptons.take(leptons["pt"] > _OVERLAP_PT), radius)
        objects.columns["apart"] = apart
        return objects

    def _kept(self, name: str, features: AbstractSet[str], columns: Columns) -> Objects:
        objects = self._candidates(name, features, columns)
        return objects.take(objects["apart"] & self._passes(name, objects))

    @staticmethod
    def _passes(name: str, objects: Objects) -> npt.NDArray[np.bool_]:
        mask: npt.NDArray[np.bool_] = np.ones(len(objects["pt"]), dtype=bool)
        for flag in _FLAGS[name]:
            mask &= objects[flag] != 0
        if name == "muons":
            mask &= (objects[_QUALITY] & 7) <= _MEDIUM_MUON
        for parts, fraction in _ISOLATION.get(name, ()):
            mask &= sum(factor * objects[part] for part, factor in parts.items()) < fraction * objects["pt"]
        return mask

    def _btag(self, jets: Objects, columns: Columns) -> npt.NDArray[np.bool_]:
        """Flat mask of the tagged jets; a jet whose link is empty is not tagged."""
        link = columns.objects(dict(zip(("key", "index"), _LINK, strict=True)), whole={"key", "index"})
        scores = columns.objects(self._scores)
        linked = link["key"] != 0
        outside = linked & ((link["index"] < 0) | (link["index"] >= scores.counts[link.event]))
        if not np.array_equal(link.offsets, jets.offsets) or outside.any():
            raise InputDataError(
                f"{self.path}: branch {_LINK[1]!r} does not match the jets or {_BTAGGING!r}; the file is damaged"
            )
        place = (scores.offsets[:-1][link.event] + link["index"])[linked]
        fractions, cut = _TAGGERS[self._tagger]
        other = sum(fraction * scores[p][place] for p, fraction in fractions.items())
        tagged = np.zeros(len(jets["pt"]), dtype=bool)
        tagged[linked] = scores["pb"][place] > np.exp(cut) * other
        return tagged

    @cached_property
    def _soft_place(self) -> int:
        """The place of the soft term of tracks among the terms of the core; past the last if it is not there."""
        if not self.has(_TERMS) or self.entries == 0:
            return _SOFT_PLACE
        try:
            names = self.tree[self.keys[_TERMS]].array(entry_stop=1).tolist()[0]
        except Exception as error:
            raise self.damage(error, {self.keys[_TERMS]: None}, 0, 1) from error
        return names.index(_SOFT) if _SOFT in names else len(names)

    def _missing(self, columns: Columns) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Both components of the missing momentum in GeV, each of shape (n,)."""
        core = columns.objects(_CORE)
        lacks = core.counts <= self._soft_place
        if lacks.any():
            entry = columns.start + int(np.flatnonzero(lacks)[0])
            raise InputDataError(
                f"{self.path}: branch {_CORE['px']!r} has no term {_SOFT} at entry {entry}; "
                "the missing momentum of this file cannot be built"
            )
        place = core.offsets[:-1] + self._soft_place
        px, py = (core[axis][place].astype(np.float64) / _GEV for axis in ("px", "py"))
        jets = self._candidates("jets", {"pt", "eta", "phi"}, columns)
        threshold = np.where(np.abs(jets["eta"]) < _FORWARD, _JET_THRESHOLD, _FORWARD_THRESHOLD)
        hard = (jets["pt"] > threshold) & self._passes("jets", jets)
        tracks = self._jet_tracks(jets, columns)
        soft = jets["apart"] & ~hard
        px -= jets.sum_by_event(np.where(soft, tracks["px"] / _GEV, 0.0))
        py -= jets.sum_by_event(np.where(soft, tracks["py"] / _GEV, 0.0))
        leptons = [self._kept(name, {"pt", "phi"}, columns) for name in ("electrons", "muons", "photons")]
        for objects in (*leptons, jets.take(jets["apart"] & hard)):
            px -= objects.sum_by_event(objects["pt"] * np.cos(objects["phi"]))
            py -= objects.sum_by_event(objects["pt"] * np.sin(objects["phi"]))
        return px, py

    def _jet_tracks(self, jets: Objects, columns: Columns) -> Objects:
        """The tracks of each jet: the association map has one entry a jet, in order, and one for the rest."""
        tracks = columns.objects(_JET_TRACKS)
        if not np.array_equal(tracks.counts, jets.counts + 1):
            raise InputDataError(
                f"{self.path}: branch {_JET_TRACKS['px']!r} does not match the jets; the file is damaged or thinned"
            )
        of_jets = np.ones(int(tracks.offsets[-1]), dtype=bool)
        of_jets[tracks.offsets[1:] - 1] = False
        return tracks.take(of_jets)
