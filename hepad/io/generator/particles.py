"""Generated particles as flat columns, and the compiled loops that tell what each one is.

The loops walk from a particle to its mother, event by event; everything else about generator-level events is columnar.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import bool_, float64, int8, int64, njit, types

from hepad.jit import compiled

__all__ = [
    "BOTTOM",
    "CHARM",
    "ELECTRON",
    "INVISIBLE",
    "MUON",
    "PHOTON",
    "TAU",
    "VISIBLE",
    "Particles",
    "classify",
    "is_hadron",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# What `classify` says of a particle. The first five are of the final state; the others have decayed.
OTHER, VISIBLE, INVISIBLE, ELECTRON, MUON, PHOTON, TAU, BOTTOM, CHARM = range(9)


@dataclass(frozen=True)
class Particles:
    """The particles of consecutive events: `offsets` of shape (n+1,), all else flat.

    `pdg` is the Monte Carlo number of the Particle Data Group; `final` is true for the stable ones; `mother` is the
    place in the flat arrays of the first particle that it came from, -1 for none. px, py, pz and e are in GeV.
    `vertices`, of shape (3, particles), is where each was made, in mm from the collision; None is there for all.
    """

    offsets: Ints
    pdg: Ints
    final: npt.NDArray[np.bool_]
    mother: Ints
    px: Floats
    py: Floats
    pz: Floats
    e: Floats
    vertices: Floats | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def event(self) -> Ints:
        """The event of each particle, counted from 0."""
        return np.repeat(np.arange(len(self), dtype=np.int64), np.diff(self.offsets))


@njit
def _flavour(pdg: Any) -> Any:
    """The heaviest quark of a hadron by the digits of its number (Particle Data Group 2024, section 45); 0 if none.

    Numbers of new particles (1 000 000 and more, but 9 000 000 to 9 899 999: excited mesons) are no hadrons.
    """
    number = abs(pdg)
    if number <= 100 or (number >= 1_000_000 and not 9_000_000 <= number < 9_900_000):
        return 0
    third, second, first = number // 10 % 10, number // 100 % 10, number // 1000 % 10
    if third == 0 or second == 0:
        return 0  # a diquark has no third digit
    return max(third, second, first)


@njit
def is_hadron(pdg: Any) -> Any:
    """Whether a number is that of a hadron of known quarks."""
    return 1 <= _flavour(pdg) <= 5


@njit
def _prompt(i: Any, pdg: Any, mother: Any) -> Any:
    """Whether no hadron decay lies between a particle and the partons, bosons or new particles that it came from."""
    current = mother[i]
    for _ in range(10_000):  # a record that goes in circles must not hang
        if current < 0 or mother[current] < 0:  # a beam
            return True
        number = abs(pdg[current])
        if number <= 8 or number == 21:
            return True
        if is_hadron(number):
            return False
        current = mother[current]
    return False


@njit
def _final_kind(number: Any) -> Any:
    """The kind of a stable particle by its absolute number alone."""
    if number == 11:
        return ELECTRON
    if number == 13:
        return MUON
    if number == 22:
        return PHOTON
    # Partons and diquarks are there when hadronisation was off, taus when they were kept stable; 1e9 is a nucleus.
    parton = number <= 8 or number == 21 or (1000 < number < 10_000 and number // 10 % 10 == 0)
    if parton or number in (15, 24) or is_hadron(number) or number >= 1_000_000_000:
        return VISIBLE
    return INVISIBLE  # neutrinos and whatever the Standard Model does not know


@njit
def _lineage(pdg: Any, mother: Any, momenta: Any) -> Any:
    """What a particle's daughters say of it: none has its flavour; none is an electron or muon (of a tau); the momenta
    without the neutrinos (of a tau).
    """
    ends = np.ones(len(pdg), dtype=np.bool_)
    hadronic = np.ones(len(pdg), dtype=np.bool_)
    visible = momenta.copy()
    for i in range(len(pdg)):
        m = mother[i]
        if m < 0:
            continue
        number, parent = abs(pdg[i]), abs(pdg[m])
        if parent == 15:
            if number in (11, 13):
                hadronic[m] = False
            elif number in (12, 14, 16):
                for k in range(4):
                    visible[k, m] -= momenta[k, i]
            elif number == 15:
                ends[m] = False
        elif _flavour(parent) >= 4 and _flavour(number) == _flavour(parent):
            ends[m] = False
    return ends, hadronic, visible


_ints = types.Array(int64, 1, "C", readonly=True)


@compiled(
    types.Tuple((int8[::1], float64[:, ::1]))(  # type: ignore[no-untyped-call]
        _ints,
        types.Array(bool_, 1, "C", readonly=True),
        _ints,
        types.Array(float64, 2, "C", readonly=True),
        _ints,
    )
)
def classify(pdg: Any, final: Any, mother: Any, momenta: Any, hidden: Any) -> tuple[npt.NDArray[np.int8], Floats]:
    """The kind of each particle, and the visible momentum of decayed taus; `momenta` is of shape (4, n).

    Electrons, muons and photons have these kinds only if prompt, else they are VISIBLE. TAU is the last copy of a
    prompt tau that decayed to hadrons; BOTTOM and CHARM are hadrons that decay to none of their flavour. The numbers
    in `hidden` count as INVISIBLE besides those that the rule of `_final_kind` finds.
    """
    kinds = np.zeros(len(pdg), dtype=np.int8)
    ends, hadronic, visible = _lineage(pdg, mother, momenta)
    for i in range(len(pdg)):
        number = abs(pdg[i])
        if final[i]:
            kind = _final_kind(number)
            for j in range(len(hidden)):
                if hidden[j] == number:
                    kind = INVISIBLE
            prompt = kind not in (ELECTRON, MUON, PHOTON) or _prompt(i, pdg, mother)
            kinds[i] = kind if prompt else VISIBLE
        elif number == 15 and ends[i] and hadronic[i]:
            kinds[i] = TAU if _prompt(i, pdg, mother) else OTHER
        elif ends[i]:
            flavour = _flavour(number)
            kinds[i] = BOTTOM if flavour == 5 else CHARM if flavour == 4 else OTHER
    return kinds, visible
