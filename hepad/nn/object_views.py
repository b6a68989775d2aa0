"""Random views of events of objects in GeV: what a detector or a rotation would change, and what would be an anomaly.

After arXiv:2301.04660 and its authors' code; "the authors" below are theirs. Every view leaves its input as it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hepad.nn.sources import Noise

__all__ = ["ETA_LIMITS", "Objects", "anomalous", "physical"]

ETA_LIMITS = {"electron": 3.0, "muon": 2.1, "jet": 4.0}
"""Beyond these an object is not seen."""

_LEAST_PT = {"electron": 3.0, "muon": 3.0, "jet": 15.0}
"""Of objects that are added, in GeV."""


@dataclass(frozen=True)
class Objects:
    """Events of k slots, each of one kind of object: pt in GeV, eta, phi and what is there, of shape (n, k).

    Slots of a kind stand together, filled from the first on; what is not there is 0. `kinds` are their names.
    """

    pt: Tensor
    eta: Tensor
    phi: Tensor
    there: Tensor
    kinds: tuple[str, ...]

    def of(self, kind: str) -> slice:
        """The slots of a kind."""
        first = self.kinds.index(kind)
        return slice(first, first + self.kinds.count(kind))

    def without(self, gone: Tensor) -> Objects:
        """Without the objects of a mask of shape (n, k)."""
        there = self.there & ~gone
        pt, eta, phi = (torch.where(there, values, 0) for values in (self.pt, self.eta, self.phi))
        return replace(self, pt=pt, eta=eta, phi=phi, there=there)


def physical(events: Objects, noise: Noise) -> Objects:
    """Turned by an angle, the jets' momenta and all directions smeared: a view that is no anomaly."""
    return directions_smeared(jets_smeared(turned(events, noise), noise), noise)


def anomalous(events: Objects, noise: Noise) -> Objects:
    """Each event changed in one of three ways: objects added, or split, or momenta scaled."""
    added = directions_smeared(with_objects(events, noise), noise)
    divided = directions_smeared(split(events, noise), noise)
    scaled = momenta_scaled(events, noise)
    which = noise.integers(3, len(events.pt), 1)

    def pick(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
        return torch.where(which == 0, a, torch.where(which == 1, b, c))

    return Objects(
        pick(added.pt, divided.pt, scaled.pt),
        pick(added.eta, divided.eta, scaled.eta),
        pick(added.phi, divided.phi, scaled.phi),
        pick(added.there, divided.there, scaled.there),
        events.kinds,
    )


def turned(events: Objects, noise: Noise) -> Objects:
    """All of an event turned by one angle."""
    angle = (2 * noise.uniform(len(events.pt), 1) - 1) * math.pi
    return replace(events, phi=torch.where(events.there, _wrapped(events.phi + angle), 0))


def jets_smeared(events: Objects, noise: Noise) -> Objects:
    """Jets with sigma^2 = 0.052 pt^2 + 1.502 pt (GeV); one that has no momentum left is gone."""
    jets = _mask(events, "jet") & events.there
    sigma = torch.sqrt(0.052 * events.pt.square() + 1.502 * events.pt)
    pt = torch.where(jets, events.pt + sigma * noise.normal(*events.pt.shape), events.pt)
    return replace(events, pt=pt).without(jets & (pt <= 0))


def directions_smeared(events: Objects, noise: Noise) -> Objects:
    """Eta and phi of all but the missing momentum with sigma = 0.028 / (1 + exp((pt - 25) / 0.1)).

    Objects beyond `ETA_LIMITS` after that are gone.
    """
    sigma = 0.028 * torch.sigmoid(-(events.pt - 25) / 0.1)
    seen = events.there & ~_mask(events, "met")
    eta, phi = (torch.where(seen, v + sigma * noise.normal(*v.shape), v) for v in (events.eta, events.phi))
    moved = replace(events, eta=eta, phi=torch.where(events.there, _wrapped(phi), 0))
    return moved.without(seen & (eta.abs() > _per_slot(events, ETA_LIMITS, math.inf)))


def with_objects(events: Objects, noise: Noise) -> Objects:
    """Any number of objects more of each kind, as many as fit; the missing momentum balances them.

    Their pt is uniform up to the largest of the event, their directions within what is seen.
    """
    new = torch.zeros_like(events.there)
    for kind in dict.fromkeys(k for k in events.kinds if k != "met"):
        place = events.of(kind)
        there = events.there[:, place]
        filled, width = there.sum(dim=1, keepdim=True), there.shape[1]
        more = (noise.uniform(len(there), 1) * (width - filled + 1)).long()  # from 0 to what is free
        slot = torch.arange(width, device=there.device)
        new[:, place] = (slot >= filled) & (slot < filled + more)
    least = _per_slot(events, _LEAST_PT, 0.0)
    largest = events.pt.amax(dim=1, keepdim=True)
    limits = _per_slot(events, ETA_LIMITS, 0.0)
    shape = events.pt.shape
    pt = least + (largest - least).clamp_min(0) * noise.uniform(*shape)
    eta, phi = limits * (2 * noise.uniform(*shape) - 1), math.pi * (2 * noise.uniform(*shape) - 1)
    grown = Objects(
        torch.where(new, pt, events.pt),
        torch.where(new, eta, events.eta),
        torch.where(new, phi, events.phi),
        events.there | new,
        events.kinds,
    )
    return _balanced(grown, torch.where(new, pt, 0), phi) if "met" in events.kinds else grown


def split(events: Objects, noise: Noise) -> Objects:
    """Objects parted into two collinear ones, as many of a kind as fit; momenta of a kind and missing momentum stay."""
    pt, eta, phi = (values.clone() for values in (events.pt, events.eta, events.phi))
    there = events.there.clone()
    share = noise.uniform(*events.pt.shape)
    for kind in dict.fromkeys(k for k in events.kinds if k != "met"):
        place = events.of(kind)
        filled = events.there[:, place].sum(dim=1, keepdim=True)
        width = pt[:, place].shape[1]
        slot = torch.arange(width, device=pt.device).expand(len(pt), -1)
        parted = slot < torch.minimum(filled, width - filled)  # the hardest ones
        source = (slot - filled).clamp_min(0)
        copy = (slot >= filled) & torch.gather(parted, 1, source)
        own, part = pt[:, place].clone(), share[:, place]
        pt[:, place] = torch.where(parted, own * part, own)
        pt[:, place] = torch.where(copy, torch.gather(own * (1 - part), 1, source), pt[:, place])
        for values in (eta, phi):
            values[:, place] = torch.where(copy, torch.gather(values[:, place], 1, source), values[:, place])
        there[:, place] |= copy
    return Objects(pt, eta, phi, there, events.kinds)


def momenta_scaled(events: Objects, noise: Noise) -> Objects:
    """The missing momentum times 0.5 to 5, or all others times 1 to 5, or all times 1 to 5."""
    n = len(events.pt)
    which = noise.integers(3, n, 1)
    factor, of_met = 1 + 4 * noise.uniform(n, 1), 0.5 + 4.5 * noise.uniform(n, 1)
    met = _mask(events, "met")
    applied = torch.where(which == 0, torch.where(met, of_met, 1), torch.where((which == 1) & met, 1, factor))
    return replace(events, pt=events.pt * applied)


def _balanced(events: Objects, pt: Tensor, phi: Tensor) -> Objects:
    """The missing momentum less the sum of new momenta (n, k)."""
    place = events.kinds.index("met")
    x = events.pt[:, place] * torch.cos(events.phi[:, place]) - (pt * torch.cos(phi)).sum(dim=1)
    y = events.pt[:, place] * torch.sin(events.phi[:, place]) - (pt * torch.sin(phi)).sum(dim=1)
    changed = (pt > 0).any(dim=1)
    new_pt, new_phi = events.pt.clone(), events.phi.clone()
    new_pt[:, place] = torch.where(changed, torch.hypot(x, y), events.pt[:, place])
    new_phi[:, place] = torch.where(changed, torch.atan2(y, x), events.phi[:, place])
    return replace(events, pt=new_pt, phi=new_phi)


def _wrapped(phi: Tensor) -> Tensor:
    return torch.remainder(phi + math.pi, 2 * math.pi) - math.pi


def _mask(events: Objects, kind: str) -> Tensor:
    return torch.tensor([one == kind for one in events.kinds], device=events.pt.device)


def _per_slot(events: Objects, values: dict[str, float], otherwise: float) -> Tensor:
    return torch.tensor([values.get(kind, otherwise) for kind in events.kinds], device=events.pt.device)
