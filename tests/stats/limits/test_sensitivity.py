"""Cross sections of limits and discoveries, from curves whose crossings are known, and limits that solve by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import brentq

from hepad.stats.limits.limits import LimitModel, asymptotic_limits
from hepad.stats.limits.sensitivity import Crossing, crossing, expected_z, improvement, median_limit

NAN = float("nan")


def test_a_straight_line_and_a_power_are_crossed_where_they_are() -> None:
    x = [0.0, 1.0, 2.0, 4.0, 8.0]
    assert crossing(x, [1.3 * one for one in x], 5.0).value == pytest.approx(5 / 1.3, rel=1e-14)
    assert crossing(x, [0.5 + one for one in x], 0.75) == Crossing(0.25)  # between no signal and the first
    power = [0.3 * one**1.7 for one in x[1:]]
    assert crossing(x[1:], power, 1.0, logarithmic=True).value == pytest.approx((1 / 0.3) ** (1 / 1.7), rel=1e-14)
    assert crossing(x[1:], power, 1.0).value != pytest.approx((1 / 0.3) ** (1 / 1.7), rel=1e-3)
    assert crossing(x, [0.0, 0.0, 0.0, 2.0, 3.0], 1.0, logarithmic=True) == Crossing(3.0)  # 0 has no logarithm


def test_what_counts_is_from_where_on_the_curve_stays_above() -> None:
    x = [1.0, 2.0, 3.0, 4.0]
    assert crossing(x, [6.0, 4.0, 6.0, 7.0], 5.0) == Crossing(2.5)
    assert crossing(x, [5.0, 6.0, 7.0, 8.0], 5.0) == Crossing(1.0, "<")
    assert crossing(x, [1.0, 9.0, 9.0, 4.9], 5.0) == Crossing(4.0, ">")
    assert crossing(x, [NAN, 4.0, NAN, 6.0], 5.0) == Crossing(3.0)  # straight across what is not known
    nothing = crossing(x, [NAN] * 4, 5.0)
    assert math.isnan(nothing.value)
    assert nothing.bound == ""


@pytest.mark.parametrize("background", [20.0, 400.0])
def test_the_limit_on_a_known_background_solves_its_equation(background: float) -> None:
    # CLs = 0.05 of the median: 1 - Phi(sqrt q) = 0.05 / 2; q = 2 (s - b ln(1 + s / b)) of b events (arXiv:1007.1727).
    def q(signal: float) -> float:
        return 2 * (signal - background * math.log1p(signal / background)) - 1.959963985**2

    assert median_limit(background, 0.0) == pytest.approx(brentq(q, 1e-3, 10 * background), rel=2e-4)


def test_the_error_of_the_background_adds_in_squares_where_counts_are_many() -> None:
    assert median_limit(1e6, 2000.0) == pytest.approx(1.96 * np.hypot(1000, 2000), rel=5e-3)
    assert median_limit(80.0, 8.0) == pytest.approx(24.28, rel=2e-3)  # by exact sums 24.2785
    model = LimitModel(np.ones(1), np.array([5.0]), None, np.array([1.0]))
    assert median_limit(5.0, 1.0) == pytest.approx(asymptotic_limits(model).expected[2], rel=1e-4)


def test_the_expected_significance_is_of_means() -> None:
    assert expected_z(0.0, 1e4, 1e4, 0.0) == pytest.approx(0, abs=0.02)
    assert expected_z(400.0, 1e4, 1e4, 0.0) == pytest.approx(4, rel=0.01)
    assert expected_z(400.0, 1e4, 1e4, 75.0) == pytest.approx(400 / 125, rel=0.02)
    assert expected_z(400.0, 1e4, 1e4 + 100, 75.0) == pytest.approx(300 / 125, rel=0.02)  # the fit takes some of it
    assert expected_z(1000.0, 10.0, 10.0, 1.0) > 30


def test_improvements_are_ratios_or_bounds() -> None:
    assert improvement(Crossing(30.0), Crossing(20.0)) == Crossing(1.5)
    assert improvement(Crossing(30.0), Crossing(20.0, "<")) == Crossing(1.5, ">")
    assert improvement(Crossing(30.0), Crossing(60.0, ">")) == Crossing(0.5, "<")
    assert improvement(Crossing(30.0, ">"), Crossing(20.0)) == Crossing(1.5, ">")
    assert improvement(Crossing(30.0, ">"), Crossing(20.0, "<")) == Crossing(1.5, ">")
    for nothing in (
        improvement(Crossing(30.0, ">"), Crossing(60.0, ">")),
        improvement(Crossing(NAN), Crossing(1.0)),
        improvement(Crossing(1.0), Crossing(NAN)),
        improvement(Crossing(1.0), Crossing(0.0, "<")),
    ):
        assert math.isnan(nothing.value)
        assert nothing.bound == ""
