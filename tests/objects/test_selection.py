"""Selections, against a slow reference that handles one object at a time."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hepad.cards.selection import SelectionCard, load_selection
from hepad.io.reader import read_events
from hepad.objects.selection import apply_selection

CARD = load_selection("adc2021")


def make_events(rows: list[dict[str, list[tuple[float, float]]]], weights: list[float]) -> ak.Array:
    record = {}
    for name in ("jets", "electrons", "muons"):
        counts = [len(row[name]) for row in rows]
        flat = np.array([pair for row in rows for pair in row[name]], dtype=np.float32).reshape(-1, 2)
        record[name] = ak.unflatten(ak.zip({"pt": flat[:, 0], "eta": flat[:, 1]}), counts)
    return ak.zip({**record, "weight": np.array(weights), "index": np.arange(len(rows))}, depth_limit=1)


def reference(row: dict[str, list[tuple[float, float]]]) -> dict[str, list[float]] | None:
    """The objects' pT after the ADC2021 selection, None if the event fails; written from the paper's sentences."""
    cuts = {"jets": (30, 4.0, 10), "muons": (3, 2.1, 4), "electrons": (3, 3.0, 4)}
    kept = {}
    for name, (pt, eta, count) in cuts.items():
        passing = [(p, e) for p, e in row[name] if p > pt and abs(e) < eta]
        kept[name] = sorted(passing, key=lambda o: -o[0])[:count]
    lepton = any(p > 23 and abs(e) < 2.1 for p, e in kept["electrons"] + kept["muons"])
    return {name: [p for p, _ in objects] for name, objects in kept.items()} if lepton else None


# Float32 values that are exact, among them the cuts themselves: strict inequalities matter there.
momenta = st.sampled_from([3.0, 23.0, 30.0]) | st.floats(0.5, 200, width=32)
pseudorapidities = st.sampled_from([2.0, -3.0, 4.0]) | st.floats(-5, 5, width=32)
objects = st.lists(st.tuples(momenta, pseudorapidities), max_size=12)
row = st.fixed_dictionaries({"jets": objects, "electrons": objects, "muons": objects})


@settings(max_examples=60, deadline=None)
@given(st.lists(row, min_size=1, max_size=6))
def test_agrees_with_the_reference(rows: list[dict[str, list[tuple[float, float]]]]) -> None:
    weights = [0.5 + i for i in range(len(rows))]
    selected, keep, flow = apply_selection(make_events(rows, weights), CARD)
    expected = [reference(row) for row in rows]
    assert keep.tolist() == [e is not None for e in expected]
    for name in ("jets", "electrons", "muons"):
        assert selected[name].pt.tolist() == [e[name] for e in expected if e is not None]
    assert [s.events for s in flow.steps] == [len(rows), int(keep.sum())]
    assert flow.selected.weight == pytest.approx(sum(w for w, k in zip(weights, keep, strict=True) if k))


def test_cut_flow_adds_up_over_chunks(data: Path) -> None:
    fields = CARD.fields()
    whole = next(iter(read_events([data / "hpm_taunu_0.root"], fields))).events
    parts = [c.events for c in read_events([data / "hpm_taunu_0.root"], fields, step_size=111)]
    flows = [apply_selection(part, CARD)[2] for part in parts]
    total = flows[0]
    for flow in flows[1:]:
        total = total + flow
    assert total == apply_selection(whole, CARD)[2]
    assert str(total) == "all events 680, one lepton 268"  # samples.json; 268 rows of hplus.h5 come from this file


def test_flows_of_different_selections_do_not_add() -> None:
    events = make_events([{"jets": [], "electrons": [(30, 0)], "muons": []}], [1])
    with pytest.raises(ValueError, match="different selections"):
        apply_selection(events, CARD)[2] + apply_selection(events, load_selection("adc2021_electron"))[2]


def test_electron_variant_needs_an_electron() -> None:
    rows = [{"jets": [], "electrons": [(30, 0)], "muons": []}, {"jets": [], "electrons": [], "muons": [(30, 0)]}]
    events = make_events(rows, [1, 1])
    assert apply_selection(events, CARD)[1].tolist() == [True, True]
    assert apply_selection(events, load_selection("adc2021_electron"))[1].tolist() == [True, False]


def card(**content: object) -> SelectionCard:
    base = {"schema": "selection/1", "name": "t", "title": "t", "reference": "t"}
    return SelectionCard.model_validate({**base, **content})


def test_all_max_count_met_and_mass_conditions() -> None:
    events = make_events([{"jets": [(50, 0)] * n, "electrons": [], "muons": []} for n in range(4)], [1] * 4)
    events["met"] = ak.zip({"pt": np.array([10.0, 60.0, 60.0, 60.0])})
    events["scalar_ht"] = np.array([1.0, 1.0, 5.0, 5.0])
    rules = card(
        require=[
            {"name": "met", "all": [{"met": {"min": 50}}, {"scalar_ht": {"min": 0, "max": 9}}]},
            {"name": "one or two jets", "all": [{"jets": {}, "min_count": 1, "max_count": 2}]},
            {"name": "b", "any": [{"scalar_ht": {"max": 2}}, {"jets": {"eta": {"min": 1}}, "min_count": 1}]},
        ]
    )
    _, keep, flow = apply_selection(events, rules)
    assert keep.tolist() == [False, True, False, False]
    assert [s.events for s in flow.steps] == [4, 3, 2, 1]
    assert rules.fields() == {"met": {"pt"}, "scalar_ht": {"ht"}, "jets": {"pt", "eta"}}


def test_btag_cut() -> None:
    events = make_events([{"jets": [(50, 0), (40, 0)], "electrons": [], "muons": []}], [1])
    events["jets"] = ak.with_field(events.jets, ak.Array([[False, True]]), "btag")
    selected, _, _ = apply_selection(events, card(objects={"jets": {"btag": True}}))
    assert selected.jets.pt.tolist() == [[40.0]]
