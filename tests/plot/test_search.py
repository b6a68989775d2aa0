"""Figures of a search: what they show is what they were given, also where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.output.figure_context import simulated
from hepad.plot.search import SpectrumPanel, cutflow_figure, score_figure, spectra_figure

EDGES = np.array([100.0, 200.0, 400.0, 800.0])


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_a_panel_a_channel_and_one_legend():
    full = SpectrumPanel(
        "full",
        EDGES,
        np.array([4.0, 2.0, 1.0]),
        np.array([2.0, 1.0, 0.0]),
        background=np.array([50.0, 5.0]),
        simulated=np.array([40.0, 0.0, 0.0]),
        errors=np.array([20.0, 0.0, 0.0]),
        observed=np.array([49.0, 6.0, 0.0]),
    )
    empty = SpectrumPanel("empty", EDGES, np.zeros(3), np.zeros(3))
    figure = spectra_figure([full, empty], region="tight", context=simulated(True))
    assert len(figure.axes) == 2
    (legend,) = figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        "Expected background in tight",
        "Simulated background in tight",
        "Data",
        "Signal, selected",
        "Signal in tight",
    }
    assert "no events" in texts(figure)
    stairs = [patch.get_data().values for patch in figure.axes[0].patches if not patch.get_fill()]
    assert any(np.array_equal(values, [2.0, 1.0, 0.0]) for values in stairs)
    assert any(np.array_equal(values, [50.0, 5.0]) for values in stairs)


def test_a_cut_flow_says_its_numbers():
    figure = cutflow_figure(
        {"lepton": [("all events", 1.0, 0.0), ("tight", 2e-5, 1e-5)], "jets": [("none", 0.0, 0.01)]}
    )
    assert "100.00% ± 0.00%" in texts(figure)
    assert "2.0e-05 ± 1e-05" in texts(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [1.0, 2e-5]


@pytest.mark.parametrize("scores", [np.array([0.5, 0.1, 0.2]), np.empty(0)])
def test_scores_rise_to_one(scores):
    cuts, kept = np.array([0.4, 0.2, 0.1]), np.array([0.01, 0.1, 1.0])
    figure = score_figure("mse", (scores, np.ones(len(scores))), (cuts, kept), thresholds={"tight": 0.3})
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert ("Signal" in lines) == bool(len(scores))
    if len(scores):
        np.testing.assert_array_equal(lines["Signal"].get_xdata(), [0.5, 0.2, 0.1])
        np.testing.assert_allclose(lines["Signal"].get_ydata(), [1 / 3, 2 / 3, 1])
    assert any("tight" in text for text in texts(figure))
