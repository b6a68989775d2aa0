"""ROC curves against hand-computed cases, brute force and analytic errors."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.errors import InputDataError
from hepad.stats.scores.roc import ZERO_EVENT_LIMIT, Estimate, roc_curve, roc_metrics

SIGNAL = [3.0, 2.0, 2.0, 0.0]
BACKGROUND = [2.0, 1.0, 1.0, 0.0]


def brute_force_auc(signal, background, signal_weight, background_weight):
    total = sum(
        ws * wb * ((s > b) + 0.5 * (s == b))
        for s, ws in zip(signal, signal_weight, strict=True)
        for b, wb in zip(background, background_weight, strict=True)
    )
    return total / (sum(signal_weight) * sum(background_weight))


def test_a_small_case_with_ties_by_hand():
    curve = roc_curve(SIGNAL, BACKGROUND)
    assert curve.threshold.tolist() == [np.inf, 3, 2, 1, 0]
    assert curve.signal_efficiency.tolist() == [0, 0.25, 0.75, 0.75, 1]
    assert curve.background_efficiency.tolist() == [0, 0, 0.25, 0.75, 1]
    # 3 beats all four; each 2 beats three and ties one; 0 ties one: (4 + 3.5 + 3.5 + 0.5) / 16
    assert curve.auc == 11.5 / 16
    assert curve.background_entries == 4


def test_the_efficiency_that_keeps_so_many_events_is_linear_between_thresholds():
    curve = roc_curve(SIGNAL, BACKGROUND)
    assert curve.background_kept.tolist() == [0, 0, 1, 3, 4]
    assert [curve.efficiency_that_keeps(n) for n in (0.5, 1, 2, 3.5, 4, 5)] == [0.125, 0.25, 0.5, 0.875, 1, np.inf]


def test_a_small_case_with_weights_by_hand():
    curve = roc_curve(SIGNAL, BACKGROUND, [1, 1, 2, 4], [1, 2, 3, 4])
    assert curve.signal_efficiency.tolist() == [0, 1 / 8, 0.5, 0.5, 1]
    assert curve.background_efficiency.tolist() == [0, 0, 0.1, 0.6, 1]
    # 3 beats a weight of 10; 2 beats 9 and ties with 1; 0 ties with 4: 1 x 10 + 3 x 9.5 + 4 x 2 of 80 pairs.
    assert curve.auc == pytest.approx(46.5 / 80, rel=1e-15)
    assert curve.background_entries == pytest.approx(100 / 30)


def test_weights_of_one_and_repeated_events_say_the_same():
    weighted = roc_curve(SIGNAL, BACKGROUND, [2, 1, 1, 3], [1, 4, 1, 1])
    repeated = roc_curve([3, 3, 2, 2, 0, 0, 0], [2, 1, 1, 1, 1, 1, 0])
    np.testing.assert_array_equal(weighted.signal_efficiency, repeated.signal_efficiency)
    np.testing.assert_array_equal(weighted.background_efficiency, repeated.background_efficiency)


def test_look_ups_interpolate_along_a_tie():
    curve = roc_curve(SIGNAL, BACKGROUND)
    # On the tie at 2 the curve runs from (0.25, 0) to (0.75, 0.25): half of it at 0.5.
    assert curve.background_efficiency_at(0.5) == 0.125
    assert curve.rejection_at(0.5) == Estimate(8.0)
    assert curve.signal_efficiency_at(0.125) == 0.5
    # At a step the best point counts: 0.75 of the signal is reached with 0.25 of the background, not 0.75.
    assert curve.background_efficiency_at(0.75) == 0.25
    assert curve.signal_efficiency_at(0.0) == 0.25
    assert curve.signal_efficiency_at([0.25, 0.75, 1.0]).tolist() == [0.75, 0.75, 1.0]
    assert curve.background_efficiency_at([[0.0, 1.0]]).tolist() == [[0.0, 1.0]]


def test_all_signal_is_reached_where_the_curve_ends_flat():
    curve = roc_curve([2, 0], [1])
    assert curve.signal_efficiency_at(1.0) == 1.0
    assert curve.background_efficiency_at(1.0) == 1.0


def test_an_efficiency_that_a_threshold_meets_exactly_is_not_missed_by_rounding():
    rng = np.random.default_rng(5)
    signal = np.arange(10.0)[::-1]
    weight = np.full(10, 0.1) * rng.uniform(1, 2)
    curve = roc_curve(signal, [6.5, -1.0], weight)  # three events above 6.5
    assert curve.background_efficiency_at(0.3) == 0.0


def test_no_surviving_background_gives_a_finite_lower_limit():
    rejection = roc_curve([2.0] * 10, [1.0] * 600).rejection_at()
    assert rejection.is_lower_limit
    assert rejection.value == pytest.approx(600 / ZERO_EVENT_LIMIT)
    assert 2.9957 < ZERO_EVENT_LIMIT < 2.9958
    weighted = roc_curve([2.0], [1.0, 1.0], background_weight=[1.0, 3.0]).rejection_at()
    assert weighted.value == pytest.approx(1.6 / ZERO_EVENT_LIMIT)  # 16 / 10 effective events


def test_perfect_inverted_and_constant_scores():
    assert roc_curve([2, 3], [0, 1]).auc == 1.0
    assert roc_curve([0, 1], [2, 3]).auc == 0.0
    constant = roc_curve([1.0] * 5, [1.0] * 7)
    assert constant.auc == 0.5
    assert constant.rejection_at(0.3).value == pytest.approx(1 / 0.3)


def test_negative_weights_count_in_the_area_and_look_ups_stay_monotone():
    signal, background, weight = [3.0, 2.0, 1.0], [2.5, 0.0], [2.0, -0.5, 1.0]
    curve = roc_curve(signal, background, weight)
    assert curve.auc == pytest.approx(brute_force_auc(signal, background, weight, [1.0, 1.0]))
    rising = curve.background_efficiency_at(np.linspace(0, 1, 50))
    assert np.all(np.diff(rising) >= 0)


scores = st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=12)


@given(scores, scores, st.randoms(use_true_random=False))
def test_auc_is_the_pair_count(signal, background, random):
    ws = [random.uniform(0.1, 3) for _ in signal]
    wb = [random.uniform(0.1, 3) for _ in background]
    curve = roc_curve(signal, background, ws, wb)
    assert curve.auc == pytest.approx(brute_force_auc(signal, background, ws, wb), abs=1e-12)
    assert np.all(np.diff(curve.signal_efficiency) >= 0)
    assert np.all(np.diff(curve.background_efficiency) >= 0)


@given(scores, scores)
def test_auc_turns_over_when_the_samples_swap_and_ignores_the_scale_of_scores(signal, background):
    curve = roc_curve(signal, background)
    assert curve.auc + roc_curve(background, signal).auc == pytest.approx(1)
    assert roc_curve(np.exp(signal), np.exp(background)).auc == pytest.approx(curve.auc)


@given(scores, scores, st.floats(0, 1))
def test_the_two_look_ups_undo_each_other(signal, background, efficiency):
    curve = roc_curve(signal, background)
    kept = curve.background_efficiency_at(efficiency)
    assert curve.signal_efficiency_at(kept) >= efficiency - 1e-9


def hanley_mcneil(auc, n, m):
    """J. A. Hanley and B. J. McNeil, Radiology 143 (1982) 29, exact for exponential scores."""
    q1, q2 = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    return np.sqrt((auc * (1 - auc) + (n - 1) * (q1 - auc**2) + (m - 1) * (q2 - auc**2)) / (n * m))


@pytest.mark.parametrize("scale", [1.5, 4.0])
def test_bootstrap_error_of_the_auc_is_that_of_hanley_and_mcneil(scale):
    rng = np.random.default_rng(7)
    n, m = 800, 1500
    metrics = roc_metrics(rng.exponential(scale, n), rng.exponential(1, m), rng=rng, replicas=1000, grid=5)
    expected = hanley_mcneil(scale / (1 + scale), n, m)
    assert metrics.auc.std == pytest.approx(expected, rel=0.10)
    assert metrics.auc.high - metrics.auc.low == pytest.approx(2 * expected, rel=0.15)
    assert abs(metrics.auc.value - scale / (1 + scale)) < 4 * expected


def test_bootstrap_error_of_an_efficiency_is_binomial_and_counts_the_threshold():
    # With uniform background the threshold at eps_b also fluctuates: var = e(1-e)/n + slope^2 b(1-b)/m.
    n, m, b = 2000, 4000, 0.1
    efficiency, slope = 1 - (1 - b) ** 2, 2 * (1 - b)
    expected = np.sqrt(efficiency * (1 - efficiency) / n + slope**2 * b * (1 - b) / m)
    found = []
    for seed in range(6):  # one sample's density at the threshold moves its error by 9 %: average over samples
        rng = np.random.default_rng(seed)
        signal, background = rng.uniform(0, 1, n) ** 0.5, rng.uniform(0, 1, m)
        metrics = roc_metrics(signal, background, rng=rng, background_efficiencies=[b], grid=5)
        found.append(metrics.signal_efficiency[b])
    assert np.mean([f.value for f in found]) == pytest.approx(efficiency, abs=4 * expected / np.sqrt(6))
    assert np.mean([f.std for f in found]) == pytest.approx(expected, rel=0.11)


def test_bootstrap_error_of_the_rejection_is_propagated_from_the_efficiency():
    rng = np.random.default_rng(13)
    n, m = 20_000, 5000
    signal, background = rng.uniform(0, 1, n) + 0.5, rng.uniform(0, 1, m)
    metrics = roc_metrics(signal, background, rng=rng, rejection_at=0.6, replicas=500, grid=5)
    # eps_s = 0.6 is a threshold of 0.9, so eps_b = 0.1; both have unit slope.
    expected = np.sqrt(0.1 * 0.9 / m + 0.6 * 0.4 / n) / 0.1**2
    assert metrics.rejection.value == pytest.approx(10, abs=4 * expected)
    assert metrics.rejection.std == pytest.approx(expected, rel=0.15)
    assert metrics.rejection.low < metrics.rejection.value < metrics.rejection.high


def test_weights_widen_the_errors():
    rng = np.random.default_rng(17)
    signal, background = rng.exponential(3, 500), rng.exponential(1, 500)
    weight = rng.choice([0.05, 4.0], 500)
    plain = roc_metrics(signal, background, rng=np.random.default_rng(1), grid=5)
    spread = roc_metrics(signal, background, background_weight=weight, rng=np.random.default_rng(1), grid=5)
    assert spread.auc.std > 1.1 * plain.auc.std
    constant = roc_metrics(signal, background, background_weight=[2.5] * 500, rng=np.random.default_rng(1), grid=5)
    assert constant.auc.std == pytest.approx(plain.auc.std, rel=1e-9)


def test_the_band_holds_the_curve_and_json_holds_no_infinity():
    rng = np.random.default_rng(19)
    metrics = roc_metrics(
        rng.normal(3, 1, 400), rng.normal(0, 1, 300), rng=rng, background_efficiencies=[0.01], grid=20
    )
    band = metrics.band
    assert band.signal_efficiency[0] == 0.05
    assert band.signal_efficiency[-1] == 1
    assert np.all(band.low <= band.high)
    inside = (band.low <= band.background_efficiency) & (band.background_efficiency <= band.high)
    assert inside.mean() > 0.8
    result = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert result["rejection_at_0.3"]["is_lower_limit"] is True
    assert result["rejection_at_0.3"]["high"] is None
    assert result["signal_efficiency_at"]["0.01"]["value"] > 0.5
    assert result["bootstrap_replicas"] == 200


def test_an_interval_without_upper_end_says_none():
    # One background event above the threshold: about a third of the replicas lose it.
    metrics = roc_metrics([1.0] * 50, [2.0] + [0.0] * 99, rng=np.random.default_rng(23), grid=2)
    assert metrics.rejection.value == pytest.approx(100)
    assert not metrics.rejection.is_lower_limit
    assert metrics.rejection.high is None
    assert np.isfinite(metrics.rejection.std)


def test_the_seed_decides_and_the_input_is_left_alone():
    signal = np.array([1.0, 2.0, 3.0, 4.0])
    background = np.array([0.0, 1.0, 2.0, 5.0])
    before = signal.copy(), background.copy()
    one, two, other = (roc_metrics(signal, background, rng=np.random.default_rng(s), grid=3) for s in (1, 1, 2))
    assert one.to_json() == two.to_json()
    assert one.auc.std != other.auc.std
    np.testing.assert_array_equal(signal, before[0])
    np.testing.assert_array_equal(background, before[1])


def test_replicas_without_weight_are_passed_over():
    weight = [1.0, 0.0]
    metrics = roc_metrics([1.0, 2.0], [0.0, 1.0], weight, rng=np.random.default_rng(1), replicas=100, grid=2)
    assert 50 < metrics.replicas < 95  # a quarter of them draws the weightless event twice


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([], [1.0]), "no signal events"),
        (([1.0], []), "no background events"),
        (([np.nan, 1.0], [1.0]), "1 of 2 signal scores"),
        (([1.0], [1.0, np.inf]), "1 of 2 background scores"),
        (([1.0], [1.0], [np.nan]), "1 of 1 signal weights"),
        (([1.0], [1.0], None, [0.0]), "background weights sum to 0"),
        (([1.0, 2.0], [1.0], [1.0, -2.0]), "signal weights sum to -1"),
    ],
)
def test_data_that_gives_no_curve_is_refused(arguments, message):
    with pytest.raises(InputDataError, match=message):
        roc_curve(*arguments)


def test_wrong_shapes_and_efficiencies_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        roc_curve([[1.0]], [1.0])
    with pytest.raises(ValueError, match="one shape"):
        roc_curve([1.0], [1.0, 2.0], None, [1.0])
    with pytest.raises(ValueError, match="from 0 to 1"):
        roc_curve([1.0], [0.0]).rejection_at(1.5)
    with pytest.raises(ValueError, match="from 0 to 1"):
        roc_metrics([1.0], [0.0], rng=np.random.default_rng(1), background_efficiencies=[np.nan])
    with pytest.raises(ValueError, match="at least 2 replicas"):
        roc_metrics([1.0], [0.0], rng=np.random.default_rng(1), replicas=1)
