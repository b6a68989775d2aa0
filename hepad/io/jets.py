"""What readers of jets share: a jet is an event of one fat jet and its `particles`.

`particles` are by falling pT; their `id` is a place in `PARTICLES`, counted from 1, 0 for none of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["PARTICLES", "particle_ids", "polar"]

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
