"""The frame in which all jets have the same mass, energy and orientation: what is left of them is their substructure.

Reference: Kahn, Gonski, Ochoa, Williams, Brooijmans, "Anomalous jet identification via sequence modeling", JINST 16
(2021) P08012, arXiv:2105.09274, algorithm 1, and the code that its authors published.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from hepad.cards.base import Card

__all__ = ["CommonFrame", "Particles", "to_common_frame"]

_Floats = npt.NDArray[np.float64]
_Places = npt.NDArray[np.int64]

_MASSLESS = 1e-12
"""(E - p) / (E + p) of a jet that has no mass but for rounding."""
_TINY = 1e-30
_ALONG_THE_BEAM = 50.0
"""The largest eta: its exponential is a number."""


class CommonFrame(Card):
    """Where jets are taken to: turned to phi 0, boosted along the beam to eta 0, scaled to the `mass`, boosted along
    their axis to the `energy` (GeV), and turned about it until the particle of highest energy is at eta 0 and positive
    phi; mirrored, if the second hardest then is at negative eta. Particles `radius` or more off the axis are left out
    and the others taken there again, until all are within.
    """

    mass: float = Field(default=0.25, gt=0)
    energy: float = Field(default=1.0, gt=0)
    radius: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _moves(self) -> CommonFrame:
        if self.energy <= self.mass:
            raise ValueError(f"energy {self.energy:g} must be above mass {self.mass:g}")
        return self

    @property
    def momentum(self) -> float:
        """Of a jet there, in GeV."""
        return float(np.sqrt((self.energy - self.mass) * (self.energy + self.mass)))


@dataclass(frozen=True)
class Particles:
    """Massless particles of jets, one after the other: all arrays are of shape (particles,).

    `rows`: the number of a particle's jet; `place`: where it came from; `pt` in GeV.
    """

    rows: _Places
    place: _Places
    pt: _Floats
    eta: _Floats
    phi: _Floats

    @classmethod
    def of(cls, rows: _Places, pt: _Floats, eta: _Floats, phi: _Floats) -> Particles:
        """Those of positive pT; of a jet's they stand together."""
        clipped = np.clip(eta, -_ALONG_THE_BEAM, _ALONG_THE_BEAM)
        return cls(rows, np.arange(len(rows)), pt, clipped, phi).take(pt > 0)

    def take(self, which: npt.NDArray[Any] | slice) -> Particles:
        """Some of them, by a mask, their numbers or a slice."""
        return Particles(self.rows[which], self.place[which], self.pt[which], self.eta[which], self.phi[which])

    def by_momentum(self) -> Particles:
        """Jet by jet, of each the hardest first."""
        return self.take(np.lexsort((self.place, -self.pt, self.rows)))

    def starts(self) -> _Places:
        """The first of each jet."""
        return np.flatnonzero(np.diff(self.rows, prepend=-1))

    def rank(self) -> _Places:
        """The number of each in its jet, from 0 on."""
        starts = self.starts()
        return np.arange(len(self.rows)) - np.repeat(starts, np.diff(starts, append=len(self.rows)))

    @staticmethod
    def joined(parts: list[Particles]) -> Particles:
        """All of them, in the order of the jets."""
        columns = ("rows", "place", "pt", "eta", "phi")
        whole = Particles(*(np.concatenate([getattr(part, name) for part in parts]) for name in columns))
        return whole.take(np.argsort(whole.rows, kind="stable"))


def to_common_frame(particles: Particles, frame: CommonFrame, most: int) -> Particles:
    """The particles in the common frame of their jets, of each jet the hardest there first and at most `most`.

    What is left of a jet has the mass and the energy of the frame. Nothing changes if a jet is turned about the beam,
    boosted along it, scaled or mirrored, or, as it is at eta 0, boosted along its axis or turned about it. A jet
    without mass, such as a single particle, has no such frame: none of its particles is left.
    """
    made = _within(particles, frame).by_momentum()
    soft = made.rank() >= most
    if soft.any():
        crowded = np.isin(made.rows, made.rows[soft])
        made = Particles.joined([made.take(~crowded), _within(made.take(crowded & ~soft), frame)]).by_momentum()
    second = made.rank() == 1
    mirrored = np.isin(made.rows, made.rows[second & (made.eta < 0)])
    return replace(made, eta=np.where(mirrored, -made.eta, made.eta))


def _within(moving: Particles, frame: CommonFrame) -> Particles:
    """The particles in the frame, without those beyond its radius: a round leaves out one or more of each jet."""
    done = [moving.take(slice(0, 0))]
    while len(moving.rows):
        moving = _moved(moving, frame)
        outside = np.hypot(moving.eta, moving.phi) >= frame.radius
        again = np.isin(moving.rows, moving.rows[outside])
        done.append(moving.take(~again))
        moving = moving.take(again & ~outside)
    return Particles.joined(done)


def _moved(particles: Particles, frame: CommonFrame) -> Particles:
    """The particles in the frame of all of them; those of jets without mass are left out.

    In light-cone coordinates along the axis, E + p and E - p, a boost is a factor, and nothing is subtracted that would
    cancel: the mass is exact however large the energy.
    """
    p, starts = particles, particles.starts()
    counts = np.diff(starts, append=len(p.rows))

    def total(values: _Floats) -> _Floats:
        return np.repeat(np.add.reduceat(values, starts), counts)

    turn = np.arctan2(total(p.pt * np.sin(p.phi)), total(p.pt * np.cos(p.phi)))
    forward = np.exp(p.eta)
    eta, phi = p.eta - 0.5 * np.log(total(p.pt * forward) / total(p.pt / forward)), p.phi - turn
    sine = np.sin(phi / 2)
    across = 2 * np.sinh(eta / 2) ** 2
    plus, minus = p.pt * (across + 2 - 2 * sine**2), p.pt * (across + 2 * sine**2)
    of_plus, of_minus = total(plus), total(minus)
    kept = of_minus > _MASSLESS * of_plus
    of_minus = np.where(kept, of_minus, 1.0)
    plus *= (frame.energy + frame.momentum) / of_plus
    minus *= (frame.energy - frame.momentum) / of_minus
    scaled = p.pt * frame.mass / np.sqrt(of_plus * of_minus)
    y, z = _turned(starts, counts, plus + minus, scaled * np.sin(phi), scaled * np.sinh(eta))
    x, y, z = ((plus - minus) / 2)[kept], y[kept], z[kept]
    pt = np.maximum(np.hypot(x, y), _TINY)
    return replace(p.take(kept), pt=pt, eta=np.arcsinh(z / pt), phi=np.arctan2(y, x))


def _turned(starts: _Places, counts: _Places, energy: _Floats, y: _Floats, z: _Floats) -> tuple[_Floats, _Floats]:
    """Momenta across the axis, turned about it until the one of highest energy of each jet has y > 0 and z = 0."""
    hardest = np.flatnonzero(energy == np.repeat(np.maximum.reduceat(energy, starts), counts))
    chosen = np.repeat(hardest[np.searchsorted(hardest, starts)], counts)
    length = np.hypot(y[chosen], z[chosen])
    cosine = np.divide(y[chosen], length, out=np.ones(len(y)), where=length > 0)
    sine = np.divide(z[chosen], length, out=np.zeros(len(z)), where=length > 0)
    return y * cosine + z * sine, z * cosine - y * sine
