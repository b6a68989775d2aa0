"""Collections that no file holds: wide jets, and several collections merged into one."""

from __future__ import annotations

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.cards.condition import DERIVED
from hepad.cards.selection import MergeRule, SelectionCard, SumRule, WideJetRule
from hepad.io.detector.columns import Objects
from hepad.io.events import collection
from hepad.objects.cuts import passing

__all__ = ["build_collections", "merged", "wide_jets"]

_FEATURES = ("pt", "eta", "phi", "mass")
_Float = npt.NDArray[np.float64]


def build_collections(events: ak.Array, card: SelectionCard) -> ak.Array:
    """The events with the collections that the card builds, of objects that have been cut and sorted already."""
    if card.build is None:
        return events
    for name in DERIVED:
        rule = getattr(card.build, name)
        if isinstance(rule, WideJetRule):
            objects = wide_jets(Objects.of(events[rule.source]), rule.radius)
        elif isinstance(rule, MergeRule):
            objects = merged([Objects.of(events[source]) for source in rule.source])
        else:
            continue
        events = ak.with_field(events, collection(objects.offsets, objects.columns), name)
    if card.build.scalar_ht is not None:
        events = ak.with_field(events, _scalar_sum(events, card.build.scalar_ht), "scalar_ht")
    return events


def _scalar_sum(events: ak.Array, rule: SumRule) -> _Float:
    """The summed pT (n,) of the objects of a collection that pass the rule's cuts."""
    objects = Objects.of(events[rule.source])
    mask = passing(objects, rule)
    counted = objects if mask is None else objects.take(mask)
    return counted.sum_by_event(counted["pt"])


def wide_jets(jets: Objects, radius: float) -> Objects:
    """Two wide jets an event, sorted by falling pT; none where there are fewer than two jets.

    Each jet, the two leading ones (the seeds) among them, is added to the nearer seed if that is nearer than `radius`
    in (eta, phi); at equal distances to the second. Four-momenta add up, in double precision. `jets` must be sorted by
    falling pT. The definition of the CMS dijet searches, arXiv:1911.03947.
    """
    counts = jets.counts
    pt, eta, phi, mass = (jets.columns[name].astype(np.float64) for name in _FEATURES)
    event = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(jets.offsets[:-1], counts)
    second = np.minimum(first + 1, len(pt) - 1)  # in an event of one jet it does not matter: that event has none
    to_first, to_second = _distance(eta, phi, first), _distance(eta, phi, second)
    nearer = np.minimum(to_first, to_second)
    added = (nearer < radius) & (counts[event] >= 2)
    slot = (2 * event + (to_first >= to_second))[added]
    z = pt * np.sinh(eta)
    energy = np.sqrt(pt**2 + z**2 + mass**2)
    parts = (pt * np.cos(phi), pt * np.sin(phi), z, energy)
    # Without any jet, bincount gives integers.
    sums = [np.bincount(slot, part[added], minlength=2 * len(counts)).astype(np.float64) for part in parts]
    kept = np.repeat(counts >= 2, 2)
    offsets = np.concatenate([[0], np.cumsum(np.where(counts >= 2, 2, 0))])
    return Objects(offsets, _polar(*(total[kept] for total in sums))).sorted()


def merged(parts: list[Objects]) -> Objects:
    """All objects of several collections, sorted by falling pT; at equal pT in the order of the collections."""
    return Objects.merged(*(Objects(part.offsets, {name: part[name] for name in _FEATURES}) for part in parts))


def _distance(eta: _Float, phi: _Float, seed: npt.NDArray[np.int64]) -> _Float:
    turn = np.abs(phi - phi[seed])
    return np.hypot(eta - eta[seed], np.minimum(turn, np.abs(2 * np.pi - turn)))


def _polar(x: _Float, y: _Float, z: _Float, energy: _Float) -> dict[str, npt.NDArray[np.float64]]:
    pt = np.hypot(x, y)
    eta = np.arcsinh(np.divide(z, pt, out=np.zeros_like(z), where=pt > 0))
    mass = np.sqrt(np.maximum(energy**2 - pt**2 - z**2, 0.0))
    return {"pt": pt, "eta": eta, "phi": np.arctan2(y, x), "mass": mass}
