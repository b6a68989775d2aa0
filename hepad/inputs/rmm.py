"""The rapidity-mass matrix (RMM): all objects of an event and all their pairs in one square matrix.

Row and column 0 belong to the missing momentum, the others to the leading objects of each type by falling pT. Masses
are divided by the collision energy, so that all cells are small numbers without unit. Reference: Chekanov,
arXiv:1805.11650; as used in arXiv:2307.01612 and by ADFilter (arXiv:2409.03065), whose masses of leptons are taken.
"""

from __future__ import annotations

from functools import cached_property
from itertools import combinations_with_replacement
from typing import Annotated, Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.layout import Layout
from hepad.inputs.unlearned import Unlearned
from hepad.io.detector.columns import Objects
from hepad.io.events import SQRT_S
from hepad.objects.naming import object_name

__all__ = ["RapidityMassMatrix", "RmmCard"]

MASSES = {"muons": 0.1057, "electrons": 0.00051, "photons": 0.0}
"""GeV, as in ADFilter; jets have their own."""

JETS = ("jets", "lightjets", "bjets")

_Float = npt.NDArray[np.float64]
_Integers = npt.NDArray[np.int64]


RmmType = Literal["jets", "lightjets", "bjets", "muons", "electrons", "photons"]

RMM_TYPES: tuple[RmmType, ...] = ("jets", "lightjets", "bjets", "muons", "electrons", "photons")
"""Object types of a rapidity-mass matrix in the order of its rows; `jets` are all, tagged or not."""


def _t5n10() -> dict[RmmType, int]:
    return dict.fromkeys(RMM_TYPES[1:], 10)


def _adfilter_rows() -> dict[RmmType, int]:
    return dict.fromkeys(RMM_TYPES[3:], 5)


class RmmCard(InputCard):
    """Input kind `rmm`: the size of the matrix, and which of its cells a network sees.

    `counts` gives the objects of each type; types that it does not name are left out. A network sees the rows and
    columns of the leading `network_counts` objects of a type (of all, where it names no number), without the masses
    of the leading jets with one another and with the leading lepton or photon if `leave_out_masses` is set: a bump hunt
    wants a score that does not know them. With the defaults that is 1287 of 51 * 51 cells, as in arXiv:2307.01612.

    `met_min` in GeV: missing momentum below it counts as none. `sqrt_s_gev` is for files that do not say theirs.
    """

    kind: Literal["rmm"]
    counts: dict[RmmType, Annotated[int, Field(ge=1, le=50)]] = Field(default_factory=_t5n10, min_length=1)
    network_counts: dict[RmmType, Annotated[int, Field(ge=0)]] = Field(default_factory=_adfilter_rows)
    leave_out_masses: bool = True
    met_min: float = Field(default=30.0, ge=0)
    sqrt_s_gev: float = Field(default=13000.0, gt=0)

    @model_validator(mode="after")
    def _takes_each_jet_once(self) -> RmmCard:
        if "jets" in self.counts and {"lightjets", "bjets"} & self.counts.keys():
            raise ValueError("counts names jets and also lightjets or bjets: each jet must be there once")
        return self


class RapidityMassMatrix(Unlearned):
    """Events to a `Batch` of kind `rmm`, the cells that the card leaves to a network, or to whole matrices.

    With S the collision energy, E_T = E sin(theta), y the rapidity and m_T the transverse mass of an object a and the
    missing momentum, the cell in row r and column c is

    - (0, 0), `met`: the missing momentum / S, 0 if it is below the card's `met_min`;
    - (0, a), `mt(a)`: m_T / S, 0 without missing momentum; (a, 0), `hl(a)`: 0.15 (cosh y - 1);
    - (a, a), `et(a)`: E_T / S of the leading object of a type; for the others, `imbalance(b,a)`: (E_T,b - E_T,a) /
      (E_T,b + E_T,a), b being the object before;
    - r < c, `m(r,c)`: invariant mass / S; r > c, `h(c,r)`: 0.15 (cosh((y_r - y_c)/2) - 1).

    Cells of objects that are not there are 0 and masked. Objects are named as everywhere: `lightjet1` is the leading
    jet without a b-tag. Sums are in double, cells in single precision. The objects of an event must be sorted by
    falling pT, as a selection leaves them.
    """

    kind: ClassVar[str] = "rmm"

    card: RmmCard

    def __init__(self, card: RmmCard) -> None:
        super().__init__(card)
        self.types = tuple(name for name in RMM_TYPES if name in card.counts)
        self.objects = ("met", *(object_name(t, k) for t in self.types for k in range(card.counts[t])))
        self._slots = np.cumsum([1, *(card.counts[t] for t in self.types)])[:-1].astype(np.int64)
        self._kept = self._kept_cells()
        self.layout = Layout.vector(self.table_names[self._kept].tolist())
        self.columns = self.layout.columns

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        fields: dict[str, set[str]] = {"met": {"pt", "phi"}, SQRT_S: set()}
        for name in self.types:
            if name in JETS:
                tag = set() if name == "jets" else {"btag"}
                fields.setdefault("jets", set()).update({"pt", "eta", "phi", "mass"} | tag)
            else:
                fields[name] = {"pt", "eta", "phi"}
        return fields

    @cached_property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of all cells, of shape (size, size)."""
        size = len(self.objects)
        firsts = set(self._slots.tolist())
        names = [self._cell_name(r, c, firsts) for r in range(size) for c in range(size)]
        return np.array(names).reshape(size, size)

    def table(self, events: ak.Array) -> npt.NDArray[np.float32]:
        """The whole matrices of events, of shape (n, size, size)."""
        size = len(self.objects)
        cells, _ = self._cells(events, np.ones((size, size), dtype=bool))
        return cells.reshape(len(events), size, size)

    def raw(self, events: ak.Array) -> Batch:
        """The cells that a network sees, of shape (n, d)."""
        cells, known = self._cells(events, self._kept)
        return Batch(self.kind, self.layout, cells, known, ak.to_numpy(events.weight).astype(np.float64))

    def _cell_name(self, row: int, column: int, firsts: set[int]) -> str:
        low, high = self.objects[min(row, column)], self.objects[max(row, column)]
        if high == "met":
            return "met"
        if low == "met":
            return f"mt({high})" if row == 0 else f"hl({high})"
        if row == column:
            return f"et({high})" if row in firsts else f"imbalance({self.objects[row - 1]},{high})"
        return f"m({low},{high})" if row < column else f"h({low},{high})"

    def _kept_cells(self) -> npt.NDArray[np.bool_]:
        """Which cells a network sees, of shape (size, size)."""
        counts, most = self.card.counts, self.card.network_counts
        row = np.array([True, *(k < most.get(t, counts[t]) for t in self.types for k in range(counts[t]))])
        kept = np.outer(row, row)
        first = dict(zip(self.types, self._slots.tolist(), strict=True))
        if self.card.leave_out_masses:
            for one, other in combinations_with_replacement(self.types, 2):
                second = first[other] + (one == other)
                if one in JETS and (one != other or counts[one] > 1):
                    kept[first[one], second] = False
        return kept

    def _cells(
        self, events: ak.Array, wanted: npt.NDArray[np.bool_]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        """The wanted cells of events, row by row, and which of them belong to objects that are there; (n, d)."""
        from hepad.inputs.rmm_kernel import fill_cells  # numba takes a second to import

        place = np.where(wanted, np.cumsum(wanted).reshape(wanted.shape) - 1, -1)
        cells = np.zeros((len(events), int(wanted.sum())), dtype=np.float32)
        known = np.zeros(cells.shape, dtype=np.bool_)
        met = ak.to_numpy(events.met.pt).astype(np.float64)
        fill_cells(
            *self._flat(events),
            np.where(met < self.card.met_min, 0.0, met),
            ak.to_numpy(events.met.phi).astype(np.float64),
            self._sqrt_s(events),
            place,
            cells,
            known,
        )
        return cells, known

    def _sqrt_s(self, events: ak.Array) -> _Float:
        """The collision energy of each event in GeV: what its file says, or the card."""
        if SQRT_S not in events.fields:
            return np.full(len(events), self.card.sqrt_s_gev)
        said = ak.to_numpy(events[SQRT_S]).astype(np.float64)
        return np.where(said > 0, said, self.card.sqrt_s_gev)  # NaN is not above 0

    def _flat(self, events: ak.Array) -> tuple[_Integers, _Integers, _Integers, _Float, _Float, _Float, _Float]:
        """Where the objects of each event and type start, shape (n, types), how many, and the columns of all."""
        jets = Objects.of(events.jets) if set(JETS) & set(self.types) else None
        parts = []
        for name in self.types:
            objects = jets if name in JETS else Objects.of(events[name])
            assert objects is not None  # noqa: S101  read above if a type of jets is wanted
            tagged = {"lightjets": False, "bjets": True}.get(name)
            parts.append(objects if tagged is None else objects.take(objects.columns["btag"] == tagged))
        base = np.cumsum([0, *(part.offsets[-1] for part in parts)])
        starts = np.stack([part.offsets[:-1] + b for part, b in zip(parts, base, strict=False)], axis=1)
        most = np.array([self.card.counts[name] for name in self.types])
        counts = np.minimum(np.stack([part.counts for part in parts], axis=1), most)
        pt, eta, phi = (
            np.concatenate([part.columns[feature] for part in parts]).astype(np.float64)
            for feature in ("pt", "eta", "phi")
        )
        masses = [
            np.full(part.offsets[-1], MASSES[name]) if name in MASSES else part.columns["mass"]
            for name, part in zip(self.types, parts, strict=True)
        ]
        mass = np.concatenate(masses).astype(np.float64)
        return np.ascontiguousarray(starts), np.ascontiguousarray(counts), self._slots, pt, eta, phi, mass
