"""What views of events change, and what they leave."""

from __future__ import annotations

import math

import numpy as np
import torch

from hepad.nn.object_views import (
    Objects,
    anomalous,
    directions_smeared,
    jets_smeared,
    momenta_scaled,
    physical,
    split,
    turned,
    with_objects,
)
from hepad.nn.sources import Noise

KINDS = ("met", "electron", "electron", "muon", "muon", "jet", "jet", "jet", "jet")
SLOTS = {"electron": slice(1, 3), "muon": slice(3, 5), "jet": slice(5, 9)}
N = 4000


def noise(seed: int = 1) -> Noise:
    return Noise(torch.Generator().manual_seed(seed), torch.device("cpu"))


def events() -> Objects:
    """Random numbers of objects, by falling pt in each kind."""
    rng = np.random.default_rng(2)
    there = np.ones((N, 9), dtype=bool)
    for place in SLOTS.values():
        width = place.stop - place.start
        there[:, place] = np.arange(width) < rng.integers(0, width + 1, (N, 1))
    pt = 20 + rng.exponential(30, (N, 9))
    for place in SLOTS.values():
        pt[:, place] = -np.sort(-pt[:, place], axis=1)
    eta, phi = rng.uniform(-2, 2, (N, 9)), rng.uniform(-np.pi, np.pi, (N, 9))
    eta[:, 0] = 0
    pt, eta, phi = (np.where(there, values, 0) for values in (pt, eta, phi))
    return Objects(torch.tensor(pt), torch.tensor(eta), torch.tensor(phi), torch.tensor(there), KINDS)


BEFORE = events()


def vector(e: Objects, which: slice | int = slice(None)) -> torch.Tensor:
    """The transverse vectors of slots, summed, (n, 2)."""
    pt, phi = e.pt[:, which].reshape(N, -1), e.phi[:, which].reshape(N, -1)
    return torch.stack([(pt * torch.cos(phi)).sum(dim=1), (pt * torch.sin(phi)).sum(dim=1)], dim=1)


def same(a: torch.Tensor, b: torch.Tensor) -> bool:
    return bool(torch.equal(a, b))


def check_padding(e: Objects) -> None:
    """What is not there is 0, angles are angles, and a kind fills its slots from the first on or lost some."""
    for values in (e.pt, e.eta, e.phi):
        assert (values[~e.there] == 0).all()
    assert (e.pt[e.there] >= 0).all()
    assert (e.phi.abs() <= math.pi + 1e-6).all()
    assert e.kinds == KINDS


def test_a_turn_keeps_momenta_and_angles_between_objects() -> None:
    after = turned(BEFORE, noise())
    check_padding(after)
    assert same(after.pt, BEFORE.pt)
    assert same(after.eta, BEFORE.eta)
    assert same(after.there, BEFORE.there)
    assert not same(after.phi, BEFORE.phi)
    both = BEFORE.there & BEFORE.there[:, :1]
    gaps = [torch.cos(e.phi - e.phi[:, :1])[both] for e in (BEFORE, after)]
    torch.testing.assert_close(*gaps)
    angle = torch.remainder(after.phi[:, 0] - BEFORE.phi[:, 0], 2 * math.pi)
    assert abs(angle.mean().item() - math.pi) < 5 * math.pi / math.sqrt(3 * N)  # uniform


def test_jets_are_smeared_by_their_resolution() -> None:
    after = jets_smeared(BEFORE, noise())
    check_padding(after)
    assert same(after.pt[:, :5], BEFORE.pt[:, :5])
    jets = after.there[:, 5:]
    before, now = BEFORE.pt[:, 5:][jets], after.pt[:, 5:][jets]
    lost = BEFORE.there[:, 5:] & ~jets
    assert 0 < lost.sum() < 0.01 * jets.sum()  # more than three standard deviations down
    pull = (now - before) / torch.sqrt(0.052 * before**2 + 1.502 * before)
    assert abs(pull.std().item() - 1) < 0.05


def test_soft_directions_are_smeared_and_objects_beyond_the_detector_are_gone() -> None:
    after = directions_smeared(BEFORE, noise())
    check_padding(after)
    assert same(after.pt[after.there], BEFORE.pt[after.there])
    assert same(after.eta[:, 0], BEFORE.eta[:, 0])
    assert same(after.phi[:, 0], BEFORE.phi[:, 0])
    hard = BEFORE.there & (BEFORE.pt > 30)
    assert same(after.eta[hard], BEFORE.eta[hard])
    soft = after.there & (BEFORE.pt < 24)
    soft[:, 0] = False
    assert abs((after.eta - BEFORE.eta)[soft].std().item() / 0.028 - 1) < 0.05
    assert same(after.there, BEFORE.there)
    far = Objects(BEFORE.pt, torch.where(BEFORE.there, 3.5, 0), BEFORE.phi, BEFORE.there, KINDS)
    left = directions_smeared(far, noise())
    assert not left.there[:, 1:5].any()
    assert same(left.there[:, 5:], BEFORE.there[:, 5:])
    assert same(left.there[:, 0], BEFORE.there[:, 0])


def test_added_objects_are_balanced_by_the_missing_momentum() -> None:
    after = with_objects(BEFORE, noise())
    check_padding(after)
    old = BEFORE.there.clone()
    old[:, 0] = False
    for values, were in ((after.pt, BEFORE.pt), (after.eta, BEFORE.eta), (after.phi, BEFORE.phi)):
        assert same(values[old], were[old])
    torch.testing.assert_close(vector(after), vector(BEFORE), rtol=0, atol=1e-4)
    new = after.there & ~BEFORE.there
    assert (after.pt[new] <= BEFORE.pt.amax(dim=1, keepdim=True).expand_as(new)[new]).all()
    for kind, place in SLOTS.items():
        filled = after.there[:, place]
        assert (filled[:, 1:] <= filled[:, :-1]).all()
        empty = ~BEFORE.there[:, place].any(dim=1)
        width = place.stop - place.start
        share = filled[empty].sum(dim=1).bincount(minlength=width + 1) / empty.sum()
        assert (abs(share - 1 / (width + 1)) < 0.06).all(), kind  # any number is as likely


def test_split_objects_keep_momenta_and_directions() -> None:
    after = split(BEFORE, noise())
    check_padding(after)
    assert same(after.pt[:, 0], BEFORE.pt[:, 0])
    for place in SLOTS.values():
        torch.testing.assert_close(after.pt[:, place].sum(dim=1), BEFORE.pt[:, place].sum(dim=1))
        torch.testing.assert_close(vector(after, place), vector(BEFORE, place))
        filled, width = BEFORE.there[:, place].sum(dim=1), place.stop - place.start
        assert same(after.there[:, place].sum(dim=1), filled + torch.minimum(filled, width - filled))
        moment = [(e.pt[:, place] * e.eta[:, place]).sum(dim=1) for e in (BEFORE, after)]
        torch.testing.assert_close(*moment)


def test_momenta_are_scaled_in_three_ways() -> None:
    after = momenta_scaled(BEFORE, noise())
    check_padding(after)
    assert same(after.phi, BEFORE.phi)
    ratio = torch.where(BEFORE.there, after.pt / BEFORE.pt, 1)
    some = BEFORE.there[:, 1:].any(dim=1)
    met, rest = ratio[some, 0], torch.where(BEFORE.there, ratio, 0)[some, 1:].amax(dim=1)
    unlike = (ratio[some, 1:] - 1).abs().amax(dim=1) > 1e-9
    ways = [(~unlike).sum(), (unlike & (abs(met - 1) < 1e-9)).sum(), (unlike & (abs(met - rest) < 1e-9)).sum()]
    assert sum(ways) == some.sum()
    assert min(ways) > 0.3 * some.sum()
    assert 0.5 <= met.min() < 0.6
    assert 4.9 < met.max() <= 5
    assert rest.max() <= 5


def test_views_are_mixed_and_leave_their_input() -> None:
    copy = [values.clone() for values in (BEFORE.pt, BEFORE.eta, BEFORE.phi, BEFORE.there)]
    for view in (physical, anomalous):
        after = view(BEFORE, noise())
        check_padding(after)
        for values, before in zip((BEFORE.pt, BEFORE.eta, BEFORE.phi, BEFORE.there), copy, strict=True):
            assert same(values, before)
    more = (after.there & ~BEFORE.there).any(dim=1).double().mean().item()
    assert 0.4 < more < 0.67  # two of three ways add objects where there is room
