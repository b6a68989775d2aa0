"""Tracks, towers and kinds of generated particles: what a detector without resolution or inefficiency would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.io.generator.particles import Floats, Ints
from hepad.io.jets import particle_ids

__all__ = ["charge_signs", "ids_of", "towers_of", "tracks_of"]

_Mask = npt.NDArray[np.bool_]

_TRACK_MIN_PT, _TRACK_MAX_ETA, _TOWER_MAX_ETA = 0.1, 2.5, 5.0
"""In GeV; where Delphes' card for CMS (delphes_card_CMS.tcl) has its tracks and towers."""
_LONG_LIVED = {310: 0.3, 3122: 0.3}
"""The share of the electromagnetic calorimeter in the energy of K0S and Lambda, as in that card."""


def charge_signs(pdg: Ints) -> npt.NDArray[np.int64]:
    """The sign of the charge of stable particles: of leptons, W, nuclei, and hadrons by the quarks in their numbers."""
    number = np.abs(pdg)
    first, second, third = (number // step % 10 for step in (1000, 100, 10))
    up = [(digit > 0) & (digit % 2 == 0) for digit in (first, second, third)]
    # In thirds: 2 for quarks of the kind of up, -1 of down; of a meson the lighter of the two is the antiquark if the
    # heavier one is of the kind of up, else the other way round (Particle Data Group 2024, section 45).
    charges = [
        np.where(digit == 0, 0, np.where(is_up, 2, -1)) for digit, is_up in zip((first, second, third), up, strict=True)
    ]
    meson = (charges[1] - charges[2]) * np.where(up[1], 1, -1)
    hadron = np.where(first > 0, sum(charges), meson)
    nucleus = number >= 1_000_000_000
    is_hadron = (number > 100) & (second > 0) & (third > 0) & ~nucleus
    known = [np.isin(number, (11, 13, 15)), nucleus | (number == 24), is_hadron]
    return np.asarray(np.sign(pdg) * np.select(known, [-1, 1, np.sign(hadron)], 0))


def ids_of(pdg: Ints) -> npt.NDArray[np.int8]:
    """The codes of `hepad.io.jets.PARTICLES`; 0 of what is stable and none of these, such as a parton."""
    number, sign = np.abs(pdg), charge_signs(pdg)
    quarks = (number > 100) & (number // 100 % 10 > 0) & (number // 10 % 10 > 0)
    flags = {"electron": number == 11, "muon": number == 13, "photon": number == 22}
    flags |= {"charged_hadron": (number > 100) & (sign != 0), "neutral_hadron": quarks & (sign == 0)}
    return particle_ids(flags, sign)


def tracks_of(pdg: Ints, pt: Floats, eta: Floats) -> _Mask:
    """Which visible particles leave a track."""
    return np.asarray((charge_signs(pdg) != 0) & (pt > _TRACK_MIN_PT) & (np.abs(eta) < _TRACK_MAX_ETA))


def towers_of(pdg: Ints, eta: Floats, energy: Floats) -> tuple[_Mask, dict[str, npt.NDArray[Any]]]:
    """Which visible particles reach a calorimeter, and of all of them `pt` (E_T), `eem` and `ehad` in GeV.

    Electrons and photons (and pi0 that were kept stable) are electromagnetic, hadrons hadronic, muons in neither.
    """
    number = np.abs(pdg)
    share = np.where(np.isin(number, (11, 22, 111)), 1.0, 0.0)
    for kind, part in _LONG_LIVED.items():
        share = np.where(number == kind, part, share)
    columns = {"pt": energy / np.cosh(eta), "eem": share * energy, "ehad": (1 - share) * energy}
    return (number != 13) & (np.abs(eta) < _TOWER_MAX_ETA), columns
