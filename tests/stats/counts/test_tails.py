"""Tails of deficits and of counted expectations: exact where scipy is, finite where it underflows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import gammaln, ndtri_exp
from scipy.stats import binom, poisson

from hepad.stats.counts.poisson import log_p_deficit, log_p_excess, log_tail_above, log_tail_below
from hepad.stats.counts.uncertain import log_p_deficit_uncertain, log_p_excess_uncertain, uncertain_root


@given(rate=st.floats(min_value=0.01, max_value=5000), sigmas=st.floats(min_value=-6, max_value=6))
def test_both_tails_are_those_of_scipy(rate: float, sigmas: float) -> None:
    d = max(np.round(rate + sigmas * np.sqrt(rate)), 0.0)
    assert log_tail_above(d, rate) == pytest.approx(poisson.logsf(d - 1, rate), rel=1e-7, abs=1e-12)
    assert log_tail_below(d, rate) == pytest.approx(poisson.logcdf(d, rate), rel=1e-7, abs=1e-12)
    assert log_p_excess(d, rate) == (log_tail_above(d, rate) if d > rate else 0)
    assert log_p_deficit(d, rate) == (log_tail_below(d, rate) if d < rate else 0)


@pytest.mark.parametrize("rate", [2e4, 3e6, 4e8])
def test_tails_of_large_counts_add_up_to_one(rate: float) -> None:
    """P(N <= d - 1) + P(N >= d) = 1, through Temme's expansion on both sides."""
    d = np.round(rate + np.linspace(-4, 4, 33) * np.sqrt(rate))
    total = np.exp(log_tail_below(d - 1, rate)) + np.exp(log_tail_above(d, rate))
    np.testing.assert_allclose(total, 1, rtol=1e-12)


def test_a_deep_deficit_does_not_underflow() -> None:
    assert log_p_deficit(0, 5000.0) == pytest.approx(-5000)
    assert log_p_deficit(1, 5000.0) == pytest.approx(-5000 + np.log(5001))
    found = log_p_deficit(1000, 10_000.0)
    d = np.arange(1001)
    terms = d * np.log(10_000) - 10_000 - np.concatenate([[0], np.cumsum(np.log(d[1:]))])
    assert found == pytest.approx(np.logaddexp.reduce(terms), rel=1e-10)


@pytest.mark.parametrize(("d", "m", "w"), [(12, 5, 1.0), (30, 200, 0.1), (3, 0, 0.5), (4000, 3600, 1.0), (7, 1, 3.0)])
def test_a_counted_expectation_gives_binomial_tails(d: int, m: int, w: float) -> None:
    share = w / (1 + w)
    values = [np.array([float(x)]) for x in (d, m * w, w)]
    assert log_p_excess_uncertain(*values)[0] == pytest.approx(binom.logsf(d - 1, d + m, share), rel=1e-8)
    below = [np.array([float(x)]) for x in (m * w / 2 // 1, m * w, w)]
    if m:
        expected = binom.logcdf(below[0][0], below[0][0] + m, share)
        assert log_p_deficit_uncertain(*below)[0] == pytest.approx(expected, rel=1e-8)


def test_a_huge_excess_over_a_counted_expectation_stays_finite() -> None:
    log_p = log_p_excess_uncertain(np.array([1e5]), np.array([1e3]), np.array([1.0]))[0]
    k = np.arange(100_000, 101_001)
    terms = gammaln(101_001) - gammaln(k + 1) - gammaln(101_001 - k) - 101_000 * np.log(2)
    assert log_p == pytest.approx(np.logaddexp.reduce(terms), rel=1e-9)


@given(d=st.integers(0, 400), m=st.integers(0, 400), w=st.sampled_from([0.05, 0.5, 1.0, 2.0]))
def test_the_gaussian_tail_of_the_root_is_a_lower_bound(d: int, m: int, w: float) -> None:
    """What lets the scan of toys leave windows out."""
    values = [np.array([float(x)]) for x in (d, m * w, w)]
    root = uncertain_root(*values)[0]
    for sign, log_p in ((1, log_p_excess_uncertain(*values)[0]), (-1, log_p_deficit_uncertain(*values)[0])):
        if log_p < 0:
            assert -ndtri_exp(log_p) <= sign * root + 1e-6


def test_the_root_of_counts_on_one_side_alone() -> None:
    """All of n events on one side: n ln of the inverse of that side's share, twice and rooted."""
    counts, expected, weight = np.array([3.0, 0.0, 0.0]), np.array([0.0, 6.0, 0.0]), np.array([0.5, 2.0, 1.0])
    known = [np.sqrt(6 * np.log(1.5 / 0.5)), -np.sqrt(6 * np.log(3.0)), 0.0]
    np.testing.assert_allclose(uncertain_root(counts, expected, weight), known, rtol=1e-12)
