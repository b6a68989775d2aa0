"""Jets of particles with FastJet and its contributions: clustering, soft drop, N-subjettiness, many events at a time.

Particles are flat arrays with counts or offsets; momenta have the shape (4, n) = px, py, pz, E in GeV.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.errors import MissingExtraError
from hepad.io.generator.stdout import own_stdout

__all__ = ["ALGORITHMS", "Clustered", "cluster", "soft_drop", "subjettiness"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALGORITHMS = {"anti-kt": "antikt_algorithm", "cambridge-aachen": "cambridge_algorithm", "kt": "kt_algorithm"}
"""FastJet's names of algorithms."""

_WHOLE = 1000.0
"""A radius by which all particles are one jet, whose history is to be looked at."""


@dataclass(frozen=True)
class Clustered:
    """Jets of events, flat, by falling pT within each event: the `event` of each and its momentum, of shape (4, jets).

    `members` are places of particles, those of the i-th jet from `offsets[i]` to `offsets[i + 1]`.
    """

    event: Ints
    momenta: Floats
    offsets: Ints
    members: Ints

    def __len__(self) -> int:
        return len(self.event)

    def take(self, mask: npt.NDArray[np.bool_]) -> Clustered:
        """The jets of a mask (jets,)."""
        return self.ordered(np.flatnonzero(mask))

    def ordered(self, places: npt.NDArray[np.intp]) -> Clustered:
        """The jets at these places, in this order."""
        counts = np.diff(self.offsets)[places]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        members = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - self.offsets[places], counts)
        return Clustered(self.event[places], self.momenta[:, places], offsets, self.members[members])


def cluster(
    counts: Ints, momenta: Floats, *, radius: float, min_pt: float, algorithm: str = "anti-kt", extra: str = "jets"
) -> Clustered:
    """The jets above `min_pt` of events of so many particles each; E scheme. `MissingExtraError` without FastJet."""
    filled = np.flatnonzero(counts)
    if len(filled) == 0:
        return Clustered(np.empty(0, np.int64), np.empty((4, 0)), np.zeros(1, np.int64), np.empty(0, np.int64))
    with own_stdout():  # for its banner
        sequence = _sequence(counts[filled], momenta, algorithm, radius, "jets need", extra)
        jets, members = sequence.inclusive_jets(min_pt), sequence.constituent_index(min_pt)
    found = np.array([ak.to_numpy(ak.flatten(jets[name])) for name in ("px", "py", "pz", "E")])
    event = np.repeat(filled, ak.to_numpy(ak.num(jets)))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sizes = ak.to_numpy(ak.flatten(ak.num(members, axis=2))).astype(np.int64)
    flat = ak.to_numpy(ak.flatten(members, axis=None)).astype(np.int64) + np.repeat(starts[event], sizes)
    whole = Clustered(event, found, np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), flat)
    return whole.ordered(np.lexsort((-np.hypot(found[0], found[1]), event)))


def soft_drop(offsets: Ints, momenta: Floats, *, z_cut: float, beta: float, radius: float) -> Floats:
    """Masses (jets,) after soft drop (arXiv:1402.2657): declustered by Cambridge/Aachen, z > z_cut (dR / radius)^beta.

    Jets are lists of particles, from `offsets[i]` to `offsets[i + 1]`; the mass of none is 0.
    """
    masses = np.zeros(len(offsets) - 1)
    filled = np.diff(offsets) > 0
    if filled.any():
        with own_stdout():
            sequence = _sequence(np.diff(offsets)[filled], momenta, "cambridge-aachen", _WHOLE, "soft drop needs")
            groomed = sequence.exclusive_jets_softdrop_grooming(njets=1, beta=beta, symmetry_cut=z_cut, R0=radius)
        masses[filled] = np.maximum(ak.to_numpy(groomed.msoftdrop), 0.0)
    return masses


def subjettiness(offsets: Ints, momenta: Floats, *, radius: float, orders: tuple[int, ...] = (1, 2, 3, 4)) -> Floats:
    """N-subjettiness (jets, orders) (arXiv:1011.2268): sum of pT times dR from the nearest of N axes, over pT R.

    beta = 1; axes of exclusive kT, brought to a local minimum (one pass), as Delphes' FatJetFinder has it with
    `AxisMode 4`, and so JetClass. 0 for a jet of no more than N particles.
    """
    found = np.zeros((len(offsets) - 1, len(orders)))
    filled = np.diff(offsets) > 0
    if filled.any():
        with own_stdout():
            sequence = _sequence(np.diff(offsets)[filled], momenta, "cambridge-aachen", _WHOLE, "N-subjettiness needs")
            found[filled] = ak.to_numpy(
                sequence.njettiness(axes_definition="OnePass_KT_Axes", njets=list(orders), beta=1.0, R0=radius)
            )
    return found


def _sequence(  # noqa: PLR0917  only called above
    counts: Ints, momenta: Floats, algorithm: str, radius: float, needs: str, extra: str = "jets"
) -> Any:
    try:
        import fastjet
    except ImportError as error:
        raise MissingExtraError.of(error, needs, "fastjet", extra) from error
    record = ak.zip(dict(zip(("px", "py", "pz", "E"), momenta, strict=True)), with_name="Momentum4D")
    definition = fastjet.JetDefinition(getattr(fastjet, ALGORITHMS[algorithm]), radius)
    return fastjet.ClusterSequence(ak.unflatten(record, counts), definition)
