"""Acceptances of weighted events: golden values, what must not matter, and the coverage of the interval."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from hepad.stats.acceptance import Sums, clopper_pearson, generated_sums, weighted_acceptance


def sums(weights):
    w = np.asarray(weights, dtype=float)
    return Sums(len(w), float(w.sum()), float((w**2).sum()))


def accepted(weights, passed, **options):
    w, mask = np.asarray(weights, dtype=float), np.asarray(passed, dtype=bool)
    return weighted_acceptance(sums(w[mask]), sums(w), **options)


def test_equal_weights_give_the_binomial_error():
    found = weighted_acceptance(sums([0.5] * 21), sums([0.5] * 100))
    assert found.value == pytest.approx(0.21)
    assert found.error == pytest.approx(math.sqrt(0.21 * 0.79 / 100))
    assert found.low < 0.21 < found.high
    assert found.events == 21
    assert found.model_error is None


def test_clopper_pearson_agrees_with_closed_forms_and_r():
    assert clopper_pearson(0, 10, content=0.9) == (0.0, pytest.approx(1 - 0.05 ** (1 / 10)))
    assert clopper_pearson(10, 10, content=0.9) == (pytest.approx(0.05 ** (1 / 10)), 1.0)
    # R 4: binom.test(10, 20)$conf.int
    low, high = clopper_pearson(10, 20, content=0.95)
    assert (low, high) == (pytest.approx(0.27196, abs=1e-5), pytest.approx(0.72804, abs=1e-5))


def test_nothing_selected_is_an_answer():
    found = accepted([2.0] * 50, [False] * 50)
    assert found.value == 0
    assert found.upper_95 == pytest.approx(1 - 0.05 ** (1 / 50))
    assert found.low == 0 < found.high
    assert found.error == found.high


def test_all_selected_has_an_error_too():
    found = accepted([1.0, 2.0, 0.5], [True] * 3)
    assert found.value == 1
    assert found.high == 1 > found.low
    assert found.error == pytest.approx(1 - found.low)


def test_events_without_a_weight_are_refused():
    for weights in ([], [1.0, -1.0], [-1.0, 0.5], [float("nan")]):
        with pytest.raises(ValueError, match="sum to"):
            weighted_acceptance(Sums(0, 0.0, 0.0), sums(weights))


@pytest.mark.parametrize("negative", [0.0, 0.2])
def test_the_error_is_the_spread_of_repeated_samples(negative):
    rng = np.random.default_rng(1)
    values, errors = [], []
    for _ in range(2000):
        w = rng.exponential(size=300) * np.where(rng.random(300) < negative, -1.0, 1.0)
        found = accepted(w, rng.random(300) < 0.2)
        values.append(found.value)
        errors.append(found.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.05)


@pytest.mark.parametrize("truth", [0.003, 0.05, 0.5, 0.97])
def test_the_interval_covers(truth):
    n = 100
    counts = np.arange(n + 1)
    intervals = np.array([clopper_pearson(int(k), n) for k in counts])
    inside = (intervals[:, 0] <= truth) & (truth <= intervals[:, 1])
    assert binom.pmf(counts, n, truth)[inside].sum() >= 0.6827


weights = st.lists(st.tuples(st.floats(0.01, 100.0), st.booleans()), min_size=1, max_size=40)


@given(weights, st.floats(1e-3, 1e3))
def test_the_scale_of_the_weights_does_not_matter(events, scale):
    w, mask = np.array([w for w, _ in events]), [passed for _, passed in events]
    plain, scaled = accepted(w, mask), accepted(scale * w, mask)
    for name in ("value", "error", "low", "high", "upper_95"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name), rel=1e-9, abs=1e-12)


@given(weights)
def test_the_interval_holds_the_value_and_stays_in_range(events):
    found = accepted([w for w, _ in events], [passed for _, passed in events])
    assert -1e-12 <= found.low <= found.value + 1e-9
    assert found.value - 1e-9 <= found.high <= 1
    assert found.upper_95 >= found.high - 1e-12
    assert found.error >= 0


@given(weights)
def test_what_passes_and_what_fails_have_the_same_error(events):
    w, mask = [w for w, _ in events], np.array([passed for _, passed in events])
    passed, failed = accepted(w, mask), accepted(w, ~mask)
    assert passed.value + failed.value == pytest.approx(1)
    assert passed.error == pytest.approx(failed.error, rel=1e-6, abs=1e-9)


def test_a_skim_counts_what_was_generated():
    read = Sums(100, 50.0, 25.0)
    assert generated_sums(read, None, None) == read
    assert generated_sums(read, 400, None) == Sums(400, 200.0, 100.0)
    assert generated_sums(read, 400, 150.0) == Sums(400, 150.0, 75.0)
    assert generated_sums(read, None, 100.0) == Sums(200, 100.0, 50.0)
