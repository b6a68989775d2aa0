"""Figures of a search: what they show is what they were given, also where there is nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hepad.output.figure_context import simulated
from hepad.output.figure_numbers import numbers_of
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
    bare = replace(full, background=None, simulated=None, observed=None)  # of the same title
    assert len(spectra_figure([full, replace(full), bare], region="").axes) == 2
    figure = spectra_figure([full, empty], region="tight", context=simulated(True))
    assert len(figure.axes) == 1
    legend = figure.axes[0].get_legend()
    assert {text.get_text() for text in legend.get_texts()} == {
        "Expected background in tight",
        "Simulated background in tight",
        "Data",
        "Signal, selected",
        "Signal in tight",
        "No background: empty",
    }
    stairs = [patch.get_data().values for patch in figure.axes[0].patches if not patch.get_fill()]
    widths = np.diff(EDGES)
    assert any(len(values) == 3 and np.allclose(values, [2.0, 1.0, 0.0] / widths) for values in stairs)
    assert any(len(values) == 2 and np.allclose(values, [50.0, 5.0] / widths[:2]) for values in stairs)
    assert figure.axes[0].get_ylabel() == "Events / GeV"
    figure = spectra_figure([empty, empty], region="")
    assert texts(figure).count("no events") == 2


def test_a_small_signal_is_scaled_and_the_mass_ends_where_the_events_do():
    background = np.array([4e6, 4e4, 0.0])
    signal = np.array([0.0, 3.0, 0.0])
    figure = spectra_figure([SpectrumPanel("m", EDGES, None, signal, background=background)], region="")
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert r"Signal $\times$ 1000" in labels
    drawn = figure.axes[0].patches[-1].get_data().values
    np.testing.assert_allclose(drawn, [0.0, 15.0, 0.0])
    assert figure.axes[0].get_xlim() == (100.0, 400.0)


def test_a_cut_flow_says_its_numbers():
    figure = cutflow_figure(
        {"lepton": [("all events", 1.0, 0.0), ("tight", 2e-5, 1e-5)], "jets": [("none " * 8, 0.0, 0.01)]}
    )
    assert {"100%", "0% + 1.00%"} <= set(texts(figure))
    (folded,) = figure.axes[1].get_yticklabels()
    assert folded.get_text() == "none none none none none none\nnone none"
    assert r"(2.0 ± 1.0) $\times\,10^{-5}$" in texts(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert widths == [1.0, 2e-5]
    assert figure.axes[0].get_xscale() == "log"
    assert figure.axes[0].get_xlim()[0] < 2e-5
    much = cutflow_figure({"jets": [("two", 0.5, 0.01)]}).axes[0]
    assert (much.get_xscale(), much.get_xlim()[0]) == ("linear", 0.0)
    assert not figure.legends


def test_a_cut_flow_marks_what_background_would_leave():
    flow = [("all events", 1.0, 0.0), ("tight", 0.2, 0.5), ("tightest", 0.0, 0.1)]
    figure = cutflow_figure({"jets": flow}, background={"jets": {"tight": 0.01, "tightest": 1e-3}})
    (marks,) = (line for line in figure.axes[0].lines if line.get_marker() == "D")
    assert dict(zip(*marks.get_data(), strict=True)) == {0.01: 1, 1e-3: 0}
    assert figure.axes[0].get_xlim()[0] < 1e-3
    # An error beyond the value does not end at zero.
    (bars,) = (c for c in figure.axes[0].containers if hasattr(c, "has_xerr"))
    assert bars[2][0].get_paths()[1].vertices[:, 0] == pytest.approx([0.2**2 / 0.7, 0.7])


@pytest.mark.parametrize("scores", [np.array([0.5, 0.1, 0.2]), np.empty(0)])
def test_scores_rise_to_one(scores):
    cuts, kept = np.array([0.9, 0.4, 0.2, 0.1]), np.array([1e-6, 0.01, 0.1, 1.0])  # the first is below the frame
    figure = score_figure("mse", (scores, np.ones(len(scores))), (cuts, kept), thresholds={"tight": 0.3})
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert ("Signal" in lines) == bool(len(scores))
    if len(scores):
        np.testing.assert_array_equal(lines["Signal"].get_xdata(), [0.5, 0.2, 0.1])
        np.testing.assert_allclose(lines["Signal"].get_ydata(), [1 / 3, 2 / 3, 1])
    assert any("tight" in text for text in texts(figure))
    told = [(row["score"], row["fraction_above"]) for row in numbers_of(figure) if row["sample"] == "background"]
    assert told == list(zip(cuts, kept, strict=True))
