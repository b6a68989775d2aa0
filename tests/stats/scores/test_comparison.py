"""Paired differences against hand-computed cases and the spread over samples drawn anew."""

from __future__ import annotations

import json

import numpy as np
import pytest

from hepad.stats.scores.comparison import log_rejection, paired_difference
from hepad.stats.scores.roc import roc_curve, roc_metrics


def test_by_hand():
    a, b = np.array([0.5, 0.6, 0.7, 0.8]), np.array([0.5, 0.5, 0.75, 0.6])
    found = paired_difference([0.65], [0.6], [a], [b])
    assert found.value == pytest.approx(0.05)
    assert found.std == pytest.approx(np.std([0.0, 0.1, -0.05, 0.2], ddof=1))
    assert (found.low95, found.high95) == pytest.approx((-0.05, 0.2))
    assert found.p_value == 1.0  # two of four at or below zero: min(1, 2 x 3 / 5)
    assert found.training_std is None
    clear = paired_difference([1.0], [0.0], [np.ones(99)], [np.zeros(99)])
    assert clear.p_value == pytest.approx(2 / 100)  # the least that 99 replicas can give


def test_the_mean_over_trainings_and_its_spread():
    one, two = np.array([0.6, 0.8]), np.array([0.8, 1.0])
    found = paired_difference([0.7, 0.9], [0.5], [one, two], [np.array([0.5, 0.6])])
    assert found.value == pytest.approx(0.3)
    assert found.std == pytest.approx(np.std([0.7 - 0.5, 0.9 - 0.6], ddof=1))
    assert found.training_std == pytest.approx(np.std([0.7, 0.9], ddof=1) / np.sqrt(2))


def test_infinite_replicas_leave_an_end_open():
    a = log_rejection([0.1] * 6 + [0.0] * 4)
    found = paired_difference([np.log(10)], [0.0], [a], [np.zeros(10)])
    assert found.std is None
    assert found.high68 is None
    assert found.low68 == pytest.approx(np.log(10))
    both = paired_difference([0.0], [0.0], [np.array([np.inf, 1.0])], [np.array([np.inf, 1.0])])
    assert (both.low95, both.high95, both.p_value) == (0, 0, 1)
    json.dumps(found.to_json(), allow_nan=False)


def samples(rng, n):
    """Two scores of the same events that share most of what moves them."""
    shared, signal = rng.normal(0, 1, (2, n)), rng.normal(1, 1, (2, n))
    noise = rng.normal(0, 0.3, (4, n))
    return signal[0] + noise[0], shared[0] + noise[1], 0.95 * signal[0] + noise[2], shared[0] + noise[3]


def test_the_paired_error_is_the_spread_of_the_difference_and_less_than_that_of_the_parts():
    rng = np.random.default_rng(11)
    fresh = []
    for _ in range(300):
        s1, b1, s2, b2 = samples(rng, 400)
        fresh.append(roc_curve(s1, b1).auc - roc_curve(s2, b2).auc)
    s1, b1, s2, b2 = samples(rng, 400)
    one, two = (roc_metrics(s, b, rng=np.random.default_rng(3), replicas=400, grid=2) for s, b in ((s1, b1), (s2, b2)))
    found = paired_difference([one.auc.value], [two.auc.value], [one.drawn["auc"]], [two.drawn["auc"]])
    assert found.std == pytest.approx(np.std(fresh), rel=0.2)
    assert found.std < 0.5 * np.hypot(one.auc.std, two.auc.std)


def test_the_p_value_is_even_between_equal_models():
    rng = np.random.default_rng(12)
    p = []
    for _ in range(60):
        signal, background, noise = rng.normal(1, 1, 80), rng.normal(0, 1, 80), rng.normal(0, 0.5, (4, 80))
        drawn = [
            roc_metrics(signal + n, background + m, rng=np.random.default_rng(1), replicas=60, grid=2)
            for n, m in ((noise[0], noise[1]), (noise[2], noise[3]))
        ]
        values = [[m.auc.value] for m in drawn]
        p.append(paired_difference(*values, *([m.drawn["auc"]] for m in drawn)).p_value)
    assert np.mean(np.less(p, 0.1)) == pytest.approx(0.1, abs=0.1)
    assert np.mean(np.less(p, 0.5)) == pytest.approx(0.5, abs=0.17)


def test_refusals():
    with pytest.raises(ValueError, match="one shape"):
        paired_difference([1.0], [1.0], [np.zeros(3)], [np.zeros(4)])
    with pytest.raises(ValueError, match="one shape"):
        paired_difference([], [1.0], [], [np.zeros(4)])
    for drawn in ([[np.zeros(4)] * 2, [np.zeros(4)]], [[np.zeros(4)], [np.zeros(4)] * 2]):
        with pytest.raises(ValueError, match="replicas of every training"):
            paired_difference([1.0], [1.0], *drawn)
    with pytest.raises(ValueError, match="at least 2 replicas"):
        paired_difference([1.0], [1.0], [np.zeros(1)], [np.zeros(1)])
