"""Tracks and towers of generated particles: what a detector without resolution, magnet or inefficiency would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.io.generator.particles import Floats, Ints

__all__ = ["is_charged", "towers_of", "tracks_of"]

_Mask = npt.NDArray[np.bool_]

_TRACK_MIN_PT, _TRACK_MAX_ETA, _TOWER_MAX_ETA = 0.1, 2.5, 5.0
"""In GeV; where Delphes' card for CMS (delphes_card_CMS.tcl) has its tracks and towers."""
_LONG_LIVED = {310: 0.3, 3122: 0.3}
"""The share of the electromagnetic calorimeter in the energy of K0S and Lambda, as in that card."""


def is_charged(pdg: Ints) -> _Mask:
    """Which stable particles have a charge: leptons, W, and hadrons by the quarks in their numbers."""
    number = np.abs(pdg)
    first, second, third = (number // step % 10 for step in (1000, 100, 10))
    up = [(digit > 0) & (digit % 2 == 0) for digit in (first, second, third)]
    # In thirds: 2 for quarks of the kind of up, -1 of down; of a meson the second is an antiquark.
    charges = [
        np.where(digit == 0, 0, np.where(is_up, 2, -1)) for digit, is_up in zip((first, second, third), up, strict=True)
    ]
    hadron = np.where(first > 0, sum(charges), charges[1] - charges[2])
    nucleus = number >= 1_000_000_000
    is_hadron = (number > 100) & (second > 0) & (third > 0)
    return np.asarray(np.isin(number, (11, 13, 15, 24)) | nucleus | (is_hadron & ~nucleus & (hadron != 0)))


def tracks_of(pdg: Ints, pt: Floats, eta: Floats) -> _Mask:
    """Which visible particles leave a track."""
    return np.asarray(is_charged(pdg) & (pt > _TRACK_MIN_PT) & (np.abs(eta) < _TRACK_MAX_ETA))


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
