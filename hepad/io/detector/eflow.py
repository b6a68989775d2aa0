"""The energy-flow candidates of Delphes as one collection of particles: tracks, photons and neutral hadrons.

The branches `EFlowTrack`, `EFlowPhoton` and `EFlowNeutralHadron` of its cards. A track's energy is that of its momentum
and `Mass`, where the file has it, else it is massless; towers have no mass. Tracks of electrons and muons are told by
`PID`, all others are hadrons.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import awkward as ak
import numpy as np

from hepad.io.detector.columns import Columns, Objects
from hepad.io.events import check_not_negative
from hepad.io.jets import PARTICLES

__all__ = ["FLOW", "build_flow", "flow_branches", "flow_features"]

FLOW = ("EFlowTrack", "EFlowPhoton", "EFlowNeutralHadron")
_TRACK, *_TOWERS = FLOW
_TRACK_LEAVES = {"pt": "PT", "eta": "Eta", "phi": "Phi", "charge": "Charge", "pid": "PID"}
_TOWER_LEAVES = {"pt": "ET", "eta": "Eta", "phi": "Phi", "energy": "E"}
_IMPACT = {"d0": "D0", "d0err": "ErrorD0", "dz": "DZ", "dzerr": "ErrorDZ"}
_ORDER = ("pt", "eta", "phi", "energy", "charge", "id", *_IMPACT)
_CODE = {name: code for code, name in enumerate(PARTICLES, 1)}

Has = Callable[..., bool]


def flow_features(has: Has) -> set[str]:
    """The properties that a file with these branches can give; none without the tracks' momenta and the towers."""
    if not has(*_needed({"pt"}, has)):
        return set()
    impact = {feature for feature, leaf in _IMPACT.items() if has(f"{_TRACK}.{leaf}")}
    return {feature for feature in _ORDER if feature not in _IMPACT and has(*_needed({feature}, has))} | impact


def flow_branches(features: AbstractSet[str], has: Has) -> set[str]:
    """The branches that these properties are made of."""
    return _needed(features, has)


def build_flow(features: AbstractSet[str], columns: Columns, has: Has) -> ak.Array:
    """The collection, by falling pT."""
    parts = [_tracks(features, columns, has), *(_towers(prefix, features, columns) for prefix in _TOWERS)]
    return Objects.merged(*parts).to_awkward([f for f in _ORDER if f in {"pt", *features}])


def _needed(features: AbstractSet[str], has: Has) -> set[str]:
    track = {"PT", *(_TRACK_LEAVES[f] for f in features if f in _TRACK_LEAVES)}
    track |= {_IMPACT[f] for f in features if f in _IMPACT}
    track |= {"Charge", "PID"} if "id" in features else set()
    track |= ({"Eta"} | ({"Mass"} if has(f"{_TRACK}.Mass") else set())) if "energy" in features else set()
    tower = {"ET", *(_TOWER_LEAVES[f] for f in features if f in _TOWER_LEAVES)}
    return {f"{_TRACK}.{leaf}" for leaf in track} | {f"{prefix}.{leaf}" for prefix in _TOWERS for leaf in tower}


def _tracks(features: AbstractSet[str], columns: Columns, has: Has) -> Objects:
    leaves = {name: leaf for name, leaf in _TRACK_LEAVES.items() if f"{_TRACK}.{leaf}" in _needed(features, has)}
    leaves |= {name: leaf for name, leaf in _IMPACT.items() if name in features}
    if "energy" in features and has(f"{_TRACK}.Mass"):
        leaves["mass"] = "Mass"
    objects = columns.objects({name: f"{_TRACK}.{leaf}" for name, leaf in leaves.items()}, whole={"charge", "pid"})
    flat = objects.columns
    if "energy" in features:
        momentum = flat["pt"].astype(np.float64) * np.cosh(flat["eta"].astype(np.float64))
        flat["energy"] = np.hypot(momentum, flat.get("mass", 0.0))
    if "id" in features:
        positive, pid = flat["charge"] > 0, np.abs(flat["pid"])
        leptons = [np.where(positive, _CODE[plus], _CODE[minus]) for minus, plus in (PARTICLES[4:6], PARTICLES[6:8])]
        hadrons = np.where(positive, _CODE["positive_hadron"], _CODE["negative_hadron"])
        flat["id"] = np.select([pid == 11, pid == 13], leptons, hadrons).astype(np.int8)
    return Objects(objects.offsets, _common(flat, features))


def _towers(prefix: str, features: AbstractSet[str], columns: Columns) -> Objects:
    leaves = {name: leaf for name, leaf in _TOWER_LEAVES.items() if name == "pt" or name in features}
    objects = columns.objects({name: f"{prefix}.{leaf}" for name, leaf in leaves.items()})
    flat = objects.columns
    if "energy" in flat:
        branch = f"{prefix}.E"
        check_not_negative(
            flat["energy"], path=columns.path, branch=branch, start=columns.start, offsets=objects.offsets
        )
    n = len(flat["pt"])
    code = _CODE["photon" if prefix == "EFlowPhoton" else "neutral_hadron"]
    flat |= {"id": np.full(n, code, dtype=np.int8), "charge": np.zeros(n, dtype=np.int64)}
    return Objects(objects.offsets, _common(flat | {name: np.zeros(n) for name in _IMPACT}, features))


def _common(flat: dict[str, Any], features: AbstractSet[str]) -> dict[str, Any]:
    return {name: flat[name] for name in _ORDER if name in {"pt", *features}}
