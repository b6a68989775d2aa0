"""Figures of trigger rates show what they were given: lines, hollow points, the fraction of a row."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from hepad.output.figure_context import simulated
from hepad.plot.beside import BesideLine, beside_figure
from hepad.plot.rates import (
    EfficiencyLine,
    PileupLine,
    RateLine,
    RateMark,
    efficiency_figure,
    overlap_figure,
    pileup_figure,
    rate_figure,
)

RISING = np.array([1.0, 2.0, 4.0])


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_rates() -> None:
    lines = [
        RateLine(model, label, RISING[::-1], RISING, RISING / 2, RISING * 2)
        for model in ("a", "b")
        for label in ("total", "pure")
    ]
    marks = [RateMark("a", 3.0, 1.5, few=False), RateMark("b", 4.0, 1.0, few=True)]
    figure = rate_figure(lines, marks, context=simulated(True), caption="28.61 MHz")
    left, right = figure.axes
    assert (left.get_title(), right.get_title(), left.get_yscale()) == ("a", "b", "log")
    assert left.lines[0].get_ydata().tolist() == RISING.tolist()
    assert [line.get_markerfacecolor() for line in (left.lines[-1], right.lines[-1])] == ["black", "white"]
    assert right.lines[-1].get_xdata() == [4.0]
    assert texts(figure) == {"total", "pure", "working points", "fewer than 10 events"}
    with pytest.raises(ValueError, match="no rate"):
        rate_figure([], [])


def test_overlap() -> None:
    figure = overlap_figure(np.array([[1, 0.25], [np.nan, np.nan]]), ["a (4)", "b (0)"])
    axes = figure.axes[0]
    assert [t.get_text() for t in axes.texts] == ["1.00", "0.25"]
    assert axes.texts[1].get_position() == (1, 0)  # of row a, column b


def test_triggers_side_by_side() -> None:
    lines = [
        BesideLine(panel, signal, {"model": (0.3, 0.2, 0.4), "tracks": (0.1, 0.0, 0.1)})
        for panel in ("a, 1 kHz", "a, 5 kHz")
        for signal in ("x", "y", "z")
    ]
    figure = beside_figure(lines, context=simulated(True))
    left, right = figure.axes
    assert (left.get_title(), right.get_title()) == ("a, 1 kHz", "a, 5 kHz")
    assert [label.get_text() for label in left.get_yticklabels()] == ["x", "y", "z"]
    assert [container.lines[0].get_xdata()[0] for container in left.containers] == pytest.approx([30, 10] * 3)
    (bar,) = left.containers[0].lines[2]
    assert bar.get_segments()[0][:, 0] == pytest.approx([20, 40])
    assert texts(figure) == {"model", "tracks"}
    with pytest.raises(ValueError, match="no triggers"):
        beside_figure([])


def test_efficiency() -> None:
    lines = [EfficiencyLine(s, m, RISING, RISING / 10, RISING / 20, RISING / 5) for s in ("x", "y") for m in ("a", "b")]
    figure = efficiency_figure(lines, menus={"x": 0.7}, few_khz=1.5)
    left, right = figure.axes
    assert left.lines[2].get_ydata()[0] == 0.7
    assert len(right.lines) == 2
    assert texts(figure) == {"a", "b", "menu alone", "fewer than 10 events"}
    with pytest.raises(ValueError, match="no efficiency"):
        efficiency_figure([])


def test_pileup() -> None:
    line = PileupLine("a", RISING * 10, RISING, np.stack([RISING / 2, RISING]), np.array([False, True, False]))
    axes = pileup_figure([line]).axes[0]
    drawn = {str(x.get_markerfacecolor()): x.get_ydata().tolist() for x in axes.lines if x.get_marker() == "o"}
    assert drawn["#3f90da"] == [1.0, 4.0]
    assert axes.get_ylim()[0] == 0
    with pytest.raises(ValueError, match="no rate"):
        pileup_figure([])
