"""How pages of hunts end."""

from __future__ import annotations

from typing import Any

import pytest

from hepad.output.closing import closing
from hepad.output.document import Heading, Text
from hepad.pipeline.hunt.closing import hunt_closing

RECORD: dict[str, Any] = {
    "hepad": "0",
    "python": "3",
    "packages": {},
    "inputs": [],
    "cards": {},
    "command": "hepad hunt",
}


@pytest.mark.parametrize(
    ("name", "cited"), [("atlas_2023_yxh", "2306.03637"), ("cms_2024_dijet_anomaly", "2412.03747"), ("mine", "")]
)
def test_what_ships_is_cited_and_all_say_what_they_are_not(name: str, cited: str) -> None:
    found = closing(RECORD, **hunt_closing(name))
    headings = [block.text for block in found if isinstance(block, Heading)]
    assert headings == ["What this is not", *(["How to cite"] if cited else []), "Make it again"]
    assert any(cited in block.text for block in found if isinstance(block, Text))
