"""Almost stochastic order against cases that are known and integrals done the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import InputDataError
from hepad.stats.scores.roc import roc_curve
from hepad.stats.scores.stochastic_order import almost_stochastic_order, subset_aucs, violation_ratio


def integrated(a, b):
    """The two integrals as sums over a fine grid of the quantile functions, inverted by definition."""
    steps = len(a) * len(b) * 3
    t = (np.arange(steps) + 0.5) / steps
    above, total = 0.0, 0.0
    for x in t:
        qa = min(v for v in a if np.mean(np.less_equal(a, v)) >= x - 1e-12)
        qb = min(v for v in b if np.mean(np.less_equal(b, v)) >= x - 1e-12)
        above += max(qb - qa, 0) ** 2
        total += (qa - qb) ** 2
    return above / total if total else 0.5


def test_by_hand():
    # Quantiles 0, 3 against 1, 1: below by 1 for half of t, above by 2 for the other: 1 / (1 + 4).
    assert violation_ratio([3.0, 0.0], [1.0, 1.0]) == pytest.approx(0.2)
    # Steps at 1/3, 1/2 and 2/3: a = 0, 0, 2, 2 and b = 0, 1, 1, 3 on widths 1/3, 1/6, 1/6, 1/3.
    assert violation_ratio([0.0, 2.0], [0.0, 1.0, 3.0]) == pytest.approx((1 / 6 + 1 / 3) / (1 / 6 + 1 / 6 + 1 / 3))


def test_known_cases():
    rng = np.random.default_rng(1)
    a = rng.normal(0, 1, 300)
    assert violation_ratio(a, a) == 0.5
    assert violation_ratio(a + 0.1, a) == 0
    assert violation_ratio(a - 0.1, a) == 1
    better = almost_stochastic_order(a + 5, a, rng=rng)
    assert (better.epsilon_min, better.epsilon_min_reversed) == (0, 1)
    worse = almost_stochastic_order(a, a + 5, rng=rng)
    assert (worse.epsilon_min, worse.epsilon_min_reversed) == (1, 0)


def test_equal_distributions_give_a_half_on_average_and_seldom_an_order():
    rng = np.random.default_rng(2)
    found = [almost_stochastic_order(*rng.normal(0, 1, (2, 100)), rng=rng, replicas=100) for _ in range(200)]
    assert np.mean([f.violation_ratio for f in found]) == pytest.approx(0.5, abs=0.09)
    assert np.mean([f.epsilon_min < 0.5 for f in found]) < 0.25  # the docstring says 17 %
    assert np.mean([f.epsilon_min < 0.2 for f in found]) < 0.06
    same = almost_stochastic_order([1.0, 1.0, 1.0], [1.0, 1.0], rng=rng)
    assert (same.violation_ratio, same.epsilon_min, same.epsilon_min_reversed) == (0.5, 0.5, 0.5)


def test_normals_of_different_width_agree_with_the_integral_over_their_quantile_functions():
    # A - B = d + (s - 1) z crosses zero at z0 = -d / (s - 1).
    from scipy import integrate, stats

    d, s = 0.3, 1.5
    z0 = -d / (s - 1)
    part = integrate.quad(lambda z: (d + (s - 1) * z) ** 2 * stats.norm.pdf(z), -12, z0)[0]
    expected = part / (d**2 + (s - 1) ** 2)
    rng = np.random.default_rng(3)
    a, b = rng.normal(d, s, 200_000), rng.normal(0, 1, 100_000)
    assert violation_ratio(a, b) == pytest.approx(expected, abs=0.01)


def test_the_margin_is_the_spread_of_the_estimate():
    # Over samples drawn anew the estimate has this spread; the bootstrap must give it from one sample.
    rng = np.random.default_rng(4)
    ratios = [violation_ratio(rng.normal(0.2, 1.5, 1000), rng.normal(0, 1, 1000)) for _ in range(400)]
    margins = []
    for _ in range(10):
        found = almost_stochastic_order(rng.normal(0.2, 1.5, 1000), rng.normal(0, 1, 1000), rng=rng, replicas=200)
        margins.append(found.epsilon_min - found.violation_ratio)
    assert np.mean(margins) == pytest.approx(1.645 * np.std(ratios), rel=0.2)


values = st.lists(st.integers(-4, 4).map(float), min_size=2, max_size=6)


@given(values, values)
def test_the_ratio_is_the_integral(a, b):
    assert violation_ratio(a, b) == pytest.approx(integrated(a, b), abs=1e-9)


@given(values, values, st.floats(0.01, 100), st.floats(-10, 10))
def test_swapped_samples_have_the_complement_and_scale_and_place_do_not_matter(a, b, scale, shift):
    ratio = violation_ratio(a, b)
    assert 0 <= ratio <= 1
    assert violation_ratio(b, a) == pytest.approx(1 - ratio)
    assert violation_ratio(np.multiply(a, scale) + shift, np.multiply(b, scale) + shift) == pytest.approx(ratio)
    assert violation_ratio(np.repeat(a, 3), b) == pytest.approx(ratio)


def test_subset_aucs_have_the_mean_and_the_spread_of_samples_of_their_size():
    rng = np.random.default_rng(5)
    signal, background = np.round(rng.normal(1, 1, 20_000), 1), np.round(rng.normal(0, 1, 30_000), 1)  # with ties
    aucs = subset_aucs(signal, background, rng=rng, subsets=400, events=500)
    curve = roc_curve(signal, background)
    assert aucs.mean() == pytest.approx(curve.auc, abs=4 * aucs.std() / 20)
    fresh = [roc_curve(rng.normal(1, 1, 250), rng.normal(0, 1, 250)).auc for _ in range(400)]
    assert aucs.std() == pytest.approx(np.std(fresh), rel=0.15)


def test_weights_are_the_chances_of_events():
    rng = np.random.default_rng(6)
    signal, weight = rng.normal(1, 1, 2000), rng.uniform(0, 1, 2000)
    weight[signal > 1] *= 5
    aucs = subset_aucs(signal, rng.normal(0, 1, 2000), weight, rng=rng, subsets=300, events=1000)
    rng = np.random.default_rng(6)
    again, _ = rng.normal(1, 1, 2000), rng.uniform(0, 1, 2000)
    expected = roc_curve(again, rng.normal(0, 1, 2000), weight).auc
    assert aucs.mean() == pytest.approx(expected, abs=4 * aucs.std() / np.sqrt(300))
    # An event without weight is never drawn.
    only = subset_aucs([5.0, -5.0], [0.0, 9.0], [1.0, 0.0], [2.0, 0.0], rng=rng, subsets=20, events=50)
    assert only.tolist() == [1.0] * 20


def test_refusals():
    rng = np.random.default_rng(7)
    with pytest.raises(InputDataError, match="at least 2 finite"):
        almost_stochastic_order([1.0], [1.0, 2.0], rng=rng)
    with pytest.raises(InputDataError, match="at least 2 finite"):
        violation_ratio([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="shape"):
        violation_ratio([[1.0, 2.0]], [1.0, 2.0])
    with pytest.raises(ValueError, match="confidence"):
        almost_stochastic_order([1.0, 2.0], [1.0, 2.0], rng=rng, confidence=1.0)
    with pytest.raises(InputDataError, match="negative"):
        subset_aucs([1.0, 2.0], [1.0, 2.0], [1.0, -0.5], rng=rng)
    with pytest.raises(InputDataError, match="no events"):
        subset_aucs([], [1.0, 2.0], rng=rng)
    with pytest.raises(ValueError, match="one shape"):
        subset_aucs([1.0], [1.0, 2.0], [1.0, 2.0], rng=rng)
    with pytest.raises(ValueError, match="at least 1 subset"):
        subset_aucs([1.0], [1.0], rng=rng, events=1)
