"""Figures of a hunt in windows: what is drawn is what was given."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.plot.windows import WindowSpectrum, window_significances, window_spectra

EDGES = np.array([1000.0, 1100.0, 1300.0, 1600.0])


def spectrum(name: str, low: float, high: float, z: float) -> WindowSpectrum:
    counts, expected = np.array([50.0, 40.0, 0.0]), np.array([48.0, 30.0, 6.0])
    return WindowSpectrum(name, low, high, z, EDGES, counts, expected, np.array([0.3, 1.7, -3.5]))


def test_spectra_are_densities_over_their_pulls_a_panel_a_window() -> None:
    spectra = [spectrum(name, 1100, 1300, z) for name, z in zip("abcd", (1.5, 0.0, -1.0, 2.25), strict=True)]
    figure = window_spectra(spectra, title="cwola", x_title="m [GeV]")
    tops = [axes for axes in figure.axes if axes.get_yscale() == "log"]
    assert len(figure.axes) == 2 * len(tops) == 8
    assert [axes.texts[0].get_text() for axes in tops[1:]] == [
        f"{name}: 1100 to 1300 GeV\n$Z$ = {z:.2f}" for name, z in (("b", 0.0), ("c", -1.0), ("d", 2.25))
    ]
    points = tops[0].lines[0]
    assert list(points.get_xdata()) == [1050, 1200]  # an empty bin has no point
    assert list(points.get_ydata()) == [0.5, 0.2]
    fit = next(patch.get_data() for patch in tops[0].patches if hasattr(patch, "get_data"))
    np.testing.assert_allclose(fit.values, [0.48, 0.15, 0.02])
    below = [axes for axes in figure.axes if axes not in tops]
    pulls = next(patch.get_data() for patch in below[0].patches if hasattr(patch, "get_data"))
    assert list(pulls.values) == [0.3, 1.7, -3.5]
    assert below[0].get_ylim() == pytest.approx((-4.025, 4.025))
    assert [axes.get_xlabel() for axes in below] == ["", "m [GeV]", "m [GeV]", "m [GeV]"]


def test_significances_stand_at_their_windows() -> None:
    windows = {"one": [spectrum("A", 1100, 1300, 4.0)], "two": [spectrum("B", 1000, 1600, -2.0)]}
    figure = window_significances(windows, remarks=("one: global p = 0.01",))
    axes = figure.axes[0]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() in "os"] == [
        (1200, 4.0),
        (1300, -2.0),
    ]
    assert axes.get_ylim() == pytest.approx((-2.6, 4.6))
    assert figure.legends[0].get_title().get_text() == "one: global p = 0.01"
