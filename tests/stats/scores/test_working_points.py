"""FPR40, TPR at small FPR, rejections and the significance improvement: by hand, and where samples are too small."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import InputDataError
from hepad.stats.scores.roc import ZERO_EVENT_LIMIT, roc_curve
from hepad.stats.scores.working_points import best_improvement, improvement_band, working_points


def uniform(n=2000, m=4000, seed=1, **options):
    rng = np.random.default_rng(seed)
    return working_points(rng.uniform(0, 1, n) ** 0.5, rng.uniform(0, 1, m), rng=rng, **options)


def test_by_hand():
    # Five signals over ten backgrounds: 9, 7, 5, 3, 1 against 8.5, 6.5, ..., one a gap, and the rest at 0.
    signal, background = [9.0, 7.0, 5.0, 3.0, 1.0], [8.5, 6.5, 4.5, 2.5, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    found = working_points(
        signal, background, rng=np.random.default_rng(1), rejections_at=(0.3, 0.6), fpr=(0.1, 0.01), min_background=2
    )
    assert found.fpr40.value == pytest.approx(0.1)  # two of five are above all but one of ten
    assert not found.fpr40.is_upper_limit
    assert found.rejections[0.6].value == pytest.approx(5)
    assert found.metrics.rejection == found.rejections[0.3]
    # 1 % is less than one event of ten: the floor of two puts both at 20 %, where three of five signals are above.
    assert [p.at for p in found.tpr_at_fpr] == [0.2, 0.2]
    assert [p.estimate.value for p in found.tpr_at_fpr] == pytest.approx([0.6, 0.6])
    assert all(p.estimate.is_upper_limit for p in found.tpr_at_fpr)
    # With two events or more: 0.4 / sqrt(0.2) at 6.5, 0.6 / sqrt(0.2) is not a threshold; at 5: (0.6, 0.2).
    assert found.improvement.value.value == pytest.approx(1.0 / np.sqrt(0.4))  # at 1: all signal, four of ten
    assert found.improvement.threshold == 1.0
    assert (found.improvement.signal_efficiency, found.improvement.background_efficiency) == (1.0, 0.4)


def test_a_wanted_fpr_that_the_sample_supports_is_used_as_it_is():
    found = uniform(fpr=(0.1, 1e-5))
    exact, bound = found.tpr_at_fpr
    assert (exact.at, exact.estimate.is_upper_limit) == (0.1, False)
    assert exact.estimate.value == pytest.approx(1 - 0.9**2, abs=0.03)
    assert (bound.at, bound.estimate.is_upper_limit) == (10 / 4000, True)
    assert bound.estimate.value >= 1 - (1 - 1e-5) ** 2


def test_no_surviving_background_bounds_the_fpr():
    found = working_points([2.0] * 20, [1.0] * 600, rng=np.random.default_rng(1))
    assert found.fpr40.is_upper_limit
    assert found.fpr40.value == pytest.approx(ZERO_EVENT_LIMIT / 600)
    assert found.rejections[0.3].is_lower_limit
    assert [(p.wanted, p.at) for p in found.tpr_at_fpr] == [(1e-5, pytest.approx(10 / 600))]  # ten events by default


def test_the_maximum_has_the_value_and_error_of_the_curve():
    # eps_s = 1 - (1 - b)^2: eps_s / sqrt(b) = (2 - b) sqrt(b) is largest at b = 2/3.
    found = uniform(20_000, 20_000, replicas=50).improvement
    assert found.value.value == pytest.approx(4 / 3 * np.sqrt(2 / 3), rel=0.01)
    assert found.background_efficiency == pytest.approx(2 / 3, abs=0.08)
    assert 0 < found.value.std < 0.01


def test_the_floor_keeps_a_fluctuation_out():
    rng = np.random.default_rng(3)
    signal, background = np.concatenate([np.full(60, 5.0), rng.uniform(0, 1, 940)]), rng.uniform(0, 1, 1000)
    background[:1] = 5.0  # one event of a thousand: 0.06 / sqrt(0.001) = 1.9
    loose = working_points(signal, background, rng=rng, min_background=1).improvement
    strict = working_points(signal, background, rng=rng, min_background=100).improvement
    assert loose.value.value >= 0.06 / np.sqrt(0.001)
    assert strict.value.value < 1.1
    assert strict.background_efficiency >= 0.1
    assert working_points(signal, background, rng=rng, min_background=2000).improvement is None


def test_random_scores_have_an_improvement_of_one_and_constant_ones_too():
    assert working_points([1.0] * 50, [1.0] * 50, rng=np.random.default_rng(1)).improvement.value.value == 1.0
    rng = np.random.default_rng(4)
    noise = working_points(rng.uniform(0, 1, 5000), rng.uniform(0, 1, 5000), rng=rng, min_background=500)
    assert noise.improvement.value.value == pytest.approx(1, abs=0.05)


def test_the_band_hides_what_the_floor_hides():
    band = uniform(m=1000).metrics.band
    value, low, high = improvement_band(band, 0.05)
    hidden = band.background_efficiency < 0.05
    assert np.isnan(value[hidden]).all()
    assert np.isfinite(value[~hidden]).all()
    assert np.all(low[~hidden] <= high[~hidden])
    assert value[-1] == pytest.approx(1, abs=0.01)


scores = st.lists(st.integers(-3, 3).map(float), min_size=2, max_size=12)


@given(scores, scores, st.floats(0.05, 1))
def test_the_best_improvement_is_that_of_a_threshold_and_none_is_better(signal, background, least):
    curve = roc_curve(signal, background)
    value, index = best_improvement(curve, least)
    assert value >= 1 - 1e-12  # keeping all gives 1
    for t in {*signal, *background}:
        s, b = np.mean(np.greater_equal(signal, t)), np.mean(np.greater_equal(background, t))
        if b >= least:
            assert s / np.sqrt(b) <= value + 1e-12
    assert curve.background_efficiency[index] >= least * (1 - 1e-9)


@given(scores, scores)
def test_weights_of_a_constant_change_nothing(signal, background):
    plain = working_points(signal, background, rng=np.random.default_rng(1), replicas=5, min_background=1)
    weights = np.full(len(signal), 2.0), np.full(len(background), 0.25)
    weighted = working_points(signal, background, *weights, rng=np.random.default_rng(1), replicas=5, min_background=1)
    assert json.dumps(plain.to_json(), allow_nan=False) == json.dumps(weighted.to_json(), allow_nan=False)


def test_uneven_weights_raise_the_floor():
    rng = np.random.default_rng(5)
    weight = rng.choice([0.1, 10.0], 1000)
    background = rng.uniform(0, 1, 1000)
    found = working_points(rng.uniform(0, 2, 500), background, None, weight, rng=rng, fpr=(1e-4,))
    effective = weight.sum() ** 2 / np.square(weight).sum()
    assert found.tpr_at_fpr[0].at == pytest.approx(10 / effective, rel=0.01)
    # Where what is kept is heavier than the rest, ten effective events are a larger part of it.
    heavy = np.where(background > 0.95, 10.0, 0.1)
    found = working_points(rng.uniform(0, 2, 500), background, None, heavy, rng=rng, fpr=(1e-4,))
    assert found.tpr_at_fpr[0].at == pytest.approx(10 * 10.0 / heavy.sum())
    light = np.where(background > 0.95, 0.1, 10.0)
    # The light events are many, but the first ten heavy ones below them are what a looser threshold rests on.
    assert 90 < roc_curve([1.0], background, None, light).efficiency_that_keeps(10) * light.sum() < 105
    assert roc_curve([1.0], background, None, light).efficiency_that_keeps(1000) == np.inf


def test_refusals():
    rng = np.random.default_rng(1)
    with pytest.raises(ValueError, match="positive floor"):
        working_points([1.0], [0.0], rng=rng, min_background=0)
    with pytest.raises(ValueError, match="at least one"):
        working_points([1.0], [0.0], rng=rng, rejections_at=())
    with pytest.raises(InputDataError, match="no background events"):
        working_points([1.0], [], rng=rng)
    with pytest.raises(InputDataError, match="weights sum to 0"):
        working_points([1.0], [0.0, 1.0], None, [1.0, -1.0], rng=rng)


@pytest.mark.parametrize(("floor", "worst"), [(10, 0.16), (100, 0.055)])
def test_the_bias_of_a_maximum_over_fluctuations_is_what_the_documentation_says(floor: int, worst: float) -> None:
    """Where every threshold is as good as any other, eps_s = sqrt(eps_b), the largest is a fluctuation."""
    rng, found = np.random.default_rng(1), []
    for _ in range(60):
        background, signal = rng.exponential(1.0, 1000), rng.exponential(2.0, 4000)
        found.append(best_improvement(roc_curve(signal, background), floor / 1000)[0])
    assert 0.3 * worst < np.mean(found) - 1 < worst
