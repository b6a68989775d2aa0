"""Jets in the format of JetClass (arXiv:2202.03772): the tree `tree`, one entry a jet.

`part_*` are lists of the constituents' properties, `jet_*` numbers of the jet, `label_*` what it was simulated as. The
jet is the one fat jet of its event, its constituents are its `particles`; impact parameters are in mm. A jet's mass is
`jet_mass`, or that of `jet_energy` and its momentum. A branch `weight` is the weight.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any

import numpy as np

from hepad.errors import InputDataError
from hepad.io.detector.columns import Columns, Objects
from hepad.io.detector.trees import TreeFile
from hepad.io.events import LABEL, SampleInfo, check_not_negative, collection, record
from hepad.io.jets import KIND_FLAGS, particle_ids, polar
from hepad.paths import InputPath

__all__ = ["JetClassFile"]

_KINDS = {kind: f"part_{flag}" for kind, flag in KIND_FLAGS.items()}
_LABEL, _MASS = "label_", "jet_mass"
_PX, _PY, _PZ, _ENERGY, _CHARGE = "part_px", "part_py", "part_pz", "part_energy", "part_charge"
_PARTICLES: dict[str, tuple[str, ...]] = {
    "pt": (_PX, _PY),
    "eta": (_PX, _PY, _PZ),
    "phi": (_PX, _PY),
    "energy": (_ENERGY,),
    "charge": (_CHARGE,),
    "id": (_CHARGE, *_KINDS.values()),
    "d0": ("part_d0val",),
    "d0err": ("part_d0err",),
    "dz": ("part_dzval",),
    "dzerr": ("part_dzerr",),
}
_JET: dict[str, tuple[str, ...]] = {
    "pt": ("jet_pt",),
    "eta": ("jet_eta",),
    "phi": ("jet_phi",),
    "mass": ("jet_pt", "jet_eta", "jet_energy"),
    "sdmass": ("jet_sdmass",),
    **{f"tau{n}": (f"jet_tau{n}",) for n in (1, 2, 3, 4)},
}
_BRANCHES = {"particles": _PARTICLES, "fatjets": _JET}
_KNOWN = {name: set(features) for name, features in _BRANCHES.items()}


class JetClassFile(TreeFile):
    """An open file of jets."""

    format = "jetclass"
    title = "JetClass"
    tells = (_PX,)

    def __init__(self, path: InputPath, directory: Any, name: str) -> None:
        super().__init__(path, directory, name)
        if not self.has(_PX):
            raise InputDataError(
                f"{path}: tree {name!r} has no branch {_PX!r}, which files of jets in the format of JetClass have"
            )

    def available(self) -> dict[str, set[str]]:
        """The collections and properties that this file can give."""
        return self.buildable(_KNOWN)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """What jets may be: the branches `label_*`, without that."""
        return tuple(key.removeprefix(_LABEL) for key in self.keys if key.startswith(_LABEL))

    def sample(self) -> SampleInfo:
        """Nothing: the format keeps no cross section and no energy."""
        return SampleInfo()

    def weight_branches(self) -> set[str]:
        """`weight`, if it is there."""
        return {"weight"} if self.has("weight") else set()

    def branches(self, name: str, features: AbstractSet[str]) -> set[str]:
        """The branches of one collection; the momenta are always there, to give the counts and the order."""
        if name == LABEL:
            self.require([f"{_LABEL}{label}" for label in sorted(features)], name)
            return {f"{_LABEL}{label}" for label in features}
        self.refuse_unknown(name, features, _KNOWN)
        needed = {branch for feature in {"pt", *features} for branch in self._made_of(name, feature)}
        self.require(sorted(needed), name)
        return needed

    def _made_of(self, name: str, feature: str) -> tuple[str, ...]:
        if (name, feature) == ("fatjets", "mass") and self.has(_MASS):
            return (_MASS,)
        return _BRANCHES[name][feature]

    def build(self, name: str, features: AbstractSet[str], columns: Columns) -> Any:
        """One field of Events."""
        if name == LABEL:
            return record({label: columns.first(f"{_LABEL}{label}") != 0 for label in sorted(features)})
        return self._jets(features, columns) if name == "fatjets" else self._particles(features, columns)

    def _particles(self, features: AbstractSet[str], columns: Columns) -> Any:
        read = columns.objects({branch: branch for branch in sorted(self.branches("particles", features))})
        flat, made = read.columns, dict[str, Any]()
        pz = flat.get(_PZ, np.zeros_like(flat[_PX]))
        made |= {f: values.astype(flat[_PX].dtype) for f, values in polar(flat[_PX], flat[_PY], pz).items()}
        plain = {f: branches[0] for f, branches in _PARTICLES.items() if len(branches) == 1 and f in features}
        made |= {feature: flat[branch] for feature, branch in plain.items()}
        if "energy" in made:
            energy, start = made["energy"], columns.start
            check_not_negative(energy, path=self.path, branch=_ENERGY, start=start, offsets=read.offsets)
        if "id" in features:
            made["id"] = particle_ids({kind: flat[branch] for kind, branch in _KINDS.items()}, flat[_CHARGE])
            self._check_ids(made["id"], read, columns.start)
        return Objects(read.offsets, made).to_awkward([f for f in _PARTICLES if f in {"pt", *features}])

    def _check_ids(self, ids: Any, read: Objects, start: int) -> None:
        if (unknown := np.flatnonzero(ids == 0)).size:
            entry = start + int(np.searchsorted(read.offsets, unknown[0], side="right")) - 1
            raise InputDataError(
                f"{self.path}: entry {entry} has a particle of charge {read[_CHARGE][unknown[0]]:g} that is not one of "
                f"{', '.join(_KINDS.values())} with a charge that fits; repair that entry or leave it out"
            )

    def _jets(self, features: AbstractSet[str], columns: Columns) -> Any:
        read = {branch: columns.first(branch) for branch in self.branches("fatjets", features)}
        check_not_negative(read["jet_pt"], path=self.path, branch="jet_pt", start=columns.start)
        made = {f: read[self._made_of("fatjets", f)[0]] for f in _JET if f in {"pt", *features}}
        if "mass" in features and _MASS not in read:
            squared = read["jet_energy"] ** 2 - (read["jet_pt"] * np.cosh(read["jet_eta"])) ** 2
            made["mass"] = np.sqrt(np.maximum(squared, 0.0))
        return collection(np.arange(len(columns) + 1), {f: v.astype(np.float32) for f, v in made.items()})
