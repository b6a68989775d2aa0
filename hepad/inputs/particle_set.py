"""Particle sets: the particles of a jet, or the tracks of the leading jets, in no order, relative to their axes."""

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
    of the highest pT are kept. `of: tracks` takes the tracks of an event, massless, instead. With a `radius` a particle
    belongs to the nearest of the `jets` leading fat jets if it lies within that distance in eta and phi, else to none,
    and each of them has up to `max_particles`.

    Features: `pt`, `energy` (GeV), `eta`, `phi`; `_rel` is a fraction of the jet's, `log_` a natural
    logarithm; `deta`, `dphi`, `delta_r` from the jet's axis, `deta` with the sign of the jet's eta; `d0`, `dz` and
    their errors in mm; `charge`, and one flag a kind, `is_photon` and so on. `ids` puts the eight kinds
    (hadrons of either charge or none, photon, electron, positron, muon, antimuon) beside the batch as codes from 1 on,
    0 for padding, or among the features as eight flags, or both. `scale: usual` is that of JetClass (arXiv:2202.03772):
    (ln pT - 1.7) 0.7, (ln E - 2) 0.7, (ln of a fraction + 4.7) 0.7, (delta_r - 0.2) 4, tanh of d0 and dz, errors
    within 0 and 1, and all but pt and energy within -5 and 5. With `frame` momenta, angles and the jet are those in a
    frame that is common to all jets, where the particles are massless and the jet lies at eta = phi = 0.
    """

    kind: Literal["particle_set"]
    of: Literal["particles", "tracks"] = "particles"
    jets: int = Field(default=1, ge=1, le=4)
    radius: float | None = Field(default=None, gt=0, le=2)
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

    @model_validator(mode="after")
    def _knows_whose_particles(self) -> ParticleSetCard:
        if self.radius is None and (self.jets > 1 or self.of == "tracks"):
            raise ValueError("jets and of: tracks need a radius, which says whose particles they are")
        if self.radius is not None and self.frame is not None:
            raise ValueError("frame is of all particles of an event: leave out radius")
        if self.of == "tracks" and (self.ids != "none" or any(name.startswith("is_") for name in self.features)):
            raise ValueError("the kind of a track is not known: leave out ids and features that begin with is_")
        return self


class ParticleSet(Unlearned):
    """Events to a `Batch` of kind `particle_set`, of shape (n, particles, features); GeV and mm before scaling.

    The mask is of shape (n, particles); the places of the second jet are behind those of the first. An event without a
    fat jet has no particles. `beside["id"]`, of shape
    (n, particles), int8, if the card asks for it. Nothing is learned from background.
    """

    kind: ClassVar[str] = "particle_set"

    card: ParticleSetCard

    def __init__(self, card: ParticleSetCard) -> None:
        super().__init__(card)
        own = {name: _FEATURES[name] for name in card.features}
        self._features = own | (_ONE_HOT if card.ids in {"features", "both"} else {})
        self.layout = Layout.set(card.jets * card.max_particles, tuple(self._features))

    def fields(self) -> dict[str, set[str]]:
        """The collections and properties that must be read."""
        needs = {"pt", "eta", "phi"}.union(*(feature.needs for feature in self._features.values()))
        if self.card.of == "tracks":
            needs -= {"energy"}
        return {self.card.of: needs | ({IDS} if self._ids_beside else set()), "fatjets": {"pt", "eta", "phi", "mass"}}

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
        rows, place, flat = self._of_events(events)
        leading = [_jets(events["fatjets"], number) for number in range(self.card.jets)]
        if self.card.radius is None:
            owner = np.where(leading[0][1][rows], 0, -1)
        else:
            owner = _nearest(rows, flat, leading, self.card.radius)
            place = _rank(rows, owner, self.card.jets)
        kept = (place < self.card.max_particles) & (owner >= 0)
        rows, owner, place = rows[kept], owner[kept], place[kept] + owner[kept] * self.card.max_particles
        flat = {name: values[kept] for name, values in flat.items()}
        own = {name: np.stack([jet[name] for jet, _ in leading])[owner, rows] for name in leading[0][0]}
        return rows, place, flat | _relative(flat, own)

    def _framed(self, events: ak.Array, frame: CommonFrame) -> tuple[_Places, _Places, _Flat]:
        """As `_particles`, in a common frame: the jet is what is left of the particles there."""
        _, has_jet = _jets(events["fatjets"], 0)
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
        offsets, particles = flat_columns(events[self.card.of])
        counts = np.diff(offsets)
        rows = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(rows)) - np.repeat(offsets[:-1], counts)
        flat = {name: np.asarray(particles[name], dtype=np.float64) for name in self.fields()[self.card.of]}
        if self.card.of == "tracks":
            flat["energy"] = flat["pt"] * np.cosh(flat["eta"])
        return rows, place, flat

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


def _jets(jets: ak.Array, number: int) -> tuple[dict[str, npt.NDArray[np.float64]], npt.NDArray[np.bool_]]:
    """The jet of each event at that place, its properties and energy of shape (n,), and the mask (n,) of who has it."""
    offsets, columns = flat_columns(jets)
    has_jet = np.diff(offsets) > number
    found = {name: np.zeros(len(has_jet)) for name in ("pt", "eta", "phi", "mass")}
    for name, values in found.items():
        values[has_jet] = columns[name][offsets[:-1][has_jet] + number]
    found["energy"] = np.hypot(found["pt"] * np.cosh(found["eta"]), found["mass"])
    return found, has_jet


def _nearest(
    rows: _Places, flat: _Flat, jets: list[tuple[_Flat, npt.NDArray[np.bool_]]], radius: float
) -> npt.NDArray[np.int64]:
    """The place of the jet of its event that each particle is nearest to; -1 where none is within the radius."""
    distance = np.full((len(jets), len(rows)), np.inf)
    for row, (jet, there) in zip(distance, jets, strict=True):
        turn = _turned(flat["phi"] - jet["phi"][rows])
        row[there[rows]] = np.hypot(flat["eta"] - jet["eta"][rows], turn)[there[rows]]
    nearest = distance.argmin(axis=0)
    return np.where(distance.min(axis=0) < radius, nearest, -1)


def _rank(rows: _Places, owner: npt.NDArray[np.int64], jets: int) -> _Places:
    """The place of each particle among those of its jet, in the order of the event; of those of no jet it is 0."""
    rank = np.zeros(len(rows), dtype=np.int64)
    for jet in range(jets):
        own = np.flatnonzero(owner == jet)
        starts = np.searchsorted(rows[own], rows[own])
        rank[own] = np.arange(len(own)) - starts
    return rank


def _relative(particles: _Flat, jet: _Flat) -> _Flat:
    """Distances from the axis of each particle's jet; the sign of its eta turns all jets to one side."""
    return {
        "deta": (particles["eta"] - jet["eta"]) * np.where(jet["eta"] < 0, -1.0, 1.0),
        "dphi": _turned(particles["phi"] - jet["phi"]),
        "jet_pt": jet["pt"],
        "jet_energy": jet["energy"],
    }


def _turned(angle: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Differences of azimuth, from -pi to pi."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
