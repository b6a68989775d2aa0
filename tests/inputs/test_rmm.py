"""The rapidity-mass matrix against ADFilter's own matrices, against its definition, and at its edges."""

from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cards.selection import load_selection
from hepad.errors import InputDataError
from hepad.inputs.base import input_from_state, make_input
from hepad.inputs.rmm import MASSES, RmmCard
from hepad.io.events import collection, missing_momentum
from hepad.objects.selection import apply_selection

BRANCHES = {"electrons": "EL", "muons": "MU", "photons": "PH"}


def card(**changes):
    return RmmCard(kind="rmm", **changes)


@pytest.fixture(scope="module")
def golden(data):
    with np.load(data / "adfilter_rmm.npz") as file:
        return dict(file)


def jagged(counts, **features):
    return collection(np.concatenate([[0], np.cumsum(counts)]), {k: np.asarray(v) for k, v in features.items()})


def read(file):
    """Events of the columns of an ADFilter ntuple: the jets with a b-tag come after those without."""
    objects = {
        name: jagged(file[f"{b}_n"], **{f: file[f"{b}_{f}"] for f in ("pt", "eta", "phi")})
        for name, b in BRANCHES.items()
    }
    kinds = [
        jagged(
            file[f"{b}_n"],
            **{f: file[f"{b}_{f}"] for f in ("pt", "eta", "phi", "mass")},
            btag=np.full(file[f"{b}_n"].sum(), b == "bJET"),
        )
        for b in ("JET", "bJET")
    ]
    n = len(file["MET_met"])
    return ak.zip(
        {
            **objects,
            "jets": ak.concatenate(kinds, axis=1),
            "met": missing_momentum({"pt": file["MET_met"], "phi": file["MET_phi"]}),
            "weight": np.ones(n),
            "index": np.arange(n),
        },
        depth_limit=1,
    )


def events(met=(100.0, 0.5), *, sqrt_s=None, weight=1.0, **objects):
    """One event: each collection is a list of (pt, eta, phi), jets with mass and b-tag."""
    record = {}
    for name in ("jets", "muons", "electrons", "photons"):
        names = ("pt", "eta", "phi", "mass", "btag") if name == "jets" else ("pt", "eta", "phi")
        rows = objects.get(name, [])
        columns = {f: np.array([row[i] for row in rows], dtype=float) for i, f in enumerate(names)}
        if name == "jets":
            columns["btag"] = columns["btag"].astype(bool)
        record[name] = jagged([len(rows)], **columns)
    record |= {"met": missing_momentum({"pt": np.array([met[0]]), "phi": np.array([met[1]])})}
    record |= {"weight": np.array([weight]), "index": np.array([0])}
    if sqrt_s is not None:
        record["sqrt_s"] = np.array([sqrt_s])
    return ak.zip(record, depth_limit=1)


def selected(file):
    return apply_selection(read(file), load_selection("adfilter_0"))[0]


def test_the_matrices_are_those_of_adfilter(golden):
    expected = np.zeros(golden["rmm_shape"], dtype=np.float32)
    expected.ravel()[golden["rmm_index"]] = golden["rmm_value"]
    found = make_input(card()).table(selected(golden))
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=0)
    np.testing.assert_array_equal(found == 0, expected == 0)


@pytest.mark.parametrize(
    ("number", "jets", "met", "leptons", "photons", "kept"),
    [
        (0, [], 0, {"muons": [61]}, [], True),
        (0, [], 0, {"electrons": [61]}, [], True),
        (0, [], 0, {"electrons": [59], "muons": [59]}, [], False),
        (2, [], 0, {"electrons": [61]}, [], True),
        (1, [], 201, {}, [], True),
        (1, [], 199, {"muons": [100]}, [], False),
        (3, [], 0, {"electrons": [31, 31]}, [], True),
        (3, [], 0, {"muons": [31, 31]}, [], True),
        (3, [], 0, {"electrons": [31], "muons": [31]}, [], True),
        (3, [], 0, {"electrons": [29], "muons": [100]}, [], False),
        (3, [], 0, {"electrons": [100]}, [], False),
        (4, [], 0, {}, [151], True),
        (4, [], 0, {}, [149, 149], False),
        (5, [], 0, {}, [31, 31], True),
        (5, [], 0, {}, [300, 29], False),
        (6, [501], 0, {}, [], True),
        (6, [-501], 0, {}, [], True),
        (6, [499, 499], 0, {}, [], False),
        (7, [201, 101, 101, 101], 0, {}, [], True),
        (7, [101, -201, 101, -101], 0, {}, [], True),
        (7, [201, 201, 101, 99], 0, {}, [], False),
        (7, [199, 199, 199, 199], 0, {}, [], False),
    ],
)
def test_the_selections_are_those_of_adfilter(number, jets, met, leptons, photons, kept):
    """A negative pT stands for a jet with a b-tag."""
    given = {name: [(pt, 2.3, 0.0) for pt in pts] for name, pts in (*leptons.items(), ("photons", photons))}
    event = events((met, 0.0), jets=[(abs(pt), 2.3, 0.0, 5.0, pt < 0) for pt in jets], **given)
    chosen = load_selection(f"adfilter_{number}")
    assert apply_selection(event, chosen)[1].tolist() == [kept]
    assert set(chosen.fields()) <= set(make_input(card()).fields())


def test_a_network_sees_1287_of_the_cells(golden):
    matrix, batch = make_input(card()), make_input(card()).raw(selected(golden))
    assert len(matrix.columns) == 1287  # arXiv:2307.01612
    table, names = matrix.table(selected(golden)), matrix.table_names
    kept = np.isin(names, matrix.columns)
    np.testing.assert_array_equal(batch.x, table[:, kept])
    assert tuple(names[kept]) == matrix.columns == batch.columns
    assert (batch.x[~batch.mask] == 0).all()
    left_out = [name for name in names[~kept] if not any(f"{x}{k}" in name for x in ("muon", "electron", "photon")
                                                       for k in range(6, 11))]  # fmt: skip
    leptons = ("muon1", "electron1", "photon1")
    assert left_out == [
        "m(lightjet1,lightjet2)", "m(lightjet1,bjet1)", *(f"m(lightjet1,{x})" for x in leptons),
        "m(bjet1,bjet2)", *(f"m(bjet1,{x})" for x in leptons),
    ]  # fmt: skip


def test_names_are_unique_and_say_what_a_cell_is():
    names = make_input(card()).table_names
    assert names.shape == (51, 51)
    assert len(set(names.ravel().tolist())) == 51 * 51
    assert names[0, 0] == "met"
    assert names[0, 11] == "mt(bjet1)"
    assert names[11, 0] == "hl(bjet1)"
    assert names[11, 11] == "et(bjet1)"
    assert names[12, 12] == "imbalance(bjet1,bjet2)"
    assert names[11, 31] == "m(bjet1,electron1)"
    assert names[31, 11] == "h(bjet1,electron1)"


def momentum(pt, eta, phi, mass):
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    return np.array([math.sqrt(px**2 + py**2 + pz**2 + mass**2), px, py, pz])


def test_cells_follow_their_definition():
    jets = [(200.0, 0.3, 0.1, 20.0, False), (150.0, -1.2, 2.0, 10.0, True), (50.0, 2.0, -3.0, 5.0, False)]
    matrix = make_input(card())
    cell = dict(
        zip(matrix.table_names.ravel(), matrix.table(events(jets=jets, muons=[(70, 1, 1)]))[0].ravel(), strict=True)
    )
    light, tagged, soft = (momentum(*jet[:4]) for jet in jets)
    muon = momentum(70, 1, 1, MASSES["muons"])
    both = light + muon
    et = {name: p[0] * math.hypot(p[1], p[2]) / np.linalg.norm(p[1:]) for name, p in (("1", light), ("2", soft))}
    y = {name: math.atanh(p[3] / p[0]) for name, p in (("light", light), ("tagged", tagged))}
    met = np.array([100 * math.cos(0.5), 100 * math.sin(0.5)])
    expected = {
        "met": 100 / 13000,
        "m(lightjet1,muon1)": math.sqrt(both[0] ** 2 - (both[1:] ** 2).sum()) / 13000,
        "et(lightjet1)": et["1"] / 13000,
        "imbalance(lightjet1,lightjet2)": (et["1"] - et["2"]) / (et["1"] + et["2"]),
        "mt(lightjet1)": math.sqrt((et["1"] + 100) ** 2 - ((light[1:3] + met) ** 2).sum()) / 13000,
        "hl(lightjet1)": 0.15 * (math.cosh(y["light"]) - 1),
        "h(lightjet1,bjet1)": 0.15 * (math.cosh((y["light"] - y["tagged"]) / 2) - 1),
    }
    for name, value in expected.items():
        assert cell[name] == pytest.approx(value, rel=1e-6), name
    assert sum(value != 0 for value in cell.values()) == 5**2


def test_the_energy_of_the_file_goes_before_that_of_the_card():
    jets = [(200.0, 0.3, 0.1, 20.0, False)]
    matrix = make_input(card(sqrt_s_gev=7000))
    at = {s: matrix.table(events(jets=jets, sqrt_s=s))[0] for s in (None, 14000.0, np.nan, 0.0)}
    np.testing.assert_array_equal(at[None], at[np.nan])
    np.testing.assert_array_equal(at[None], at[0.0])
    np.testing.assert_allclose(at[14000.0][0, 0], at[None][0, 0] / 2)
    np.testing.assert_array_equal(at[14000.0][1, 0], at[None][1, 0])  # an angle has no scale


@pytest.mark.parametrize(("least", "expected"), [(30.0, 0.0), (20.0, 29.9 / 13000)])
def test_small_missing_momentum_counts_as_none(least, expected):
    x = make_input(card(met_min=least)).table(events(met=(29.9, 0), photons=[(40, 0, 1)]))[0]
    assert x[0, 0] == pytest.approx(expected)
    assert (x[0, 41] > 0) == (expected > 0)


def test_any_configuration_of_types_and_numbers():
    matrix = make_input(card(counts={"photons": 1, "jets": 3}, network_counts={"photons": 0}, leave_out_masses=False))
    assert matrix.objects == ("met", "jet1", "jet2", "jet3", "photon1")
    assert len(matrix.columns) == 16
    assert matrix.fields()["jets"] == {"pt", "eta", "phi", "mass"}
    jets = [(200.0, 0.3, 0.1, 20.0, False), (150.0, -1.2, 2.0, 10.0, True)]
    x = matrix.table(events(jets=jets, photons=[(90, 0, 0), (80, 0, 0)]))[0]
    assert x[2, 2] > 0
    assert x[3].sum() == x[:, 3].sum() == 0
    assert x[4, 4] == pytest.approx(90 / 13000)


def test_a_jet_of_negative_mass_gives_numbers():
    x = make_input(card()).table(events(jets=[(200.0, 0.0, 0.1, -20.0, False), (150.0, 0.0, 0.1, -20.0, False)]))[0]
    assert np.isfinite(x).all()
    assert x[1, 2] < 0


def test_no_events_and_no_objects():
    matrix = make_input(card())
    assert matrix.table(events()[:0]).shape == (0, 51, 51)
    assert len(matrix.raw(events()[:0])) == 0
    assert np.count_nonzero(matrix.table(events())) == 1  # MET alone
    with pytest.raises(InputDataError):
        matrix.fitted(matrix.raw(events()[:0]))


def test_there_is_no_state_and_no_scale():
    matrix = make_input(card())
    batch = matrix.raw(events(weight=2.5))
    assert matrix.fitted(batch).state() == {}
    assert matrix.scaled(batch) is batch
    assert batch.weight.tolist() == [2.5]
    assert input_from_state(card(), {}).columns == matrix.columns


@settings(max_examples=30)
@given(st.floats(0, 2 * math.pi), st.booleans())
def test_turning_and_mirroring_an_event_changes_nothing(angle, mirror):
    sign = -1 if mirror else 1
    jets = [(200.0, 0.3, 0.1, 20.0, False), (150.0, -1.2, 2.0, 10.0, True)]
    turned = [(pt, sign * eta, phi + angle, m, b) for pt, eta, phi, m, b in jets]
    matrix = make_input(card())
    before = matrix.table(events(jets=jets, electrons=[(60.0, 1.0, 2.0)]))
    after = matrix.table(events((100.0, 0.5 + angle), jets=turned, electrons=[(60.0, sign * 1.0, 2.0 + angle)]))
    np.testing.assert_allclose(after, before, rtol=1e-5)
