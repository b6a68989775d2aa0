"""Pairs of leptons, and conditions on several objects, against plain loops."""

from __future__ import annotations

import math
from itertools import combinations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cards.condition import Condition, Range
from hepad.cards.selection import Requirement, SelectionCard
from hepad.io.events import collection
from hepad.objects.selection import apply_selection, fulfils

from .test_build import Jet, cartesian

Z_MASS = 91.188  # GeV, S. Navas et al. (Particle Data Group), Phys. Rev. D 110 (2024) 030001
Lepton = tuple[Jet, int]  # momentum, charge
NAMES = ("pt", "eta", "phi", "mass")
momentum = st.tuples(st.floats(5, 200), st.floats(-2.5, 2.5), st.floats(-math.pi, math.pi), st.just(0.1))
leptons = st.lists(st.tuples(momentum, st.sampled_from([-1, 1])), max_size=5).map(
    lambda found: sorted(found, key=lambda one: -one[0][0])
)
rows = st.lists(st.tuples(leptons, leptons), min_size=1, max_size=5)
Row = tuple[list[Lepton], list[Lepton]]


def make_events(rows: list[Row]) -> ak.Array:
    record = {"weight": np.ones(len(rows)), "index": np.arange(len(rows))}
    for k, name in enumerate(("electrons", "muons")):
        flat = np.array([[*p, q] for row in rows for p, q in row[k]], dtype=np.float64).reshape(-1, 5)
        offsets = np.concatenate([[0], np.cumsum([len(row[k]) for row in rows])]).astype(np.int64)
        columns = dict(zip((*NAMES, "charge"), flat.T, strict=True))
        record[name] = collection(offsets, {**columns, "charge": columns["charge"].astype(np.int32)})
    return ak.zip(record, depth_limit=1)


def passing(rows: list[Row], **condition: object) -> list[bool]:
    card = SelectionCard.model_validate(
        {
            "schema": "selection/1",
            "name": "t",
            "title": "t",
            "reference": "t",
            "require": [{"name": "a", "all": [condition]}],
        }
    )
    return apply_selection(make_events(rows), card)[1].tolist()


def mass(a: Jet, b: Jet) -> float:
    total = cartesian(a) + cartesian(b)
    return math.sqrt(max(total[3] ** 2 - total[:3] @ total[:3], 0.0))


def count_pairs(row: Row, bounds: Range | None) -> int:
    """Nearest to the Z first, no lepton twice, flavour by flavour."""
    number = 0
    for flavour in row:
        left = list(range(len(flavour)))
        while True:
            found = [
                (abs(mass(flavour[i][0], flavour[j][0]) - Z_MASS), i, j)
                for i, j in combinations(left, 2)
                if flavour[i][1] != flavour[j][1]
                and (bounds is None or bounds.min < mass(flavour[i][0], flavour[j][0]) < bounds.max)
            ]
            if not found:
                break
            _, i, j = min(found)
            left = [k for k in left if k not in (i, j)]
            number += 1
    return number


@settings(max_examples=60, deadline=None)
@given(rows, st.sampled_from([None, Range(min=40, max=140), Range(min=-1, max=60)]), st.integers(1, 3))
def test_pairs_agree_with_a_loop(rows: list[Row], bounds: Range | None, wanted: int) -> None:
    rule = {} if bounds is None else {"mass": bounds.model_dump()}
    expected = [count_pairs(row, bounds) for row in rows]
    assert passing(rows, lepton_pairs=rule, min_count=wanted) == [n >= wanted for n in expected]
    assert passing(rows, lepton_pairs=rule, max_count=wanted) == [n <= wanted for n in expected]


def test_a_pair_nearer_to_the_z_boson_goes_first() -> None:
    """Back to back, m^2 = 4 pT1 pT2: of 90.5 and 92.2 GeV the first, which leaves a pair of 81 GeV and not of 79.5."""
    first, second, third = 90.5**2 / 160, 40.0, 92.2**2 / 160
    fourth = 81**2 / (4 * third)
    momenta = ((third, math.pi, 1), (first, math.pi, 1), (second, 0.0, -1), (fourth, 0.0, -1))
    row: Row = ([((pt, 0.0, phi, 0.0), charge) for pt, phi, charge in momenta], [])
    assert passing([row], lepton_pairs={"mass": {"min": 80, "max": 100}}, min_count=2) == [True]
    assert passing([row], lepton_pairs={"mass": {"min": 80, "max": 91}}, min_count=2) == [True]
    assert passing([row], lepton_pairs={"mass": {"min": 82, "max": 100}}, min_count=2) == [False]


@settings(max_examples=40, deadline=None)
@given(rows)
def test_leptons_and_their_charge_agree_with_a_loop(rows: list[Row]) -> None:
    hard = [sum(p[0] > 20 for p, _ in (*electrons, *muons)) for electrons, muons in rows]
    assert passing(rows, leptons={"pt": {"min": 20}}, min_count=2) == [n >= 2 for n in hard]
    charge = [sum(q for _, q in (*electrons, *muons)) for electrons, muons in rows]
    assert passing(rows, lepton_charge={"values": [-2, 2]}) == [q in (-2, 2) for q in charge]


@settings(max_examples=40, deadline=None)
@given(rows, st.floats(0.1, 5))
def test_conditions_on_two_objects_agree_with_a_loop(rows: list[Row], bound: float) -> None:
    def holds(row: Row, value: object) -> bool:
        return bool(row[0] and row[1]) and value(row[0][0][0], row[1][0][0]) < bound  # type: ignore[operator]

    def turn(a: Jet, b: Jet) -> float:
        return min(abs(a[2] - b[2]), 2 * math.pi - abs(a[2] - b[2]))

    objects = {"objects": "electron1+muon1", "max": bound}
    assert passing(rows, delta_eta=objects) == [holds(row, lambda a, b: abs(a[1] - b[1])) for row in rows]
    assert passing(rows, delta_phi=objects) == [holds(row, turn) for row in rows]
    heavy = {"objects": "electron1+muon1", "min": 10.0 * bound}
    expected = [bool(e and m) and mass(e[0][0], m[0][0]) > 10 * bound for e, m in rows]
    assert passing(rows, mass=heavy) == expected


def test_an_angle_to_the_missing_momentum_needs_the_other_object_only() -> None:
    turns = {3.0: 2 * math.pi - 6.0, -2.9: 0.1}  # phi of the electron, and how far it is from the missing momentum
    events = ak.Array(
        {
            "electrons": [[{"pt": 30.0, "eta": 0.0, "phi": phi, "mass": 0.0}] for phi in turns] + [[]],
            "met": [{"pt": 50.0, "phi": -3.0}] * 3,
            "weight": [1.0] * 3,
        }
    )
    for objects in ("electron1+met", "met+electron1"):
        condition = Condition.model_validate({"delta_phi": {"objects": objects, "min": 0.2}})
        assert condition.fields() == {"electrons": {"pt", "phi"}, "met": {"pt", "phi"}}
        step = Requirement(name="apart", all=(condition,))
        assert fulfils(events, step).tolist() == [turn > 0.2 for turn in turns.values()] + [False]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ({"mass": {"objects": "jet1", "min": 1}}, "different objects, at least two"),
        ({"mass": {"objects": "jet1+jet1", "min": 1}}, "different objects"),
        ({"mass": {"objects": "jet1+met", "min": 1}}, "'met' is not an object"),
        ({"delta_eta": {"objects": "jet1+met", "min": 1}}, "delta_phi only"),
        ({"delta_phi": {"objects": "met+met", "min": 1}}, "different objects"),
        ({"mass": {"objects": "jet1 + jet2", "min": 1}}, "is not an object"),
        ({"mass": {"objects": "jet1+jet2"}}, "give min, max or both"),
        ({"delta_eta": {"objects": "jet1+jet2+jet3", "max": 1}}, "of two objects"),
        ({"delta_eta": {"objects": "jet1+jet2", "max": 1}, "min_count": 1}, "min_count or max_count"),
        ({"lepton_pairs": {}}, "min_count or max_count"),
        ({"lepton_charge": {"values": []}}, "values"),
    ],
)
def test_a_faulty_condition_is_refused(condition: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition.model_validate(condition)


def test_a_condition_says_what_it_looks_at() -> None:
    def fields(**content: object) -> dict[str, set[str]]:
        return Condition.model_validate(content).fields()

    assert fields(delta_phi={"objects": "bjet1+muon1", "max": 1}) == {
        "jets": {"pt", "phi", "btag"},
        "muons": {"pt", "phi"},
    }
    assert fields(leptons={"eta": {"max": 1}}, min_count=1) == {n: {"pt", "eta"} for n in ("electrons", "muons")}
    assert fields(lepton_pairs={}, min_count=1) == {n: {"pt", "charge"} for n in ("electrons", "muons")}
