"""Poisson tails: exact where scipy is, finite where scipy underflows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr
from scipy.stats import norm, poisson

from hepad.stats.counts.poisson import log_p_deficit, log_p_excess, on_off_root, signed_root, significance

rates = st.floats(min_value=1e-3, max_value=1e7)


def summed_tail(count: int, rate: float) -> float:
    """ln P(N >= count | rate) by adding up the probabilities relative to the first, which itself is exact."""
    x = (count - rate) / rate
    first = -rate * ((1 + x) * math.log1p(x) - x)
    first -= 0.5 * math.log(2 * math.pi * count) + 1 / (12 * count) - 1 / (360 * count**3)
    steps = np.log(rate) - np.log(count + np.arange(1, int(60 * math.sqrt(count)) + 100))
    return first + math.log1p(float(np.exp(np.cumsum(steps)).sum()))


@given(rate=st.floats(min_value=100, max_value=1e7), sigmas=st.floats(min_value=0.1, max_value=60))
@settings(max_examples=100, deadline=None)
def test_agrees_with_the_sum_of_probabilities(rate: float, sigmas: float) -> None:
    count = math.floor(rate + sigmas * math.sqrt(rate)) + 1
    assert float(log_p_excess(count, rate)) == pytest.approx(summed_tail(count, rate), rel=1e-8, abs=1e-8)


@given(rate=st.floats(min_value=1e-3, max_value=1e4), sigmas=st.floats(min_value=0.1, max_value=20))
@settings(max_examples=200, deadline=None)
def test_agrees_with_scipy(rate: float, sigmas: float) -> None:
    count = math.floor(rate + sigmas * math.sqrt(rate)) + 1
    direct = poisson.sf(count - 1, rate)
    if direct > 1e-250:
        assert float(log_p_excess(count, rate)) == pytest.approx(math.log(direct), rel=1e-8, abs=1e-9)


def test_large_counts_where_scipy_stops_its_series_early() -> None:
    # The power series summed with mpmath at 40 digits; scipy 1.17.1's gammainc is 3 % and 0.1 % below.
    p = np.exp(log_p_excess([10015812, 2813622], [1e7, 2805247.0]))
    np.testing.assert_allclose(p, [2.88484007e-7, 2.901612863e-7], rtol=1e-8)


@given(rate=rates, start=st.floats(min_value=0, max_value=60), step=st.integers(min_value=1, max_value=50))
@settings(max_examples=200, deadline=None)
def test_falls_with_the_count(rate: float, start: float, step: int) -> None:
    low = math.floor(rate + start * math.sqrt(rate)) + 1
    near, far = log_p_excess([low, low + step], rate)
    assert far < near <= 0
    assert np.isfinite(far)


def test_the_series_meets_the_incomplete_gamma_function() -> None:
    # Around 1e-280 the two evaluations change over: the logarithm has no step there.
    counts = np.arange(560, 680)
    logs = log_p_excess(counts, 100.0)
    assert logs[0] > math.log(1e-280) > logs[-1]
    assert np.all(np.abs(np.diff(logs, 3)) < 1e-3)


def test_a_huge_excess_does_not_underflow() -> None:
    # The power series summed with mpmath at 40 digits.
    value = float(log_p_excess(5000, 10.0))
    assert value == pytest.approx(-26088.21604230539, rel=1e-12)
    assert float(log_p_excess(1e6, 5e5)) == pytest.approx(-193154.31410866027, rel=1e-12)
    assert significance(value) is not None
    assert math.isfinite(significance(value) or math.inf)


def test_far_tails_on_both_sides() -> None:
    """Sums of probabilities with mpmath at 60 digits, about and beyond the places where other formulae take over."""
    excesses = {(10_000, 4100.0): -3020.9777948759258, (12_000, 6000.0): -2322.6884625503656}
    excesses |= {(10_000, 9000.0): -56.835486168752249, (10_000, 9900.0): -1.8410472463668295}
    excesses |= {(30_000, 20_000.0): -2168.9282484777044, (20, 1e-12): -594.9560387793254}
    deficits = {(10_000, 24_000.0): -5250.2977980194124, (10_000, 15_000.0): -949.77482312367003}
    deficits |= {(9999, 11_000.0): -50.130456686204312, (10_000, 10_100.0): -1.8258606273552618}
    deficits |= {(30_000, 40_000.0): -1374.2252494422686, (100, 2000.0): -1603.5978639767751}
    deficits |= {(500, 2500.0): -1199.0844343169845, (3, 800.0): -781.7341719483391, (0, 1000.0): -1000.0}
    for tails, function in ((excesses, log_p_excess), (deficits, log_p_deficit)):
        counts, expected = np.array(list(tails)).T
        np.testing.assert_allclose(function(counts, expected), list(tails.values()), rtol=0, atol=2e-8)
    np.testing.assert_array_equal(log_p_deficit([5, 6, 0], [5.0, 2.0, 0.0]), 0.0)


def test_no_excess_has_probability_one_and_no_significance() -> None:
    np.testing.assert_array_equal(log_p_excess([5, 4, 0], [5.0, 7.0, 0.0]), 0.0)
    assert significance(0.0) is None


def test_significance_is_the_gaussian_quantile() -> None:
    assert significance(math.log(1.73410678e-4)) == pytest.approx(3.577556, abs=1e-6)  # pyBumpHunter 0.5.1
    assert significance(math.log(norm.sf(20.0))) == pytest.approx(20.0, rel=1e-10)
    assert significance(math.log(0.9)) == pytest.approx(norm.isf(0.9))


@given(rate=rates, sigmas=st.floats(min_value=0, max_value=30))
@settings(max_examples=200, deadline=None)
def test_the_signed_root_bounds_the_tail_from_below(rate: float, sigmas: float) -> None:
    count = float(math.floor(rate + sigmas * math.sqrt(rate)) + 1)
    root = float(signed_root(np.array(count), np.array(rate)))
    bound = float(ndtr(-root))
    exact = float(np.exp(log_p_excess(count, rate)))
    assert root >= 0
    assert exact >= bound * (1 - 1e-6)  # for 10^7 events the root's own rounding is of the size of 1e-8


def test_on_off_significance_is_that_of_li_and_ma() -> None:
    """A reference of 40 counts that stands for twice the exposure: 20 expected; and the known limits."""
    n_on, n_off, tau = 35.0, 40.0, 2.0
    alpha = 1 / tau
    known = np.sqrt(
        2
        * (
            n_on * np.log((1 + alpha) / alpha * n_on / (n_on + n_off))
            + n_off * np.log((1 + alpha) * n_off / (n_on + n_off))
        )
    )
    found = on_off_root(np.array([35.0, 5.0, 0.0]), np.array([20.0, 20.0, 0.0]), np.array([10.0, 10.0, 0.0]))
    assert found[0] == pytest.approx(known, rel=1e-12)
    assert found[1] < 0
    assert found[2] == 0
    exact = signed_root(np.array([35.0]), np.array([20.0]))
    precise = on_off_root(np.array([35.0]), np.array([20.0]), np.array([20e-8]))
    assert precise == pytest.approx(exact, rel=1e-5)
    alone = on_off_root(np.array([3.0, 10.0]), np.array([0.0, 10.0]), np.array([0.0, 10.0]))
    assert alone[0] == pytest.approx(np.sqrt(2 * 3 * np.log(2)), rel=1e-12)
