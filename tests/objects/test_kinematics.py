"""Invariant masses."""

from __future__ import annotations

import math
from functools import reduce
from operator import add

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.errors import UsageError
from hepad.objects.kinematics import invariant_mass, mass_fields, object_records, parse_mass, separation
from hepad.objects.naming import object_name, parse_object
from hepad.testing.examples import example_events

vectors = st.tuples(st.floats(1, 2000), st.floats(-4, 4), st.floats(-math.pi, math.pi), st.floats(0, 100))


def events_of(jets: list[list[tuple[float, float, float, float]]]) -> ak.Array:
    flat = np.array([v for event in jets for v in event], dtype=np.float64).reshape(-1, 4)
    record = ak.zip(dict(zip(("pt", "eta", "phi", "mass"), flat.T, strict=True)), with_name="Momentum4D")
    return ak.zip({"jets": ak.unflatten(record, [len(e) for e in jets])}, depth_limit=1)


def cartesian(pt: float, eta: float, phi: float, mass: float) -> np.ndarray:
    p = np.array([pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)])
    return np.array([*p, math.sqrt(p @ p + mass**2)])


@settings(max_examples=100, deadline=None)
@given(vectors, vectors)
def test_mass_of_a_pair(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    masses, present = invariant_mass(events_of([[a, b]]), parse_mass("jet1+jet2"))
    total = cartesian(*a) + cartesian(*b)
    expected2 = total[3] ** 2 - total[:3] @ total[:3]
    assert present.tolist() == [True]
    # The reference subtracts squares of energies: its own rounding is of that size.
    assert masses[0] ** 2 == pytest.approx(expected2, rel=1e-6, abs=1e-9 * total[3] ** 2)


def test_masses_are_those_of_vector() -> None:
    events = example_events(2000, seed=3)
    for text in ("jet1", "jet1+jet2", "jet1+muon1", "jet1+jet2+electron1"):
        masses, _ = invariant_mass(events, parse_mass(text))
        records, _ = object_records(events, parse_mass(text))
        columns = [{name: ak.to_numpy(record[name]) for name in ("pt", "eta", "phi", "mass")} for record in records]
        expected = reduce(add, [vector.array(one) for one in columns]).mass
        np.testing.assert_allclose(masses, expected, rtol=1e-9)


def test_a_mass_with_the_missing_momentum_is_transverse() -> None:
    """Of a massless object sqrt(2 pT MET (1 - cos)), along it 0; of the decay of a W boson its Jacobian edge."""
    events = events_of([[(100, 2.0, 0.3, 0)], [(100, 0, 0.3, 0)], [(40.2, -1.0, 0, 0)], []])
    met = ak.Array(
        [{"pt": 50.0, "phi": 1.5}, {"pt": 70.0, "phi": 0.3}, {"pt": 40.2, "phi": math.pi}, {"pt": 9.0, "phi": 0.0}]
    )
    events = ak.with_field(events, met, "met")
    objects = parse_mass("jet1+met")
    masses, present = invariant_mass(events, objects)
    assert present.tolist() == [True, True, True, False]
    expected = [math.sqrt(2 * 100 * 50 * (1 - math.cos(1.2))), 0, 80.4]
    np.testing.assert_allclose(masses, expected, rtol=1e-9, atol=1e-4)
    # Two jets that mirror one another across phi = 0: their mass counts, the momentum along the beam does not.
    pair = [(300.0, 0.4, 0.6, 20.0), (300.0, 0.4, -0.6, 20.0)]
    both = ak.with_field(events_of([pair]), met[2:3], "met")
    total = cartesian(*pair[0]) + cartesian(*pair[1])
    mass2 = total[3] ** 2 - total[:3] @ total[:3]
    transverse = math.sqrt(mass2 + total[0] ** 2) + 40.2
    (mt,), _ = invariant_mass(both, parse_mass("jet1+jet2+met"))
    assert mt == pytest.approx(math.sqrt(transverse**2 - (total[0] - 40.2) ** 2), rel=1e-9)
    assert mass_fields(objects) == {"jets": {"pt", "eta", "phi", "mass"}, "met": {"pt", "phi"}}
    for text, message in (("met", "alone has no mass"), ("met+jet1+met", "twice")):
        with pytest.raises(UsageError, match=message):
            parse_mass(text)


def test_two_massless_back_to_back() -> None:
    """m = 2 pT for massless objects back to back at eta 0."""
    masses, _ = invariant_mass(events_of([[(100, 0, 0, 0), (100, 0, math.pi, 0)]]), parse_mass("jet1+jet2"))
    assert masses[0] == pytest.approx(200, rel=1e-12)


def test_single_and_triple_masses_and_missing_objects() -> None:
    events = events_of([[(50, 0, 0, 10)], [(50, 0, 0, 10)] * 3, []])
    single, present = invariant_mass(events, parse_mass("jet1"))
    assert present.tolist() == [True, True, False]
    assert single == pytest.approx([10, 10])
    triple, present = invariant_mass(events, parse_mass("jet1+jet2+jet3"))
    assert present.tolist() == [False, True, False]
    assert triple == pytest.approx([30])  # three equal vectors: three times the mass


def test_tagged_and_untagged_jets_are_counted_apart() -> None:
    events = events_of([[(100, 0, 0, 0), (80, 0, math.pi, 0), (60, 0, math.pi, 0)]])
    events = ak.with_field(events, ak.with_field(events.jets, ak.Array([[False, True, False]]), "btag"), "jets")
    light, _ = invariant_mass(events, parse_mass("lightjet1+lightjet2"))
    mixed, _ = invariant_mass(events, parse_mass("lightjet1+bjet1"))
    _, pair = invariant_mass(events, parse_mass("bjet1+bjet2"))
    assert light == pytest.approx([2 * math.sqrt(100 * 60)])  # back to back: m^2 = 4 pT1 pT2
    assert mixed == pytest.approx([2 * math.sqrt(100 * 80)])
    assert pair.tolist() == [False]
    assert mass_fields(parse_mass("bjet1+electron1")) == {
        "jets": {"pt", "eta", "phi", "mass", "btag"},
        "electrons": {"pt", "eta", "phi", "mass"},
    }


def test_separations_are_positive_and_phi_goes_around() -> None:
    events = events_of([[(50, 4, 3, 0), (40, -3, -3, 0)], [(50, 0, 0, 0)], [(50, -1, -1, 0), (40, 1, 1.5, 0)]])
    eta, both = separation(events, parse_mass("jet1+jet2"), "eta")
    phi, _ = separation(events, parse_mass("jet1+jet2"), "phi")
    assert both.tolist() == [True, False, True]
    assert eta == pytest.approx([7, 2])
    assert phi == pytest.approx([2 * math.pi - 6, 2.5], rel=1e-6)


@pytest.mark.parametrize("text", ["jet", "jet0", "track1", "jet1+jet1", "jet1+", "met"])
def test_wrong_names(text: str) -> None:
    with pytest.raises(UsageError):
        parse_mass(text)


@given(st.sampled_from(["jets", "electrons", "muons", "photons", "taus", "fatjets"]), st.integers(0, 98))
def test_names_round_trip(collection: str, position: int) -> None:
    assert parse_object(object_name(collection, position)) == (collection, position)
