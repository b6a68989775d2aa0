"""What a process of a study knows of the command that began it."""

from __future__ import annotations

from typing import Any

import pytest

from hepad.output.figure_kinds import drawing, drawing_options
from hepad.pipeline.study.jobs import run_jobs


def told(_: Any) -> dict[str, Any]:
    """A job that gives how figures are drawn where it is done."""
    return drawing_options()


@pytest.mark.usefixtures("quick_processes")
def test_figures_of_other_processes_are_drawn_as_asked() -> None:
    asked = {"kinds": ("svg",), "style": "cms", "label": "mine", "titles": {"h0": "$h_0$"}}
    with drawing(**asked):
        assert run_jobs([told, told], 2) == [asked, asked]
