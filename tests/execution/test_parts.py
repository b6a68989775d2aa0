"""Parts join like the events they were made of, and keep every bit on disk."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hepad.errors import CountError, InputDataError
from hepad.execution.parts import Part
from hepad.objects.cutflow import CutFlow, CutStep

FLOATS = st.floats(width=32)


@st.composite
def parts(draw) -> Part:
    events = draw(st.integers(0, 20))
    weights = draw(arrays(np.float64, events, elements=st.floats(-1e6, 1e6)))
    keep = draw(arrays(np.bool_, events))
    flow = CutFlow((CutStep.of("all", weights), CutStep.of("kept", weights[keep])))
    columns = {
        "keep": keep,
        "score": draw(arrays(np.float32, int(keep.sum()), elements=FLOATS)),
        "matrix": draw(arrays(np.float64, (int(keep.sum()), 2))),
        "entry": np.arange(events),
    }
    return Part(
        events, columns, {"histogram": draw(arrays(np.float64, (2, 3), elements=st.floats(-1e9, 1e9)))}, {"all": flow}
    )


def assert_same(a: Part, b: Part) -> None:
    assert (a.events, a.flows) == (b.events, b.flows)
    for one, other in ((a.columns, b.columns), (a.sums, b.sums)):
        assert list(one) == list(other)
        for name in one:
            assert (one[name].dtype, one[name].shape) == (other[name].dtype, other[name].shape)
            assert one[name].tobytes() == other[name].tobytes()


@given(parts())
def test_a_part_keeps_every_bit_on_disk(part) -> None:
    assert_same(part, Part.from_bytes(part.to_bytes()))


@given(st.lists(parts(), min_size=1, max_size=4))
def test_parts_join_in_their_order(many) -> None:
    whole = Part.join(many)
    assert whole.events == sum(part.events for part in many)
    assert whole.flows["all"].total.events == whole.events
    assert np.array_equal(whole.columns["keep"], np.concatenate([part.columns["keep"] for part in many]))
    expected = many[0].sums["histogram"]
    for part in many[1:]:
        expected = expected + part.sums["histogram"]
    assert np.array_equal(whole.sums["histogram"], expected)


def test_joining_leaves_the_parts_as_they_are() -> None:
    one = Part(1, sums={"h": np.ones(2)})
    Part.join([one, one])
    assert one.sums["h"].tolist() == [1, 1]


def test_a_part_that_has_lost_events_is_refused() -> None:
    flow = CutFlow((CutStep.of("all", np.ones(3)),))
    with pytest.raises(CountError, match="counts 3 of 4 events"):
        Part(4, flows={"all": flow})


@given(st.binary(max_size=200))
def test_what_is_no_part_is_refused(data) -> None:
    with pytest.raises(InputDataError, match="damaged"):
        Part.from_bytes(data)
