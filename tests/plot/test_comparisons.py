"""Figures of the significance improvement and of shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import hepad.plot
from hepad.output.figure_context import simulated
from hepad.plot.explain import ShareRow, share_figure
from hepad.plot.sic import SicLine, sic_figure

GRID = np.linspace(0.01, 1, 50)


def line(model: str, signal: str, power: float) -> SicLine:
    value = GRID / np.sqrt(GRID**power)
    value[:3] = np.nan
    return SicLine(model, signal, GRID, value, 0.9 * value, np.where(GRID < 0.1, np.nan, 1.1 * value), (0.2, 2.0))


def test_sic_has_a_panel_a_signal_and_a_colour_a_model():
    figure = sic_figure(
        [line("a", "x", 3), line("b", "x", 2), line("a", "y", 2)], floor="at least 10", context=simulated(True)
    )
    assert len(figure.axes) == 2
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["a", "b", "68 % bootstrap", "Maximum", "Random choice", "at least 10"]
    figure.draw_without_rendering()
    with pytest.raises(ValueError, match="no significance"):
        sic_figure([])


def test_sic_is_logarithmic_where_signals_differ_much():
    assert sic_figure([line("a", "x", 4), line("a", "y", 1.5)]).axes[0].get_yscale() == "log"
    assert sic_figure([line("a", "x", 2), line("a", "y", 2)]).axes[0].get_yscale() == "linear"


def test_shares_are_written_into_their_cells():
    rows = [
        ShareRow("one", {"jet1": 0.6, "met": 0.395, "muon1": 0.005}, ("jet1", "met")),
        ShareRow("two", {"jet1": 0.1, "met": 0.1, "muon1": 0.8}),
    ]
    figure = share_figure(rows, rows="events", context=simulated(True), caption="model")
    texts = [text.get_text() for text in figure.axes[0].texts[:6]]
    assert texts == ["60", "40", "\N{MULTIPLICATION SIGN}", "10", "10", "80"]
    figure.draw_without_rendering()
    with pytest.raises(ValueError, match="same objects"):
        share_figure([rows[0], ShareRow("three", {"met": 1.0})])


def test_no_legend_stands_at_the_right_of_axes_where_it_makes_a_figure_too_wide_for_a_slide() -> None:
    folder = Path(hepad.plot.__file__).parent
    assert [path.name for path in sorted(folder.glob("*.py")) if "outside right" in path.read_text("utf-8")] == []
