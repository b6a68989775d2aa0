"""CMS NanoAOD: the tree `Events`, with names of versions 5 to 15. Momenta and masses are in GeV.

Unlike Delphes, NanoAOD holds candidates. This reader keeps those that pass:

- electrons: `Electron_cutBased` medium or better (the cut-based identification includes isolation);
- muons: `Muon_mediumId` and `Muon_pfRelIso04_all` below 0.25 (loose isolation, CMS-MUO-16-001, arXiv:1804.04528);
- photons: `Photon_cutBased` medium or better (bit 1 of `Photon_cutBasedBitmap` up to version 7) and
  `Photon_electronVeto`;
- taus: medium working point of the best discriminator against jets, not within 0.4 of a kept electron or muon;
- jets and fatjets: tight, bit 1 of `jetId`, whose other bits are loose and the lepton veto. The bit is wrong for
  |eta| > 2.7 in versions 12 to 14, and gone from 15 on: there the criteria of CMS (see `_tight`) are applied to the
  energy fractions and multiplicities of the jet, or, where the multiplicities are not there, the fractions to what the
  bit keeps; a file with none of these keeps all jets;
- jets: not within 0.4 in eta and phi of a kept electron, muon or photon above 10 GeV, for NanoAOD lists a lepton as a
  jet too and Delphes does not. Jets that are taus stay among the jets, as in Delphes.

A jet is b-tagged at the medium working point (1 % of light jets) of the newest tagger that the file fills; a file does
not say its year, so that the point of one year is taken for all (see `_BTAGS`). `met` is PuppiMET, or else MET. Masses
of electrons, muons and photons are the known ones. `vertices` is `PV_npvs`. Weights are `genWeight`, 1 in data. NanoAOD
states neither the cross section nor the energy; the tree `Runs` counts the generated events and their weights.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import MASSES, Columns, Objects
from hepad.io.detector.trees import TreeFile
from hepad.io.detector.trigger_bits import bits_among, check_bits, read_bits
from hepad.io.events import TRIGGER, SampleInfo
from hepad.paths import InputPath

__all__ = ["PREFIXES", "TREE", "NanoAodFile", "generated"]

TREE = "Events"

_MOMENTUM = ("pt", "eta", "phi", "mass")
PREFIXES = {
    "jets": "Jet",
    "electrons": "Electron",
    "muons": "Muon",
    "photons": "Photon",
    "taus": "Tau",
    "fatjets": "FatJet",
}
_CRITERIA = {
    "jets": (),
    "electrons": ("Electron_cutBased",),
    "muons": ("Muon_mediumId", "Muon_pfRelIso04_all"),
    "photons": ("Photon_electronVeto",),
    "taus": (),
    "fatjets": (),
}
_MEDIUM = {"Electron_cutBased": 3, "Photon_cutBased": 2}  # as the titles of these branches say
_MEDIUM_BIT = 2  # bit 1: "2^(0:loose, 1:medium, 2:tight)"
_PHOTON_IDS = ("Photon_cutBased", "Photon_cutBasedBitmap", "Photon_cutBased17Bitmap")
_MUON_ISOLATION = 0.25
_TIGHT_JET = 2  # bit 1 of jetId
_FRACTIONS = ("neHEF", "neEmEF")
_CONSTITUENTS = (*_FRACTIONS, "chHEF", "chMultiplicity", "neMultiplicity")
_REAL = {"pfRelIso04_all", *_FRACTIONS, "chHEF"}
_OF_VERSION_12 = ("Jet_btagPNetB", "Jet_btagRobustParTAK4B", "Jet_btagUParTAK4B")
_UNMENDED = (
    "Jet_jetId is wrong for jets with |eta| > 2.7 in NanoAOD 12 to 14, and Jet_neHEF and Jet_neEmEF, which tell the "
    "good ones, are not there: do not trust forward jets of this file"
)
_OVERLAPS = {"jets": ("electrons", "muons", "photons"), "taus": ("electrons", "muons")}
_RADIUS, _OVERLAP_PT = 0.4, 10.0
_PLACE = {name: {"eta", "phi"} if name in _OVERLAPS else {"eta"} if name == "fatjets" else set() for name in PREFIXES}
"""What is read of each collection, asked for or not, to identify its objects."""
# Medium points of the b-tagging group, btv-wiki.docs.cern.ch/ScaleFactors, as cards of CMS analyses repeat them. Other
# years: UParT none; ParticleNet 0.245-0.2605 (2022), 0.192 (2023); DeepJet 0.2598 and 0.2489 (2016), 0.3040 (2017),
# 0.31-0.32 (2022), 0.243 (2023); DeepCSV 0.4506 (2017).
_BTAGS = {
    "Jet_btagUParTAK4B": 0.1272,  # 2024
    "Jet_btagPNetB": 0.2450,  # 2022
    "Jet_btagDeepFlavB": 0.2783,  # 2018, legacy
    "Jet_btagDeepB": 0.4168,  # 2018, legacy
    "Jet_btagCSVV2": 0.8484,  # 2016, twiki BtagRecommendation80XReReco
}
_PROBE = 1000
# The title of a branch says which number is medium; these are for slims that lost the titles.
_TAU_IDS = {
    "Tau_idDeepTau2018v2p5VSjet": "5 = Medium",
    "Tau_idDeepTau2017v2p1VSjet": "bitmask 16 = Medium",
    "Tau_idMVAoldDM2017v2": "bitmask 8 = Medium",
    "Tau_idMVAoldDM": "",
}
_METS = ("PuppiMET", "MET", "PFMET")
_WEIGHT, _VERTICES = "genWeight", "PV_npvs"
_KNOWN = {name: set(_MOMENTUM) for name in PREFIXES} | {
    "jets": {*_MOMENTUM, "btag"},
    **{name: {*_MOMENTUM, "charge"} for name in ("electrons", "muons")},
    "met": {"pt", "phi"},
    "vertices": {"number"},
}


class NanoAodFile(TreeFile):
    """An open NanoAOD file."""

    format = "nanoaod"
    title = "NanoAOD"

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        super().__init__(path, directory, name)
        if not any(self.has(f"{prefix}_pt") for prefix in (*PREFIXES.values(), *_METS)):
            raise InputDataError(
                f"{path}: tree {name!r} has no branch of NanoAOD, such as 'Jet_pt'; hepad reads no other CMS format"
            )

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return self.buildable(_KNOWN)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """The names of the trigger's bits, to be asked for as `TRIGGER`."""
        return bits_among(self.keys)

    def sample(self) -> SampleInfo:
        """The generated events and their weights, which `Runs` counts."""
        notes = (_UNMENDED,) if self._criteria("jets") == {"Jet_jetId"} and self._is_faulty("Jet_jetId") else ()
        return replace(generated(self.path, self.directory), notes=notes)

    def weight_branches(self) -> set[str]:
        """`genWeight`, if it is there."""
        return {_WEIGHT} if self.has(_WEIGHT) else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection, of its criteria, and of what its objects may overlap with."""
        if name == TRIGGER:
            check_bits(self.path, features, self.triggers)
            return set(features)
        self.refuse_unknown(name, features, _KNOWN)
        if name == "vertices":
            needed = {_VERTICES}
        elif name == "met":
            needed = set(self._columns(name, features).values())
        else:
            needed = {*self._columns(name, features | _PLACE[name]).values(), *self._criteria(name)}
        self.require(sorted(needed), name)
        for other in _OVERLAPS.get(name, ()):
            needed |= self.branches(other, {"pt", "eta", "phi"})
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == TRIGGER:
            return read_bits(columns, {bit: bit for bit in features})
        if name == "vertices":
            return columns.first(_VERTICES)
        if name == "met":
            return columns.momentum(self._columns(name, features))
        objects = self._identified(name, features | _PLACE[name], columns)
        for other in _OVERLAPS.get(name, ()):
            leptons = self._identified(other, {"pt", "eta", "phi"}, columns)
            objects = objects.take(~columns.near(objects, leptons.take(leptons["pt"] > _OVERLAP_PT), _RADIUS))
        if name in MASSES and "mass" in features:
            objects.columns["mass"] = np.full(len(objects["pt"]), MASSES[name], dtype=np.float32)
        order = (*_MOMENTUM, "btag", "charge")
        return objects.to_awkward([f for f in order if f in features | {"pt"}])

    @cached_property
    def _btag(self) -> str | None:
        """The newest tagger with a value for any of the first jets; reprocessed files keep branches they never fill."""
        present = [branch for branch in _BTAGS if self.has(branch)]
        return next((branch for branch in present if self._is_filled(branch)), present[0] if present else None)

    def _is_filled(self, branch: str) -> bool:
        try:
            values = ak.flatten(self.tree[self.keys[branch]].array(entry_stop=min(_PROBE, self.entries)), axis=None)
        except Exception:  # noqa: BLE001  a damaged basket is reported when the events are read
            return True
        return bool(ak.any(values >= 0))

    @cached_property
    def _tau_id(self) -> tuple[str, bool, int] | None:
        """The tau identification: its branch, whether it is a bit mask, and the number of the medium point."""
        for branch, default in _TAU_IDS.items():
            title = str(self.branch(branch).title) if self.has(branch) else ""
            medium = re.search(r"(\d+) = Medium", title) or re.search(r"(\d+) = Medium", default)
            if self.has(branch) and medium:
                return branch, "bitmask" in (title if "Medium" in title else default), int(medium[1])
        return None

    def _columns(self, name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Property to branch of what is read as it is; pT is always there to give the counts."""
        if name == "met":
            prefix = next((met for met in _METS if self.has(f"{met}_pt")), _METS[0])
            return {feature: f"{prefix}_{feature}" for feature in ("pt", "phi") if feature in features | {"pt"}}
        wanted = [f for f in _MOMENTUM if f in features | {"pt"} and not (f == "mass" and name in MASSES)]
        columns = {f: f"{PREFIXES[name]}_{f}" for f in (*wanted, *({"charge"} & features))}
        if "btag" in features:
            columns["btag"] = self._btag or "Jet_btagDeepFlavB"
        return columns

    def _criteria(self, name: str) -> set[str]:
        """The branches that identify the objects of a collection."""
        if name in {"jets", "fatjets"}:
            return self._jet_criteria(PREFIXES[name])
        if name == "taus":
            return {self._tau_id[0] if self._tau_id else next(iter(_TAU_IDS))}
        if name == "photons":
            return {next((b for b in _PHOTON_IDS if self.has(b)), _PHOTON_IDS[0]), *_CRITERIA[name]}
        return set(_CRITERIA[name])

    def _jet_criteria(self, prefix: str) -> set[str]:
        flag = f"{prefix}_jetId"
        constituents, fractions = ({f"{prefix}_{leaf}" for leaf in leaves} for leaves in (_CONSTITUENTS, _FRACTIONS))
        if not self.has(flag):
            return constituents if self.has(*constituents) else set()
        if not self._is_faulty(flag):
            return {flag}
        if self.has(*constituents):
            return constituents
        return {flag, *fractions} if self.has(*fractions) else {flag}

    def _is_faulty(self, flag: str) -> bool:
        """Whether the flag of jets is that of version 12 or later: a single byte, or beside taggers of that time."""
        return any(self.has(b) for b in _OF_VERSION_12) or "uint8" in str(self.branch(flag).typename)

    def _identified(self, name: str, features: AbstractSet[str], columns: Columns) -> Objects:
        """The objects that pass the criteria of their collection."""
        prefix = PREFIXES[name]
        criteria = {branch.removeprefix(f"{prefix}_"): branch for branch in sorted(self._criteria(name))}
        objects = columns.objects({**self._columns(name, features), **criteria}, whole=criteria.keys() - _REAL)
        if "btag" in objects.columns:
            assert self._btag  # noqa: S101  `branches` saw to it
            objects.columns["btag"] = objects["btag"] > _BTAGS[self._btag]
        found = {leaf: objects.columns.pop(leaf) for leaf in criteria}
        if name in {"jets", "fatjets"}:
            return objects.take(_tight(found, np.abs(objects["eta"])))
        mask: npt.NDArray[np.bool_] = np.ones(len(objects["pt"]), dtype=bool)
        for leaf, branch in criteria.items():
            mask &= self._passes(branch, found[leaf])
        return objects.take(mask)

    def _passes(self, branch: str, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
        if branch in _MEDIUM:
            return np.asarray(values >= _MEDIUM[branch])
        if branch in _PHOTON_IDS:
            return (values & _MEDIUM_BIT) > 0
        if branch == "Muon_pfRelIso04_all":
            return np.asarray(values < _MUON_ISOLATION)
        if self._tau_id and branch == self._tau_id[0]:
            _, is_mask, medium = self._tau_id
            return np.asarray((values & medium) > 0 if is_mask else values >= medium)
        return values.astype(bool)


def generated(path: InputPath, directory: Any) -> SampleInfo:
    """The generated events and their weights of a file, which its tree `Runs` counts, if it does."""
    totals = {}
    try:
        runs = directory.get("Runs", {})  # data and slims have none
        for name in ("genEventCount", "genEventSumw"):
            key = name if name in runs else f"{name}_"  # version 6 wrote a trailing underscore
            if key not in runs:
                return SampleInfo()
            totals[name] = float(np.sum(runs[key].array(library="np")))
    except Exception as error:
        raise InputDataError(f"{path}: tree 'Runs' is damaged; copy the file again") from error
    return SampleInfo(generated_events=int(totals["genEventCount"]), generated_weight=totals["genEventSumw"])


def _tight(found: Mapping[str, npt.NDArray[Any]], eta: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Jets that pass CMS' tight identification, by what is `found` in the file and |eta|.

    CMS' recipes for the flags of NanoAOD (twiki JetID13p6TeV, announced as "bug in the jetId flag in nanov12 and
    nanov13"): of PUPPI jets in Run 3, with multiplicities, and what is to be asked beside the bit without them.
    """
    mask: npt.NDArray[np.bool_] = np.ones(len(eta), dtype=bool)
    if "jetId" in found:
        mask &= (found["jetId"] & _TIGHT_JET) > 0
    if "neHEF" not in found:
        return mask
    neutral, electromagnetic = found["neHEF"], found["neEmEF"]
    mask &= np.where(eta > 3.0, electromagnetic < 0.4, (eta <= 2.7) | (neutral < 0.99))
    if "chMultiplicity" not in found:
        return mask
    charged, others = (found[name].astype(np.int64) for name in ("chMultiplicity", "neMultiplicity"))
    central = (neutral < 0.99) & (electromagnetic < 0.9) & (charged + others > 1)
    central &= (found["chHEF"] > 0.01) & (charged > 0)
    edge = (neutral < 0.9) & (electromagnetic < 0.99)
    regions = [eta <= 2.6, eta <= 2.7, eta <= 3.0]
    return np.asarray(mask & np.select(regions, [central, edge, np.ones_like(mask)], default=others >= 2))
