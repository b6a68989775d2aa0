"""The schema of Events: records, masks of events and jagged columns, against awkward's own."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.io.detector.columns import jagged
from hepad.io.events import collection, record, taken

rows = st.lists(st.tuples(st.booleans(), st.lists(st.floats(0, 100, width=32), max_size=4)), max_size=8)


@given(rows)
def test_taken_events_are_those_of_the_mask_in_the_layout_of_a_collection(rows) -> None:
    counts = np.array([len(values) for _, values in rows], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    pt = np.array([value for _, values in rows for value in values], dtype=np.float32)
    features = {name: pt + shift for shift, name in enumerate(("pt", "eta", "phi", "mass"))}
    jets = collection(offsets, features)
    met = record({"pt": np.arange(len(rows))})
    foreign = ak.from_regular(np.zeros((len(rows), 2)))
    events = record({"jets": jets, "met": met, "foreign": foreign, "weight": np.arange(len(rows)) / 2})
    keep = np.array([kept for kept, _ in rows], dtype=bool)
    found, expected = taken(events, keep), events[keep]
    assert found.to_list() == expected.to_list()
    assert found.fields == expected.fields
    assert ak.parameters(found.jets) == ak.parameters(jets)
    offsets, values = jagged(found.jets.pt)
    assert offsets[0] == 0
    assert len(values) == counts[keep].sum()


def test_fields_of_a_record_are_equally_long() -> None:
    with pytest.raises(ValueError, match="jets, weight"):
        record({"jets": np.zeros(2), "weight": np.zeros(3)})


def test_jagged_starts_at_zero_wherever_the_array_is_cut() -> None:
    array = ak.Array([[1.0], [2.0, 3.0], [], [4.0]])
    for part in (array, array[1:3], array[np.array([3, 1])]):
        offsets, values = jagged(part)
        assert offsets.tolist() == [0, *np.cumsum(ak.num(part)).tolist()]
        assert values.tolist() == ak.flatten(part).to_list()
