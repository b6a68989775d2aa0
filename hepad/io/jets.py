"""What readers of jets share: a jet is an event of one fat jet and its `particles`.

`particles` are by falling pT; their `id` is a place in `PARTICLES`, counted from 1, 0 for none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PARTICLES", "jet_columns", "particle_columns", "particle_ids", "polar"]

PARTICLES = (
    "positive_hadron",
    "negative_hadron",
    "neutral_hadron",
    "photon",
    "electron",
    "positron",
    "muon",
    "antimuon",
)
"""The eight kinds of constituents that a detector tells apart, in the order of their codes."""

_BY_CHARGE = {
    "charged_hadron": {1: 1, -1: 2},
    "neutral_hadron": {0: 3},
    "photon": {0: 4},
    "electron": {-1: 5, 1: 6},
    "muon": {-1: 7, 1: 8},
}
"""The code of a kind of particle, by its charge."""

KIND_FLAGS = {
    "charged_hadron": "isChargedHadron",
    "neutral_hadron": "isNeutralHadron",
    "photon": "isPhoton",
    "electron": "isElectron",
    "muon": "isMuon",
}
"""JetClass's names of these kinds."""

_LEAVES = {"charge": "charge", "d0": "d0val", "d0err": "d0err", "dz": "dzval", "dzerr": "dzerr"}
_Floats = npt.NDArray[np.float64]
_Numbers = npt.NDArray[Any]


def particle_ids(kinds: Mapping[str, npt.NDArray[np.generic]], charge: npt.NDArray[np.generic]) -> npt.NDArray[np.int8]:
    """The codes (n,) of particles with one flag a kind (charged_hadron, neutral_hadron, photon, electron, muon).

    0 where no flag is set, or several, or where the charge is not one that such a particle has.
    """
    codes = np.zeros(len(charge), dtype=np.int8)
    flagged = np.zeros(len(charge), dtype=np.int8)
    for kind, by_charge in _BY_CHARGE.items():
        flag = np.asarray(kinds[kind]) != 0
        flagged += flag
        for value, code in by_charge.items():
            codes[flag & (np.asarray(charge) == value)] = code
    codes[flagged != 1] = 0
    return codes


def polar(
    px: npt.NDArray[np.floating], py: npt.NDArray[np.floating], pz: npt.NDArray[np.floating]
) -> dict[str, _Floats]:
    """pT, eta and phi of momenta; along the beam eta is large and finite."""
    x, y, z = (np.asarray(part, dtype=np.float64) for part in (px, py, pz))
    pt = np.hypot(x, y)
    return {"pt": pt, "eta": np.arcsinh(z / np.maximum(pt, 1e-12)), "phi": np.arctan2(y, x)}


def jet_columns(momenta: _Floats, counts: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[np.float32]]:
    """JetClass's branches of jets of the momenta (4, jets) = px, py, pz, E, and the mass."""
    place, energy = polar(*momenta[:3]), momenta[3]
    mass = np.sqrt(np.maximum(energy**2 - (momenta[:3] ** 2).sum(axis=0), 0.0))
    columns = {**place, "energy": energy, "mass": mass, "nparticles": counts}
    return {f"jet_{name}": values.astype(np.float32) for name, values in columns.items()}


def particle_columns(
    particles: Mapping[str, npt.NDArray[Any]], offsets: npt.NDArray[np.int64], momenta: _Floats
) -> dict[str, npt.NDArray[np.float32]]:
    """JetClass's branches of the particles of jets, flat; of properties that are not known there are none."""
    pt, eta, phi = (np.asarray(particles[name], dtype=np.float64) for name in ("pt", "eta", "phi"))
    axis = {name: np.repeat(values, np.diff(offsets)) for name, values in polar(*momenta[:3]).items()}
    columns: dict[str, npt.NDArray[Any]] = {
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
        "energy": particles["energy"],
        "deta": (eta - axis["eta"]) * np.where(axis["eta"] < 0, -1.0, 1.0),
        "dphi": (phi - axis["phi"] + np.pi) % (2 * np.pi) - np.pi,
    }
    columns |= {leaf: particles[name] for name, leaf in _LEAVES.items() if name in particles}
    if "id" in particles:
        codes = {kind: list(by_charge.values()) for kind, by_charge in _BY_CHARGE.items()}
        columns |= {KIND_FLAGS[kind]: np.isin(particles["id"], known) for kind, known in codes.items()}
    return {f"part_{name}": values.astype(np.float32) for name, values in columns.items()}
