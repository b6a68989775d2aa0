"""Pairs of leptons of one flavour and opposite charge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hepad.cards.condition import Range
from hepad.errors import InputDataError
from hepad.io.detector.columns import Objects

__all__ = ["Z_MASS", "opposite_pairs", "pairs_in_range"]

Z_MASS = 91.188
"""Mass of the Z boson in GeV, Particle Data Group 2024."""

MAX_LEPTONS = 500
"""Leptons of one flavour in an event that are paired; collisions have a few."""
_MAX_PAIRS = 50_000_000

_Int = npt.NDArray[np.int64]
_Float = npt.NDArray[np.float64]


def opposite_pairs(leptons: Objects) -> _Int:
    """The largest number of pairs of opposite charge that share no lepton, for each event, shape (n,)."""
    charge = leptons.columns["charge"]
    return np.minimum(leptons.number(charge > 0), leptons.number(charge < 0))


def pairs_in_range(leptons: Objects, mass: Range) -> _Int:
    """The number of pairs of opposite charge with a mass in GeV in the range, shape (n,).

    Pairs are taken nearest to the Z boson's mass first, and share no lepton. `InputDataError` for events with far more
    leptons than collisions have.
    """
    counts = leptons.counts
    if counts.max(initial=0) > MAX_LEPTONS or int((counts * (counts - 1) // 2).sum()) > _MAX_PAIRS:
        raise InputDataError(
            f"an event has {counts.max()} electrons or muons, too many to pair; no collision has so many, leave it out"
        )
    first, second = _pairs(leptons)
    charge = leptons.columns["charge"].astype(np.int64)
    opposite = charge[first] * charge[second] < 0
    first, second = first[opposite], second[opposite]
    masses = _masses(leptons, first, second)
    inside = np.ones(len(masses), dtype=bool)
    if mass.min is not None:
        inside &= masses > mass.min
    if mass.max is not None:
        inside &= masses < mass.max
    first, second = first[inside], second[inside]
    event = np.repeat(np.arange(len(leptons.counts)), leptons.counts)[first]
    order = np.lexsort((np.abs(masses[inside] - Z_MASS), event))
    return _disjoint(first[order], second[order], event[order], len(leptons.counts))


def _pairs(leptons: Objects) -> tuple[_Int, _Int]:
    """Positions of the objects of all pairs within an event, each pair once."""
    counts = leptons.counts
    total = int(leptons.offsets[-1])
    partners = np.repeat(leptons.offsets[1:], counts) - np.arange(total) - 1
    first = np.repeat(np.arange(total), partners)
    starts = np.concatenate([[0], np.cumsum(partners)])[:-1]
    second = first + 1 + np.arange(len(first)) - np.repeat(starts, partners)
    return first, second


def _masses(leptons: Objects, first: _Int, second: _Int) -> _Float:
    pt, eta, phi, mass = (leptons.columns[name].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
    x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    energy = np.sqrt(pt**2 + z**2 + mass**2)
    squared = np.square(energy[first] + energy[second])
    for part in (x, y, z):
        squared -= np.square(part[first] + part[second])
    result: _Float = np.sqrt(np.maximum(squared, 0.0))
    return result


def _disjoint(first: _Int, second: _Int, event: _Int, events: int) -> _Int:
    """How many pairs an event has when they are taken in order and a pair with a lepton of an earlier one is left."""
    number = np.zeros(events, dtype=np.int64)
    while len(event):  # a round takes one pair of each event: as many rounds as pairs in the fullest event
        leading = np.flatnonzero(np.append(True, event[1:] != event[:-1]))
        number[event[leading]] += 1
        used = np.concatenate([first[leading], second[leading]])
        left = ~(np.isin(first, used) | np.isin(second, used))
        first, second, event = first[left], second[left], event[left]
    return number
