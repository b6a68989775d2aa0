"""Objects of generated events at particle level: what jets, leptons and missing momentum would be without a detector.

Nothing is smeared and, but for b-tagging, nothing is lost within the acceptance: resolutions and efficiencies are
better than any detector's. docs/generators.md says when that is good enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.io.clustering import cluster
from hepad.io.events import collection, missing_momentum
from hepad.io.generator.cells import charge_signs, ids_of, towers_of, tracks_of
from hepad.io.generator.impact import IMPACT, impact_parameters
from hepad.io.generator.isolation import dress, flavours, isolation, uniform
from hepad.io.generator.particles import (
    BOTTOM,
    CHARM,
    ELECTRON,
    INVISIBLE,
    MUON,
    PHOTON,
    TAU,
    VISIBLE,
    Floats,
    Ints,
    Particles,
    classify,
)

__all__ = ["FEATURES", "ParticleLevel", "build_objects"]

FEATURES: dict[str, set[str]] = {
    "jets": {"pt", "eta", "phi", "mass", "btag"},
    "electrons": {"pt", "eta", "phi", "mass", "charge"},
    "muons": {"pt", "eta", "phi", "mass", "charge"},
    "photons": {"pt", "eta", "phi", "mass"},
    "taus": {"pt", "eta", "phi", "mass"},
    "fatjets": {"pt", "eta", "phi", "mass"},
    "met": {"pt", "phi"},
    "scalar_ht": {"ht"},
    "particles": {"pt", "eta", "phi", "energy", "charge", "id"},
    "tracks": {"pt", "eta", "phi", "charge", *IMPACT},
    "towers": {"pt", "eta", "phi", "eem", "ehad"},
    "track_count": {"number"},
}
"""What `build_objects` can give."""


@dataclass(frozen=True)
class ParticleLevel:
    """The definitions of the objects; momenta in GeV. `hepad` reads every file with these defaults.

    Jets: anti-kt (arXiv:0802.1189) with radius `jet_radius` and, for fat jets, `fatjet_radius`, ungroomed.
    Leptons: prompt electrons and muons, dressed with the prompt photons within `dressing_radius`.
    Isolation: the pT sum within `isolation_radius` of particles above `isolation_min_pt`, over the object's own pT, is
    at most `electron_isolation` and so on: the numbers of Delphes' card for CMS (delphes_card_CMS.tcl).
    b-tagging: a b, else c hadron above `tag_min_pt` within `tag_radius` makes a b or c jet; a jet within `tag_max_eta`
    is tagged with the probability `b_efficiency`, `c_efficiency` or `light_efficiency`, those of the 77 % working point
    of ATLAS in Run 2 (arXiv:2211.16345: rejections 5 of c and 170 of light jets), at all pT.
    Invisible: what is stable and neither a lepton, photon, parton, hadron nor nucleus of the Standard Model, and the
    PDG numbers listed in `hidden`.
    """

    jet_radius: float = 0.4
    jet_min_pt: float = 20.0
    jet_max_eta: float = 5.0
    fatjet_radius: float = 0.8
    fatjet_min_pt: float = 150.0
    fatjet_max_eta: float = 2.5
    lepton_min_pt: float = 3.0
    lepton_max_eta: float = 2.5
    photon_min_pt: float = 10.0
    tau_min_pt: float = 20.0
    dressing_radius: float = 0.1
    isolation_radius: float = 0.5
    isolation_min_pt: float = 0.5
    electron_isolation: float = 0.12
    muon_isolation: float = 0.25
    photon_isolation: float = 0.12
    tag_min_pt: float = 5.0
    tag_radius: float = 0.3
    tag_max_eta: float = 2.5
    b_efficiency: float = 0.77
    c_efficiency: float = 1 / 5
    light_efficiency: float = 1 / 170
    hidden: tuple[int, ...] = ()
    seed: int = 1


@dataclass(frozen=True)
class _Objects:
    """Objects of consecutive events, flat and sorted by falling pT within each event."""

    offsets: Ints
    pt: Floats
    eta: Floats
    phi: Floats
    mass: Floats
    charge: npt.NDArray[np.int32] | None = None

    def record(self, features: AbstractSet[str], **more: npt.NDArray[Any]) -> ak.Array:
        columns = {"pt": self.pt, "eta": self.eta, "phi": self.phi, "mass": self.mass, **more}
        if self.charge is not None:
            columns["charge"] = self.charge
        return collection(self.offsets, {f: v for f, v in columns.items() if f in features or f == "pt"})


def build_objects(
    particles: Particles, entries: Ints, wanted: Mapping[str, AbstractSet[str]], settings: ParticleLevel
) -> dict[str, ak.Array]:
    """The collections of `wanted` (names and properties as in `FEATURES`) of the events, each of length n.

    `entries` of shape (n,) are the entries in the file, which seed the random numbers of b-tagging: an event has the
    same objects whatever events are read with it. `MissingExtraError` without fastjet.
    """
    truth = _Truth(particles, settings)
    result: dict[str, ak.Array] = {}
    leptons = {name: truth.objects(getattr(truth, name), s) for name, s in _limits(settings).items()}
    needs_jets = not {"jets", "scalar_ht"}.isdisjoint(wanted)
    jets = truth.jets(settings.jet_radius, settings.jet_min_pt, settings.jet_max_eta) if needs_jets else None
    for name, features in wanted.items():
        if name == "jets":
            assert jets is not None  # noqa: S101  made above
            result[name] = jets.record(features, btag=truth.tags(jets, entries))
        elif name == "fatjets":
            fat = truth.jets(settings.fatjet_radius, settings.fatjet_min_pt, settings.fatjet_max_eta)
            result[name] = fat.record(features)
        elif name == "met":
            result[name] = truth.missing(features)
        elif name in {"particles", "tracks", "towers"}:
            result[name] = truth.visible(name, features, entries)
        elif name == "track_count":
            result[name] = ak.values_astype(ak.num(truth.visible("tracks", set(), entries)), np.float64)
        elif name == "scalar_ht":
            assert jets is not None  # noqa: S101  made above
            result[name] = ak.Array(sum(_sum(o) for o in (jets, *(leptons[n] for n in leptons if n != "taus"))))
        else:
            result[name] = leptons[name].record(features)
    return result


def _limits(settings: ParticleLevel) -> dict[str, float]:
    lepton = settings.lepton_min_pt
    return {"electrons": lepton, "muons": lepton, "photons": settings.photon_min_pt, "taus": settings.tau_min_pt}


def _sum(objects: _Objects) -> Floats:
    """The scalar sum of pT of each event, of shape (n,)."""
    running = np.concatenate([[0.0], np.cumsum(objects.pt)])
    return np.asarray(running[objects.offsets[1:]] - running[objects.offsets[:-1]])


class _Truth:
    """Which particles are what; `electrons` and so on are masks of shape (particles,) of the accepted ones."""

    def __init__(self, particles: Particles, settings: ParticleLevel) -> None:
        p, s = particles, settings
        self.particles, self.settings = p, s
        momenta = np.array([p.px, p.py, p.pz, p.e])
        hidden = np.array(s.hidden, dtype=np.int64)
        self.kinds, visible = classify(p.pdg, p.final, p.mother, momenta, hidden)
        self.event = p.event
        _, eta, phi, _ = _polar(momenta)
        owner, momenta = dress(p.offsets, self.kinds, eta, phi, momenta, s.dressing_radius)
        taus = self.kinds == TAU
        momenta[:, taus] = visible[:, taus]
        self.momenta = momenta
        self.pt, self.eta, self.phi, self.mass = _polar(momenta)
        central = np.abs(self.eta) < s.lepton_max_eta
        limits = {ELECTRON: s.electron_isolation, MUON: s.muon_isolation, PHOTON: s.photon_isolation}
        candidates = np.isin(self.kinds, list(limits)) & (owner < 0) & central
        candidates &= self.pt > np.where(self.kinds == PHOTON, s.photon_min_pt, s.lepton_min_pt)
        around = isolation(
            p.offsets,
            self.kinds,
            owner,
            candidates,
            self.eta,
            self.phi,
            self.pt,
            s.isolation_radius,
            s.isolation_min_pt,
        )
        passed = {k: candidates & (self.kinds == k) & (around <= limit * self.pt) for k, limit in limits.items()}
        self.electrons, self.muons, self.photons = passed[ELECTRON], passed[MUON], passed[PHOTON]
        self.taus = taus & central
        # Jets are made of all that is visible but the objects found, and never of prompt muons or what dresses one.
        taken = self.electrons | self.photons | (self.kinds == MUON)
        taken |= (owner >= 0) & taken[owner]
        self.constituents = np.isin(self.kinds, (VISIBLE, ELECTRON, PHOTON)) & ~taken

    def objects(self, mask: npt.NDArray[np.bool_], min_pt: float) -> _Objects:
        mask = mask & (self.pt > min_pt)
        columns = [column[mask] for column in (self.pt, self.eta, self.phi, self.mass)]
        charge = -np.sign(self.particles.pdg[mask]).astype(np.int32)  # leptons have positive numbers
        return _sorted(self.event[mask], len(self.particles), *columns, charge=charge)

    def missing(self, features: AbstractSet[str]) -> ak.Array:
        """The vector sum of all that is invisible."""
        mask = self.kinds == INVISIBLE
        n, p = len(self.particles), self.particles
        x = np.bincount(self.event[mask], weights=p.px[mask], minlength=n)
        y = np.bincount(self.event[mask], weights=p.py[mask], minlength=n)
        columns = {"pt": np.hypot(x, y), "phi": np.arctan2(y, x)}
        return missing_momentum({f: columns[f] for f in columns if f in features})

    def jets(self, radius: float, min_pt: float, max_eta: float) -> _Objects:
        p, mask = self.particles, self.constituents
        counts = np.bincount(self.event[mask], minlength=len(p))
        momenta = np.array([p.px[mask], p.py[mask], p.pz[mask], p.e[mask]])
        jets = cluster(counts, momenta, radius=radius, min_pt=min_pt, extra="particles")
        pt, eta, phi, mass = _polar(jets.momenta)
        keep = np.abs(eta) < max_eta
        return _sorted(jets.event[keep], len(p), pt[keep], eta[keep], phi[keep], mass[keep])

    def visible(self, name: str, features: AbstractSet[str], entries: Ints) -> ak.Array:
        """All stable `particles` that a detector may see, the `tracks` of them, or a tower of each in `towers`."""
        p, mask = self.particles, np.isin(self.kinds, (VISIBLE, ELECTRON, MUON, PHOTON)) & self.particles.final
        pt, eta, phi, _ = _polar(np.array([p.px[mask], p.py[mask], p.pz[mask], p.e[mask]]))
        columns: dict[str, npt.NDArray[Any]] = {"pt": pt, "eta": eta, "phi": phi, "energy": p.e[mask]}
        kept = np.ones(len(pt), dtype=bool)
        if not features.isdisjoint({"charge", "id"}):
            columns |= {"charge": charge_signs(p.pdg[mask]), "id": ids_of(p.pdg[mask])}
        if name == "tracks":
            kept = tracks_of(p.pdg[mask], pt, eta)
        elif name == "towers":
            kept, energies = towers_of(p.pdg[mask], eta, p.e[mask])
            columns |= energies
        event = self.event[mask][kept]
        if not features.isdisjoint(IMPACT):
            places = np.flatnonzero(mask)[kept]
            vertices = np.zeros((3, len(places))) if p.vertices is None else p.vertices[:, places]
            momenta = np.array([p.px[places], p.py[places], p.pz[places]])
            columns = {f: values[kept] for f, values in columns.items()}
            columns |= impact_parameters(
                momenta, vertices, self.settings.seed, entries[event], places - p.offsets[event]
            )
            kept = np.ones(len(places), dtype=bool)
        order = np.lexsort((-columns["pt"][kept], event))
        wanted = {f: values[kept][order] for f, values in columns.items() if f in {"pt", *features}}
        return collection(_offsets(event, len(p)), wanted)

    def tags(self, jets: _Objects, entries: Ints) -> npt.NDArray[np.bool_]:
        """Whether each jet is b-tagged, of shape (jets,)."""
        s = self.settings
        heavy = ((self.kinds == BOTTOM) | (self.kinds == CHARM)) & (self.pt > s.tag_min_pt)
        offsets = _offsets(self.event[heavy], len(self.particles))
        flavour = np.where(self.kinds[heavy] == BOTTOM, 5, 4)
        columns = (flavour, self.eta[heavy], self.phi[heavy])
        found = flavours(jets.offsets, jets.eta, jets.phi, offsets, *columns, s.tag_radius)
        efficiency = np.select([found == 5, found == 4], [s.b_efficiency, s.c_efficiency], s.light_efficiency)
        counts = np.diff(jets.offsets)
        rank = np.arange(len(found)) - np.repeat(jets.offsets[:-1], counts)
        tagged = uniform(s.seed, np.repeat(entries, counts), rank) < efficiency
        return np.asarray(tagged & (np.abs(jets.eta) < s.tag_max_eta))


def _polar(momenta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """pT, eta, phi and mass of momenta of shape (4, n); along the beam eta is large and finite."""
    x, y, z, e = momenta
    pt = np.hypot(x, y)
    eta = np.arcsinh(z / np.maximum(pt, 1e-12))
    return pt, eta, np.arctan2(y, x), np.sqrt(np.maximum(e**2 - x**2 - y**2 - z**2, 0))


def _offsets(event: Ints, n: int) -> Ints:
    return np.concatenate([[0], np.cumsum(np.bincount(event, minlength=n))]).astype(np.int64)


def _sorted(  # noqa: PLR0917  columns
    event: Ints,
    n: int,
    pt: Floats,
    eta: Floats,
    phi: Floats,
    mass: Floats,
    *,
    charge: npt.NDArray[np.int32] | None = None,
) -> _Objects:
    order = np.lexsort((-pt, event))
    kept = None if charge is None else charge[order]
    return _Objects(_offsets(event, n), pt[order], eta[order], phi[order], mass[order], kept)
