"""Compiled loops over pairs within an event: dressing, isolation, flavour of jets, and random numbers of an event."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import bool_, float64, int8, int64, njit, types

from hepad.io.generator.particles import ELECTRON, INVISIBLE, MUON, OTHER, PHOTON, TAU, Floats, Ints
from hepad.jit import compiled

__all__ = ["dress", "flavours", "isolation", "uniform"]


_kinds = types.Array(int8, 1, "C", readonly=True)
_flags = types.Array(bool_, 1, "C", readonly=True)
_ints = types.Array(int64, 1, "C", readonly=True)
_floats = types.Array(float64, 1, "C", readonly=True)
_momenta = types.Array(float64, 2, "C", readonly=True)


@njit
def _distance2(eta1: Any, phi1: Any, eta2: Any, phi2: Any) -> Any:
    phi = abs(phi1 - phi2)
    if phi > math.pi:
        phi = 2 * math.pi - phi
    return (eta1 - eta2) ** 2 + phi**2


_dressed = types.Tuple((int64[::1], float64[:, ::1]))  # type: ignore[no-untyped-call]


@compiled(_dressed(_ints, _kinds, _floats, _floats, _momenta, float64))
def dress(  # noqa: PLR0917  compiled
    offsets: Any, kinds: Any, eta: Any, phi: Any, momenta: Any, radius: float
) -> tuple[Ints, Floats]:
    """The lepton that each prompt photon within `radius` belongs to (-1: none), and the momenta of dressed leptons.

    The nearest prompt electron or muon of the event takes the photon. `momenta` is of shape (4, n).
    """
    owner = np.full(len(kinds), -1, dtype=np.int64)
    dressed = momenta.copy()
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        for i in range(start, stop):
            if kinds[i] != PHOTON:
                continue
            nearest = radius**2
            for j in range(start, stop):
                if kinds[j] in (ELECTRON, MUON):
                    distance = _distance2(eta[i], phi[i], eta[j], phi[j])
                    if distance < nearest:
                        nearest, owner[i] = distance, j
            if owner[i] >= 0:
                for k in range(4):
                    dressed[k, owner[i]] += momenta[k, i]
    return owner, dressed


@compiled(float64[::1](_ints, _kinds, _ints, _flags, _floats, _floats, _floats, float64, float64))
def isolation(  # noqa: PLR0917  compiled
    offsets: Any,
    kinds: Any,
    owner: Any,
    candidates: Any,
    eta: Any,
    phi: Any,
    pt: Any,
    radius: float,
    min_pt: float,
) -> Floats:
    """The scalar sum of pT (GeV) around each candidate; 0 for all else.

    Summed are visible stable particles above `min_pt` within `radius`, other than prompt electrons and muons, the
    photons that dress one, and the candidate itself.
    """
    sums = np.zeros(len(kinds))
    for event in range(len(offsets) - 1):
        start, stop = offsets[event], offsets[event + 1]
        for i in range(start, stop):
            if not candidates[i]:
                continue
            for j in range(start, stop):
                kind = kinds[j]
                if j == i or pt[j] < min_pt or owner[j] >= 0 or kind in (OTHER, INVISIBLE, ELECTRON, MUON):
                    continue
                if kind < TAU and _distance2(eta[i], phi[i], eta[j], phi[j]) < radius**2:
                    sums[i] += pt[j]
    return sums


@compiled(int64[::1](_ints, _floats, _floats, _ints, _ints, _floats, _floats, float64))
def flavours(  # noqa: PLR0917  compiled
    jet_offsets: Any,
    jet_eta: Any,
    jet_phi: Any,
    offsets: Any,
    flavour: Any,
    eta: Any,
    phi: Any,
    radius: float,
) -> Ints:
    """The flavour of each jet: the largest `flavour` of the hadrons nearest to it and within `radius`; 0 for none."""
    found = np.zeros(len(jet_eta), dtype=np.int64)
    for event in range(len(offsets) - 1):
        for i in range(offsets[event], offsets[event + 1]):
            nearest, jet = radius**2, -1
            for j in range(jet_offsets[event], jet_offsets[event + 1]):
                distance = _distance2(eta[i], phi[i], jet_eta[j], jet_phi[j])
                if distance < nearest:
                    nearest, jet = distance, j
            if jet >= 0:
                found[jet] = max(found[jet], flavour[i])
    return found


def uniform(seed: int, entry: Ints, rank: Ints) -> Floats:
    """Random numbers in [0, 1) that depend on seed, entry and rank alone, however the file is cut into chunks.

    SplitMix64 (Steele, Lea, Flood, OOPSLA 2014) of a counter made of the three.
    """
    with np.errstate(over="ignore"):
        state = _mix(_mix(np.full(len(entry), seed, dtype=np.uint64)) + entry.astype(np.uint64))
        state = _mix(state + rank.astype(np.uint64))
    return np.asarray((state >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))
