"""Cut flows: sums by hand, and what does not belong together."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.objects.cutflow import CutFlow, CutStep


def test_the_sums_of_a_flow_and_of_its_chunks() -> None:
    weights = np.array([3.0, 4.0, -0.5])
    one = CutFlow((CutStep.of("all", weights), CutStep.of("kept", weights[:2])))
    assert one.total == CutStep("all", 3, 6.5, 25.25)
    assert one.selected == CutStep("kept", 2, 7.0, 25.0)
    assert one.to_json()[1] == {"name": "kept", "events": 2, "weight": 7.0, "weight_error": 5.0}
    assert CutFlow.from_json(one.to_json()[1:]) == CutFlow(one.steps[1:])
    other = CutFlow((CutStep("all", 7, 2.0, 1.5), CutStep("kept", 1, 0.25, 0.0625)))
    assert one + other == CutFlow((CutStep("all", 10, 8.5, 26.75), CutStep("kept", 3, 7.25, 25.0625)))
    assert str(one + other) == "all 10, kept 3"


@pytest.mark.parametrize("name", ["a", "z"])
def test_flows_of_other_selections_do_not_add_up(name: str) -> None:
    flow, other = (CutFlow((CutStep(step, 1, 1.0, 1.0),)) for step in ("kept", name))
    with pytest.raises(ValueError, match="different selections"):
        flow + other
