"""Figures of many methods against the mass: what is drawn is what was given, also of ten of them."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection
from scipy.stats import norm

from hepad.plot.mass_methods import (
    MassLine,
    SignalBar,
    expected_limits,
    local_p_of_methods,
    method_limits,
    signal_limits,
)

MASSES = np.array([2000.0, 2500.0, 3000.0])
BANDS = np.array([0.5, 0.7, 1.0, 1.4, 2.0])


def line(name: str, z: float = 0.0, scale: float = 1.0) -> MassLine:
    expected = np.outer([4.0, 2.0, 1.0], BANDS) * scale
    return MassLine(name, MASSES, np.array([0.0, z, 1.0]), expected[:, 2] * 1.1, expected)


TEN = [line(f"method_{i}", 0.3 * i, 1 + i) for i in range(10)]


def named(axes: Axes) -> list[str]:
    return [str(one.get_label()) for one in axes.lines if not str(one.get_label()).startswith("_")]


def test_local_p_values_are_powers_of_ten_and_ten_lines_differ() -> None:
    axes = local_p_of_methods([*TEN, line("far", 6.0)], remarks=("Global p", "far: 1e-7")).axes[0]
    assert named(axes) == [*(f"method_{i}" for i in range(10)), "far"]
    far = next(one for one in axes.lines if one.get_label() == "far")
    np.testing.assert_allclose(far.get_ydata(), np.log10(norm.sf([0, 6, 1])))
    looks = {(one.get_color(), str(one.get_linestyle()), str(one._unscaled_dash_pattern)) for one in axes.lines[:11]}
    assert len(looks) == 11
    assert [text.get_text() for text in axes.texts] == [rf"{z}$\sigma$" for z in range(1, 7)]
    assert axes.get_ylim()[0] < np.log10(norm.sf(6))
    assert axes.get_ylim()[1] == 0


def test_limits_have_a_panel_a_method_with_bands_and_gaps() -> None:
    broken = line("broken")
    broken.expected[1] = np.nan
    figure = method_limits([*TEN[:3], broken], y_title="limit")
    assert [axes.texts[0].get_text() for axes in figure.axes] == ["method_0", "method_1", "method_2", "broken"]
    second, last = figure.axes[1], figure.axes[3]
    outer = second.collections[0]
    assert isinstance(outer, FillBetweenPolyCollection)
    heights = outer.get_paths()[0].vertices
    assert set(np.round(heights[heights[:, 0] == 2500][:, 1], 6)) == {2.0, 8.0}
    assert list(second.lines[0].get_ydata()) == [8, 4, 2]
    np.testing.assert_allclose(second.lines[1].get_ydata(), [8.8, 4.4, 2.2])
    assert list(last.lines[0].get_xdata()) == [2000, 3000]
    assert [axes.get_ylabel() for axes in figure.axes] == ["limit", "", "", "limit"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "Mass [GeV]", "Mass [GeV]", "Mass [GeV]"]
    low, high = figure.axes[0].get_ylim()
    assert low < 0.5
    assert high > 4 * 3 * 2
    axes = expected_limits(TEN, y_title="limit").axes[0]
    assert named(axes) == [f"method_{i}" for i in range(10)]
    assert list(axes.lines[9].get_ydata()) == [40, 20, 10]


def test_limits_on_signals_are_rows_of_methods() -> None:
    bars = [SignalBar(f"method_{i}", 1.5 if i else None, tuple(BANDS * (i + 1))) for i in range(10)]
    figure = signal_limits({"one": bars, "other": bars[:2]}, x_title="sigma [fb]")
    first, second = figure.axes
    assert [text.get_text() for text in first.get_yticklabels()] == [f"method_{i}" for i in range(10)]
    assert len(second.get_yticks()) == 2
    outer, inner = first.patches[1], first.patches[11]
    assert (outer.get_x(), outer.get_width()) == pytest.approx((1.0, 3.0))
    assert (inner.get_x(), inner.get_width()) == pytest.approx((1.4, 1.4))
    assert list(first.lines[0].get_xdata()) == [1.5] * 9
    assert list(first.lines[0].get_ydata()) == list(range(1, 10))
    assert first.get_ylim() == (9.5, -0.5)  # the first on top
    assert (first.get_xlabel(), second.get_xlabel()) == ("", "sigma [fb]")
