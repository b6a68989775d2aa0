"""Energies of CMS's 18 x 14 calorimeter regions in hardware units: what CICADA sees.

A region is 4 x 4 trigger towers. In eta the towers end at the edges of the hadron calorimeter's (CMS, JINST 3 (2008)
S08004, section 5): 0.087 wide up to 1.74, then wider. The trigger's region 0 in phi is around phi = 0:
towers 71, 72, 1, 2.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.pixels import event_of, phi_bin, pixel_names
from hepad.inputs.unlearned import Unlearned
from hepad.io.events import flat_columns

__all__ = ["CaloRegions", "CaloRegionsCard"]

_ETA, _PHI = 14, 18
_EDGES = np.array([*(0.087 * np.arange(21)), 1.830, 1.930, 2.043, 2.172, 2.322, 2.500, 2.650, 3.000])
_EDGES[8] = 0.695  # as the regional trigger rounds it; no trigger tower has its centre in between
_STEP = 0.5
_CLOSE = 1e-3
"""Of a step: what single precision may take from an energy that stands on one."""


class CaloRegionsCard(InputCard):
    """Input kind `calo_regions`: sums of transverse energy over 4 x 4 towers, in steps of 0.5 GeV.

    `round: towers`, as in the trigger: a tower's E_T is a number of steps, rounded down and at most `tower_max`; a sum
    is at most `region_max`. `round: regions` rounds down the sum alone. The first region in phi begins at `first_phi`
    degrees, -10 in the trigger. Towers beyond |eta| = 3 are left out, as are the trigger's own calibration and noise.
    """

    kind: Literal["calo_regions"]
    tower_max: int = Field(default=511, ge=1, le=65535)
    region_max: int = Field(default=1023, ge=1, le=65535)
    round: Literal["towers", "regions"] = "towers"
    first_phi: float = Field(default=-10.0, ge=-360, le=360)


class CaloRegions(Unlearned):
    """Events to a `Batch` of kind `calo_regions`, of shape (n, 1, 14, 18): eta, then phi. Nothing is learned."""

    kind: ClassVar[str] = "calo_regions"

    card: CaloRegionsCard

    def __init__(self, card: CaloRegionsCard) -> None:
        super().__init__(card)
        self.layout = Layout.image(("et",), _ETA, _PHI)

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        return {"towers": {"pt", "eta", "phi"}}

    def raw(self, events: ak.Array) -> Batch:
        """The batch in hardware units."""
        offsets, towers = flat_columns(events["towers"])
        rows = event_of(offsets)
        pt, eta, phi = (np.asarray(towers[name], dtype=np.float64) for name in ("pt", "eta", "phi"))
        steps = pt / _STEP
        energy = np.clip(np.floor(steps + _CLOSE), 0, self.card.tower_max) if self.card.round == "towers" else steps
        ring = np.searchsorted(_EDGES, np.abs(eta), side="right")  # from 1, as the trigger counts
        inside = ring < len(_EDGES)
        wedge = phi_bin(phi, _PHI, np.radians(self.card.first_phi))
        quarter = (ring - 1) // 4
        place = np.where(eta >= 0, _ETA // 2 + quarter, _ETA // 2 - 1 - quarter)
        pixel = (rows * _ETA + place) * _PHI + wedge
        sums = np.bincount(pixel[inside], energy[inside], minlength=len(events) * _ETA * _PHI)
        x = np.minimum(np.floor(sums), self.card.region_max).astype(np.float32).reshape(len(events), 1, _ETA, _PHI)
        return Batch(self.kind, self.layout, x, None, ak.to_numpy(events.weight).astype(np.float64))

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of the regions, of shape (1, 14, 18)."""
        return pixel_names(self.layout)
