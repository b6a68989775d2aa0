"""Delphes ROOT files: the tree `Delphes`, as the program writes it or as a slim with the same branch names.

Branch names and units are those of Delphes' `classes/DelphesClasses.h`: PT, Mass, MET, HT in GeV. `taus` are the jets
with the tau tag; Delphes keeps them among the jets, and so does `jets` here.

What a weight means depends on the program that wrote it (Delphes' `readers/`). `Event.Weight` is the nominal weight
for all of them. `Weight` repeats it as its first entry for HepMC and Pythia, but DelphesLHEF puts the variations of
`<rwgt>` there (objects with an `ID`), DelphesCMSFWLite the LHE weights, and either may leave it empty. So the one entry
of `Weight`, if it has just one and no `ID`, is the event's weight, for there slims keep it or set it anew; else
`Event.Weight` is. DelphesLHEF knows no cross section but Whizard's and writes 1: that is no statement.

Which branch is which collection is `_BRANCHES`, unless a selection chooses others (its key `collections`): cards may
write several, as those of the CMS Phase-II detector write `JetPUPPI` beside `Jet`.
"""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import InputDataError
from hepad.io.detector.columns import MASSES, Columns
from hepad.io.detector.eflow import build_flow, flow_branches, flow_features
from hepad.io.detector.trees import TreeFile, positive
from hepad.io.events import SCALARS, SampleInfo, check_not_negative

__all__ = ["TREE", "DelphesFile"]

TREE = "Delphes"

_JET = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}
_PHOTON = {"pt": "PT", "eta": "Eta", "phi": "Phi"}
_LEPTON = {**_PHOTON, "charge": "Charge"}
_TRACK = {**_LEPTON, "d0": "D0", "d0err": "ErrorD0", "dz": "DZ", "dzerr": "ErrorDZ"}
_TAUS = {f"tau{n}": n - 1 for n in (1, 2, 3, 4)}
"""The place of N-subjettiness in the list of five numbers that a jet has."""
_SUBSTRUCTURE = {"sdmass": "SoftDroppedJet", **dict.fromkeys(_TAUS, "Tau[5]")}
_BRANCHES: dict[str, tuple[str, dict[str, str]]] = {
    "jets": ("Jet", {**_JET, "btag": "BTag"}),
    "electrons": ("Electron", _LEPTON),
    "muons": ("Muon", _LEPTON),
    "photons": ("Photon", _PHOTON),
    "taus": ("Jet", _JET),
    "fatjets": ("FatJet", {**_JET, "btag": "BTag", **_SUBSTRUCTURE}),
    "met": ("MissingET", {"pt": "MET", "phi": "Phi"}),
    "scalar_ht": ("ScalarHT", {"ht": "HT"}),
    "vertices": ("Vertex_size", {"number": ""}),
    "towers": ("Tower", {"pt": "ET", "eta": "Eta", "phi": "Phi", "eem": "Eem", "ehad": "Ehad"}),
    "tracks": ("Track", _TRACK),
    "track_count": ("Track", {"number": "PT"}),
}
_KNOWN = {name: {*features, *({"mass"} if name in MASSES else ())} for name, (_, features) in _BRANCHES.items()}
_KINDS = {
    "jets": re.compile(r"(?!Gen|n[A-Z]).*[jJ]et.*"),
    "electrons": re.compile(r"Electron.*"),
    "muons": re.compile(r"Muon.*"),
    "photons": re.compile(r"Photon.*"),
    "met": re.compile(r"(?!Gen|n[A-Z]).*MissingET.*"),
    "tracks": re.compile(r".*Track"),
}
"""The names that cards give to collections of a kind."""
_KIND_OF = {"taus": "jets", "fatjets": "jets", "track_count": "tracks"}
_FOLLOWS = {"taus": "jets", "track_count": "tracks"}
"""What is of the branch of another collection, unless a selection says otherwise."""
_PILE_UP = {"jets": ("JetPUPPI", "PT"), "met": ("PuppiMissingET", "MET")}
"""What cards with pile-up write beside the usual branches, free of it."""
_NOMINAL, _WEIGHTS, _VARIATION = "Event.Weight", "Weight.Weight", "Weight.ID"
_HEPMC = ("Event.MPI", "Event.X1", "Event.CrossSectionError")
"""Some of what a `HepMCEvent` has and an `LHEFEvent` has not."""
_PLACEHOLDER = (
    "Event.CrossSection is 1, which Delphes writes for events from LHE files whatever their cross section: it is taken "
    "as not stated (give it with --xsec)"
)


_log = logging.getLogger(__name__)
_warned: set[str] = set()
"""Collections of which it was said already that they have all pile-up: once a process."""


class DelphesFile(TreeFile):
    """An open Delphes file."""

    format = "delphes"
    title = "Delphes"
    _branches = _BRANCHES

    def choosing(self, sources: Mapping[str, str]) -> DelphesFile:
        """The same file with other branches for some collections; `InputDataError` if it has no such branches.

        `taus` follow `jets` unless they are named too, and the number of tracks follows `tracks`.
        """
        for name, prefix in sources.items():
            leaf = _BRANCHES[name][1]["pt"]
            if not self.has(f"{prefix}.{leaf}"):
                found = ", ".join(
                    [
                        p
                        for p in (
                            _BRANCHES[name][0],
                            *self.others.get(_KIND_OF.get(name, name), ()),
                        )
                        if self._has_any(p)
                    ]
                )
                raise InputDataError(
                    f"{self.path}: the selection takes {prefix!r} for {name} (its key collections), but there is no "
                    f"branch '{prefix}.{leaf}' (there are: {found or 'none'})"
                )
        follow = {name: sources[lead] for name, lead in _FOLLOWS.items() if lead in sources}
        sources = {**follow, **sources}
        other = copy.copy(self)
        chosen = {name: (prefix, _BRANCHES[name][1]) for name, prefix in sources.items()}
        other._branches = {**_BRANCHES, **chosen}  # noqa: SLF001  a copy of our own
        return other

    @property
    def others(self) -> dict[str, tuple[str, ...]]:
        """The branches that hold collections of a kind beside the usual one."""
        usual = {prefix for prefix, _ in _BRANCHES.values()}
        found: dict[str, tuple[str, ...]] = {}
        for name, kind in _KINDS.items():
            ending = f".{_BRANCHES[name][1]['pt']}"
            prefixes = {key.removesuffix(ending) for key in self.keys if key.endswith(ending)} - usual
            if matching := tuple(sorted(prefix for prefix in prefixes if kind.fullmatch(prefix))):
                found[name] = matching
        return found

    def remedy(self, name: str) -> str:
        """What to do if a branch is missing: choose another collection, if there is one."""
        kind = _KIND_OF.get(name, name)
        others = self.others.get(kind)
        if not others or self._branches[name] is not _BRANCHES[name]:
            return super().remedy(name)
        key = kind if name in SCALARS else name
        return (
            f"there is {', '.join(others)}: name one in a selection card, 'collections: {{{key}: {others[0]}}}' "
            "(see --selection)"
        )

    def _has_any(self, prefix: str) -> bool:
        return self.has(f"{prefix}.PT") or self.has(f"{prefix}.MET")

    def _warn_of_pile_up(self, name: str) -> None:
        prefix, leaf = _PILE_UP.get(name, ("", ""))
        if self._branches[name] is _BRANCHES[name] and self.has(f"{prefix}.{leaf}") and name not in _warned:
            _warned.add(name)
            _log.warning(
                "%s: %s is with all pile-up; %s is there too, to be chosen in a selection card: collections: {%s: %s}",
                *(self.path, _BRANCHES[name][0], prefix, name, prefix),
            )

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        found: dict[str, set[str]] = {}
        for name, (prefix, features) in self._branches.items():
            present = {feature for feature, leaf in features.items() if self.has(_branch(prefix, leaf))}
            if present and name in MASSES:
                present.add("mass")
            if present and (name != "taus" or self.has(f"{prefix}.TauTag")):
                found[name] = present
        if flow := flow_features(self.has):
            found["particles"] = flow
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
        if len(last) and last[0] == 1 and not any(self.has(leaf) for leaf in _HEPMC):
            return SampleInfo(notes=(_PLACEHOLDER,))
        return SampleInfo(cross_section_pb=positive(last[0]) if len(last) else None)

    def weight_branches(self) -> set[str]:
        """The nominal weight, and the list of weights where it may be that; `InputDataError` for variations alone."""
        if self.has(_VARIATION, _WEIGHTS) and not self.has(_NOMINAL):
            raise InputDataError(
                f"{self.path}: branch {_WEIGHTS!r} holds variations of the weight ({_VARIATION!r} numbers them), and "
                f"the nominal one, {_NOMINAL!r}, is not there; keep it when you slim the file"
            )
        return {branch for branch in (_NOMINAL, *(() if self.has(_VARIATION) else (_WEIGHTS,))) if self.has(branch)}

    def weights(self, columns: Columns) -> npt.NDArray[np.float64]:
        """The nominal weight of each event, of shape (n,)."""
        if {_NOMINAL, _WEIGHTS} <= self.weight_branches():
            return columns.sole(_WEIGHTS, columns.first(_NOMINAL))
        return super().weights(columns)

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection."""
        if name == "particles":
            flow = flow_branches(features, self.has)
            self.require(sorted(flow), name)
            return flow
        self.refuse_unknown(name, features, _KNOWN)
        needed = {*self._columns(name, features).values(), *({self._tau_tag} if name == "taus" else ())}
        self.require(sorted(needed), name)
        return needed

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == "particles":
            return build_flow(features, columns, self.has)
        self._warn_of_pile_up(name)
        branches = self._columns(name, features)
        if name == "met":
            return columns.momentum(branches)
        if name in SCALARS:
            (branch,) = branches.values()
            if name == "track_count":
                return np.diff(columns.jagged(branch)[0]).astype(np.float64)
            values = columns.first(branch)
            check_not_negative(values, path=self.path, branch=branch, start=columns.start)
            return values
        if not _SUBSTRUCTURE.keys().isdisjoint(branches):
            columns, branches = _apart(columns, branches)
        tags = {"tautag": self._tau_tag} if name == "taus" else {}
        objects = columns.objects({**branches, **tags}, whole={"btag", "tautag"})
        flat = objects.columns
        if "btag" in flat:
            flat["btag"] = (flat["btag"] & 1).astype(bool)
        if name in MASSES:
            flat["mass"] = np.full(len(flat["pt"]), MASSES[name], dtype=np.float32)
        if name == "taus":
            objects = objects.take((flat.pop("tautag") & 1).astype(bool))
        return objects.to_awkward(objects.columns)

    @property
    def _tau_tag(self) -> str:
        return f"{self._branches['taus'][0]}.TauTag"

    def _columns(self, name: str, features: AbstractSet[str]) -> dict[str, str]:
        """Property to branch for one collection, in a fixed order; pT is always there to give the counts."""
        prefix, known = self._branches[name]
        return {f: _branch(prefix, known[f]) for f in known if f in features or f == "pt"}


def _apart(columns: Columns, branches: Mapping[str, str]) -> tuple[Columns, dict[str, str]]:
    """The same with a branch for each number of what has several: N-subjettiness, and the momentum after soft drop."""
    arrays, own = dict(columns.arrays), dict(branches)
    for name in _SUBSTRUCTURE.keys() & branches.keys():
        own[name] = f"{branches[name]} ({name})"
        array = columns.arrays[branches[name]]
        try:
            arrays[own[name]] = array[:, :, _TAUS[name]] if name in _TAUS else _mass(array)
        except Exception as error:  # of another shape, or no momenta
            raise InputDataError(
                f"{columns.path}: branch {branches[name]!r} is not as Delphes writes it; leave out {name}"
            ) from error
    return replace(columns, arrays=arrays), own


def _mass(momenta: ak.Array) -> ak.Array:
    """Masses of jagged TLorentzVectors, in double precision."""
    p = momenta.fP
    return np.sqrt(np.maximum(momenta.fE**2 - p.fX**2 - p.fY**2 - p.fZ**2, 0.0))


def _branch(prefix: str, leaf: str) -> str:
    return f"{prefix}.{leaf}" if leaf else prefix
