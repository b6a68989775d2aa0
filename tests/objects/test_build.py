"""Collections that a selection builds, against loops over single objects."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cards.selection import SelectionCard, load_selection
from hepad.errors import UsageError
from hepad.io.detector.columns import Objects
from hepad.io.events import collection
from hepad.io.reader import read_events
from hepad.objects.build import merged, wide_jets
from hepad.objects.kinematics import invariant_mass, mass_fields, parse_mass
from hepad.objects.selection import apply_selection

Jet = tuple[float, float, float, float]  # pt, eta, phi, mass
NAMES = ("pt", "eta", "phi", "mass")
jet = st.tuples(st.floats(30, 3000), st.floats(-2.5, 2.5), st.floats(-math.pi, math.pi), st.floats(0, 100))
jets = st.lists(jet, max_size=7).map(lambda found: sorted(found, key=lambda j: -j[0]))


def flat(rows: list[list[Jet]]) -> Objects:
    values = np.array([j for row in rows for j in row], dtype=np.float64).reshape(-1, 4)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return Objects(offsets, dict(zip(NAMES, values.T, strict=True)))


def delta_r(a: Jet, b: Jet) -> float:
    turn = abs(a[2] - b[2])
    return math.hypot(a[1] - b[1], min(turn, 2 * math.pi - turn))


def cartesian(j: Jet) -> np.ndarray:
    p = np.array([j[0] * math.cos(j[2]), j[0] * math.sin(j[2]), j[0] * math.sinh(j[1])])
    return np.array([*p, math.sqrt(p @ p + j[3] ** 2)])


def brute_force(row: list[Jet], radius: float) -> list[np.ndarray]:
    """Momenta of the wide jets, written from the sentences of the CMS paper."""
    if len(row) < 2:
        return []
    wide = [np.zeros(4), np.zeros(4)]
    for j in row:
        near, far = delta_r(j, row[0]), delta_r(j, row[1])
        if near < far and near < radius:
            wide[0] += cartesian(j)
        elif far < radius:
            wide[1] += cartesian(j)
    return sorted(wide, key=lambda p: -math.hypot(p[0], p[1]))


@settings(max_examples=60, deadline=None)
@given(st.lists(jets, min_size=1, max_size=5), st.sampled_from([0.4, 1.1]))
def test_wide_jets_agree_with_brute_force(rows: list[list[Jet]], radius: float) -> None:
    wide = wide_jets(flat(rows), radius)
    expected = [p for row in rows for p in brute_force(row, radius)]
    assert wide.counts.tolist() == [2 if len(row) >= 2 else 0 for row in rows]
    found = list(zip(*(wide.columns[name] for name in NAMES), strict=True))
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(cartesian(ours), theirs, rtol=1e-9, atol=1e-6 * theirs[3])


def test_a_jet_between_the_seeds_goes_to_the_nearer_and_a_far_one_to_none() -> None:
    row = [(500.0, 0.0, 0.0, 0.0), (400.0, 1.0, 0.0, 0.0), (50.0, 0.4, 0.0, 0.0), (40.0, -2.0, 0.0, 0.0)]
    wide = wide_jets(flat([row, row[:1], []]), 1.1)
    assert wide.offsets.tolist() == [0, 2, 2, 2]
    np.testing.assert_allclose(wide.columns["pt"], [550.0, 400.0])
    assert wide.columns["mass"][0] > 0


def test_wide_jets_across_the_seam_of_phi() -> None:
    row = [(500.0, 0.0, 3.1, 0.0), (400.0, 0.0, 0.0, 0.0), (100.0, 0.0, -3.1, 0.0)]
    wide = wide_jets(flat([row]), 1.1)
    assert wide.columns["pt"][0] == pytest.approx(math.hypot(600 * math.cos(3.1), 400 * math.sin(3.1)))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(jets, jets), min_size=1, max_size=5))
def test_merging_keeps_all_objects_by_falling_momentum(rows: list[tuple[list[Jet], list[Jet]]]) -> None:
    both = merged([flat([a for a, _ in rows]), flat([b for _, b in rows])])
    for row, start, stop in zip(rows, both.offsets[:-1], both.offsets[1:], strict=True):
        found = list(zip(*(both.columns[name][start:stop] for name in NAMES), strict=True))
        assert sorted(found) == sorted([*row[0], *row[1]])
        assert all(a[0] >= b[0] for a, b in pairwise(found))


def card(**content: object) -> SelectionCard:
    return SelectionCard.model_validate(
        {"schema": "selection/1", "name": "t", "title": "t", "reference": "t", **content}
    )


def test_the_dijet_card_reads_jets_and_gives_a_mass_of_wide_jets() -> None:
    rules = load_selection("cms_dijet")
    assert rules.fields() == {"jets": {"pt", "eta", "phi", "mass"}}
    assert mass_fields(parse_mass("widejet1+widejet2")) == {}
    rows = [
        [(1000.0, 0.5, 0.0, 0.0), (900.0, -0.5, math.pi, 0.0), (100.0, -0.6, -3.0, 0.0)],
        [(1000.0, 0.6, 0.0, 0.0), (900.0, -0.6, math.pi, 0.0)],  # 1.2 apart in eta
        [(500.0, 0.5, 0.0, 0.0), (500.0, -0.5, math.pi, 0.0)],  # too light
        [(1000.0, 0.5, 0.0, 0.0)],
    ]
    objects = flat(rows)
    events = ak.zip(
        {"jets": collection(objects.offsets, objects.columns), "weight": np.ones(4), "index": np.arange(4)},
        depth_limit=1,
    )
    selected, keep, _ = apply_selection(events, rules)
    assert keep.tolist() == [True, False, False, False]
    masses, _ = invariant_mass(selected, parse_mass("widejet1+widejet2"))
    total = sum(cartesian(j) for j in rows[0])
    assert masses[0] == pytest.approx(math.sqrt(total[3] ** 2 - total[:3] @ total[:3]))
    with pytest.raises(UsageError, match="no widejets"):
        invariant_mass(events, parse_mass("widejet1+widejet2"))


def test_built_of_a_file(data: Path) -> None:
    rules = card(objects={"photons": {"pt": {"min": 10}}}, build={"egammas": {"from": ["electrons", "photons"]}})
    fields = rules.fields()
    assert fields == {name: {"pt", "eta", "phi", "mass"} for name in ("electrons", "photons")}
    events = next(iter(read_events([data / "hpm_taunu_0.root"], fields))).events
    selected, _, _ = apply_selection(events, rules)
    expected = ak.sort(ak.concatenate([selected.electrons.pt, selected.photons.pt], axis=1), ascending=False)
    assert ak.all(selected.egammas.pt == expected)
    assert ak.sum(ak.num(selected.egammas)) > ak.sum(ak.num(selected.electrons)) > 0


def test_what_is_used_must_be_built() -> None:
    with pytest.raises(ValueError, match="look at widejets: say under build"):
        card(require=[{"name": "a", "all": [{"delta_eta": {"objects": "widejet1+jet1", "max": 1}}]}])
    with pytest.raises(ValueError, match="radius"):
        card(build={"widejets": {"from": "jets", "radius": 0}})


def test_a_selection_sums_its_own_jets() -> None:
    rows = [[(90.0, 0, 0, 1), (40.0, 2.4, 0, 1), (35.0, 3, 0, 1), (31.0, 0, 0, 1)], [], [(100.0, -2.6, 0, 1)]]
    objects = flat(rows)
    events = ak.zip(
        {"jets": collection(objects.offsets, objects.columns), "scalar_ht": [900.0, 900, 900], "weight": [1.0, 1, 1]},
        depth_limit=1,
    )
    content = {
        "schema": "selection/1",
        "name": "sum",
        "title": "t",
        "reference": "r",
        "objects": {"jets": {"pt": {"min": 32}}},
        "build": {"scalar_ht": {"from": "jets", "abs_eta": {"max": 2.5}}},
        "require": [{"name": "sum", "all": [{"scalar_ht": {"min": 100}}]}],
    }
    card = SelectionCard.model_validate(content)
    assert card.fields() == {"jets": {"pt", "eta"}}
    selected, keep, _ = apply_selection(events, card)
    assert keep.tolist() == [True, False, False]
    assert selected.scalar_ht.tolist() == [130]
    every, _, _ = apply_selection(events, card.model_copy(update={"require": ()}))
    assert every.scalar_ht.tolist() == [130, 0, 0]
