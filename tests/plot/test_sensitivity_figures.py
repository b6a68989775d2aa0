"""Figures of sensitivity: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from hepad.plot.sensitivity import GainTable, SensitivityLine, gain_figure, p_figure, sensitivity_figure

X = np.array([0.0, 1.0, 10.0, 40.0])


def line(method: str, *z: float) -> SensitivityLine:
    log_p = norm.logsf(np.array(z))
    return SensitivityLine(method, X, log_p, log_p + 0.5, log_p - 0.5)


def test_p_values_are_decades_by_signal_and_failures_are_left_out() -> None:
    panels = {"one": [line("a", 0, 1, 5, 12), line("b", 0, 1, np.nan, 3)], "two": [line("a", 0, 0, 2, 4)]}
    figure = p_figure(panels)
    assert [axes.get_title() for axes in figure.axes] == ["one", "two"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["Cross section [fb]"] * 2
    curves = [curve for curve in figure.axes[0].lines if curve.get_marker() != "None"]
    assert list(curves[0].get_xdata()) == [1, 10, 40]  # no signal has no place on a logarithmic axis
    np.testing.assert_allclose(10 ** curves[0].get_ydata()[:2], norm.sf([1, 5]), rtol=1e-12)
    assert list(curves[1].get_xdata()) == [1, 40]
    assert figure.axes[0].get_ylim()[0] == -17  # what is beyond goes on below the frame
    assert {text.get_text() for text in figure.axes[0].texts} >= {rf"{z}$\sigma$" for z in (3, 5, 8)}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["a", "b"]
    assert p_figure({"two": panels["two"]}).axes[0].get_ylim()[0] == -6.5


def test_a_quantity_has_a_panel_a_signal_and_gains_have_words() -> None:
    grown = SensitivityLine("a", X, np.array([1.0, 2, 3, 4]), np.array([1.0, 1, 2, 3]), np.array([1.0, 3, 4, 8]))
    figure = sensitivity_figure({"one": [grown]}, y_title="Improvement")
    assert figure.axes[0].get_ylim() == (0, 10)
    assert sensitivity_figure({"one": [grown]}, y_title="Efficiency", top=1.0).axes[0].get_ylim() == (0, 1)
    values = np.array([[1.5, np.nan], [0.2, 6.0]])
    table = GainTable("Limit", values, [["1.5", "-"], ["0.2", ">6"]])
    figure = gain_figure([table, table], rows=["s", "t"], columns=["a", "b"])
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["1.5", "-", "0.2", ">6"]
    assert [text.get_color() for text in axes.texts] == ["black", "black", "white", "white"]
    np.testing.assert_array_equal(np.ma.filled(axes.images[0].get_array(), np.nan), values)
    assert [label.get_text() for label in axes.get_xticklabels()] == ["a", "b"]
    assert axes.images[0].norm.vmin == pytest.approx(1 / 8)
