"""Particle sets: the particles of a jet, in no order, relative to its axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import awkward as ak
import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.input import InputCard
from hepad.inputs.batch import Batch
from hepad.inputs.common_frame import CommonFrame, Particles, to_common_frame
from hepad.inputs.layout import Layout
from hepad.inputs.unlearned import Unlearned
from hepad.io.events import flat_columns
from hepad.io.jets import PARTICLES

__all__ = ["IDS", "ParticleSet", "ParticleSetCard"]

IDS = "id"
"""The name of the codes of particles beside the batch."""

_Flat = dict[str, npt.NDArray[np.float64]]
_Places = npt.NDArray[np.int64]

_TINY = 1e-8
_BOUND = 5.0


@dataclass(frozen=True)
class _Feature:
    """What a feature is made of, of which properties, and how it is scaled: (x - shift) * gain, or its tanh."""

    of: Callable[[_Flat], npt.NDArray[np.float64]]
    needs: frozenset[str]
    shift: float = 0.0
    gain: float = 1.0
    tanh: bool = False
    low: float = -_BOUND


def _log(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.log(np.maximum(values, _TINY))


def _feature(of: Callable[[_Flat], Any], needs: str, **scale: Any) -> _Feature:
    return _Feature(of, frozenset(needs.split()), **scale)


def _plain(name: str, **scale: Any) -> _Feature:
    return _feature(lambda p: p[name], name, **scale)


def _is(*codes: int) -> _Feature:
    return _feature(lambda p: np.isin(p[IDS], codes).astype(np.float64), IDS)


_FEATURES: dict[str, _Feature] = {
    "log_pt": _feature(lambda p: _log(p["pt"]), "pt", shift=1.7, gain=0.7),
    "log_energy": _feature(lambda p: _log(p["energy"]), "energy", shift=2.0, gain=0.7),
    "log_pt_rel": _feature(lambda p: _log(p["pt"]) - _log(p["jet_pt"]), "pt", shift=-4.7, gain=0.7),
    "log_energy_rel": _feature(lambda p: _log(p["energy"]) - _log(p["jet_energy"]), "energy", shift=-4.7, gain=0.7),
    "delta_r": _feature(lambda p: np.hypot(p["deta"], p["dphi"]), "", shift=0.2, gain=4.0),
    "deta": _feature(lambda p: p["deta"], ""),
    "dphi": _feature(lambda p: p["dphi"], ""),
    "pt": _plain("pt"),
    "energy": _plain("energy"),
    "eta": _plain("eta"),
    "phi": _plain("phi"),
    "pt_rel": _feature(lambda p: p["pt"] / np.maximum(p["jet_pt"], _TINY), "pt"),
    "energy_rel": _feature(lambda p: p["energy"] / np.maximum(p["jet_energy"], _TINY), "energy"),
    "charge": _plain("charge"),
    "is_charged_hadron": _is(1, 2),
    "is_neutral_hadron": _is(3),
    "is_photon": _is(4),
    "is_electron": _is(5, 6),
    "is_muon": _is(7, 8),
    "d0": _plain("d0", tanh=True),
    "d0err": _plain("d0err", low=0.0),
    "dz": _plain("dz", tanh=True),
    "dzerr": _plain("dzerr", low=0.0),
}
_ONE_HOT = {f"id_{name}": _is(code) for code, name in enumerate(PARTICLES, 1)}
_UPPER = {"d0err": 1.0, "dzerr": 1.0}
_UNBOUNDED = {"pt", "energy"}

FeatureName = Literal[
    "log_pt",
    "log_energy",
    "log_pt_rel",
    "log_energy_rel",
    "delta_r",
    "deta",
    "dphi",
    "pt",
    "energy",
    "eta",
    "phi",
    "pt_rel",
    "energy_rel",
    "charge",
    "is_charged_hadron",
    "is_neutral_hadron",
    "is_photon",
    "is_electron",
    "is_muon",
    "d0",
    "d0err",
    "dz",
    "dzerr",
]


class ParticleSetCard(InputCard):
    """Input kind `particle_set`: how many particles of a jet, their features, and what becomes of their kinds.

    The jet is the leading fat jet of its event, an axis for all `particles` there; of more than `max_particles` those
    of the highest pT are kept. Features: `pt`, `energy` (GeV), `eta`, `phi`; `_rel` is a fraction of the jet's, `log_`
    a natural logarithm; `deta`, `dphi`, `delta_r` from the jet's axis, `deta` with the sign of the jet's eta; `d0`,
    `dz` and their errors in mm; `charge`, and one flag a kind, `is_photon` and so on. `ids` puts the eight kinds
    (hadrons of either charge or none, photon, electron, positron, muon, antimuon) beside the batch as codes from 1 on,
    0 for padding, or among the features as eight flags, or both. `scale: usual` is that of JetClass (arXiv:2202.03772):
    (ln pT - 1.7) 0.7, (ln E - 2) 0.7, (ln of a fraction + 4.7) 0.7, (delta_r - 0.2) 4, tanh of d0 and dz, errors
    within 0 and 1, and all but pt and energy within -5 and 5. With `frame` momenta, angles and the jet are those in a
    frame that is common to all jets, where the particles are massless and the jet lies at eta = phi = 0.
    """

    kind: Literal["particle_set"]
    max_particles: int = Field(default=128, ge=1, le=1024)
    features: tuple[FeatureName, ...] = Field(
        default=("log_pt_rel", "log_energy_rel", "deta", "dphi"), min_length=1, max_length=len(_FEATURES)
    )
    ids: Literal["none", "beside", "features", "both"] = "none"
    scale: Literal["none", "usual"] = "usual"
    frame: CommonFrame | None = None

    @model_validator(mode="after")
    def _names_features_once(self) -> ParticleSetCard:
        if len(set(self.features)) != len(self.features):
            raise ValueError("features must name each property once")
        return self


class ParticleSet(Unlearned):
    """Events to a `Batch` of kind `particle_set`, of shape (n, particles, features); GeV and mm before scaling.

    The mask is of shape (n, particles). An event without a fat jet has no particles. `beside["id"]`, of shape
    (n, particles), int8, if the card asks for it. Nothing is learned from background.
    """

    kind: ClassVar[str] = "particle_set"

    card: ParticleSetCard

    def __init__(self, card: ParticleSetCard) -> None:
        super().__init__(card)
        own = {name: _FEATURES[name] for name in card.features}
        self._features = own | (_ONE_HOT if card.ids in {"features", "both"} else {})
        self.layout = Layout.set(card.max_particles, tuple(self._features))

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        needs = {"pt", "eta", "phi"}.union(*(feature.needs for feature in self._features.values()))
        return {"particles": needs | ({IDS} if self._ids_beside else set()), "fatjets": {"pt", "eta", "phi", "mass"}}

    @property
    def _ids_beside(self) -> bool:
        return self.card.ids in {"beside", "both"}

    def raw(self, events: ak.Array) -> Batch:
        """The sets in physical units, before scaling."""
        n, (size, _) = len(events), self.layout.shape
        rows, place, flat = (
            self._particles(events) if self.card.frame is None else self._framed(events, self.card.frame)
        )
        x = np.zeros((n, *self.layout.shape), dtype=np.float32)
        for column, feature in enumerate(self._features.values()):
            x[rows, place, column] = feature.of(flat)
        mask = np.zeros((n, size), dtype=bool)
        mask[rows, place] = True
        beside = {}
        if self._ids_beside:
            beside[IDS] = np.zeros((n, size), dtype=np.int8)
            beside[IDS][rows, place] = flat[IDS].astype(np.int8)
        return Batch(self.kind, self.layout, x, mask, ak.to_numpy(events.weight).astype(np.float64), beside)

    def _particles(self, events: ak.Array) -> tuple[_Places, _Places, _Flat]:
        """The events of the particles that are kept, their places there, and their properties."""
        jets, has_jet = _leading(events["fatjets"])
        rows, place, flat = self._of_events(events)
        kept = (place < self.card.max_particles) & has_jet[rows]
        rows, flat = rows[kept], {name: values[kept] for name, values in flat.items()}
        return rows, place[kept], flat | _relative(flat, {name: values[rows] for name, values in jets.items()})

    def _framed(self, events: ak.Array, frame: CommonFrame) -> tuple[_Places, _Places, _Flat]:
        """As `_particles`, in a common frame: the jet is what is left of the particles there."""
        _, has_jet = _leading(events["fatjets"])
        rows, _, flat = self._of_events(events)
        kept = np.flatnonzero(has_jet[rows])
        there = Particles.of(rows[kept], *(flat[name][kept] for name in ("pt", "eta", "phi")))
        found = to_common_frame(there, frame, self.card.max_particles)
        flat = {name: values[kept][found.place] for name, values in flat.items()}
        flat |= {"pt": found.pt, "eta": found.eta, "phi": found.phi, "energy": found.pt * np.cosh(found.eta)}
        axis = {"pt": frame.momentum, "eta": 0.0, "phi": 0.0, "energy": frame.energy}
        jets = {name: np.full(len(found.rows), value) for name, value in axis.items()}
        return found.rows, found.rank(), flat | _relative(flat, jets)

    def _of_events(self, events: ak.Array) -> tuple[_Places, _Places, _Flat]:
        offsets, particles = flat_columns(events["particles"])
        counts = np.diff(offsets)
        rows = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(rows)) - np.repeat(offsets[:-1], counts)
        return rows, place, {n: np.asarray(particles[n], dtype=np.float64) for n in self.fields()["particles"]}

    def scaled(self, batch: Batch) -> Batch:
        """The batch as the network sees it."""
        if self.card.scale == "none":
            return batch
        x = np.empty_like(batch.x)
        for column, (name, feature) in enumerate(self._features.items()):
            values = batch.x[:, :, column]
            scaled = np.tanh(values) if feature.tanh else (values - feature.shift) * feature.gain
            x[:, :, column] = scaled if name in _UNBOUNDED else np.clip(scaled, feature.low, _UPPER.get(name, _BOUND))
        assert batch.mask is not None  # noqa: S101  a set has one
        x[~batch.mask] = 0.0
        return replace(batch, x=x)

    @property
    def table_names(self) -> npt.NDArray[Any]:
        """The names of the numbers, of shape (particles, features)."""
        size, _ = self.layout.shape
        return np.array([[f"particle{i + 1}_{name}" for name in self._features] for i in range(size)])


def _leading(jets: ak.Array) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]:
    """The leading jet of each event, its properties and energy of shape (n,), and the mask (n,) of who has one."""
    offsets, columns = flat_columns(jets)
    has_jet = np.diff(offsets) > 0
    found = {name: np.zeros(len(has_jet)) for name in ("pt", "eta", "phi", "mass")}
    for name, values in found.items():
        values[has_jet] = columns[name][offsets[:-1][has_jet]]
    found["energy"] = np.hypot(found["pt"] * np.cosh(found["eta"]), found["mass"])
    return found, has_jet


def _relative(particles: _Flat, jet: _Flat) -> _Flat:
    """Distances from the axis of each particle's jet; the sign of its eta turns all jets to one side."""
    turn = particles["phi"] - jet["phi"]
    return {
        "deta": (particles["eta"] - jet["eta"]) * np.where(jet["eta"] < 0, -1.0, 1.0),
        "dphi": (turn + np.pi) % (2 * np.pi) - np.pi,
        "jet_pt": jet["pt"],
        "jet_energy": jet["energy"],
    }
