"""Acceptances of weighted events: golden values, what must not matter, and the coverage of the interval."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson

from hepad.stats.scores.acceptance import Sums, clopper_pearson, generated_sums, weighted_acceptance


def sums(weights):
    w = np.asarray(weights, dtype=float)
    return Sums(len(w), float(w.sum()), float((w**2).sum()), float(-w[w < 0].sum()))


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


def test_signs_that_are_known_scale_the_interval_of_all_events():
    """Weights of +1 and -1: in units of the error, the ends are those of 13 of 48 events without their signs."""
    passed, total = sums([1.0] * 10 + [-1.0] * 3), sums([1.0] * 40 + [-1.0] * 8)
    found = weighted_acceptance(passed, total)
    assert found.value == pytest.approx(7 / 32)
    assert found.error == pytest.approx(math.sqrt((25 / 32) ** 2 * 13 + (7 / 32) ** 2 * 35) / 32)
    ends = [(end - 13 / 48) / math.sqrt(13 * 35 / 48**3) for end in clopper_pearson(13, 48, content=0.6826894921370859)]
    assert [(end - found.value) / found.error for end in (found.low, found.high)] == pytest.approx(ends, rel=1e-6)
    unknown = weighted_acceptance(replace(passed, negative=None), replace(total, negative=None))
    assert unknown.low <= found.low
    assert unknown.high > found.high
    assert (unknown.value, unknown.error) == (found.value, found.error)


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


def numbers(mean):
    """Poisson numbers and their chances: all that matter, or three that give a Gaussian's moments where it is one."""
    if mean > 300:
        return np.rint(mean + math.sqrt(3 * mean) * np.array([-1, 0, 1])), np.array([1, 4, 1]) / 6
    reach = np.arange(max(0, int(mean - 3.5 * math.sqrt(mean))), int(mean + 4 * math.sqrt(mean)) + 4)
    return reach, poisson.pmf(reach, mean)


def coverage(passing, failing, *, signs_known):
    """How often the interval holds, and the bound exceeds, the true fraction: summed over all Poisson numbers.

    `passing` and `failing` are pairs (expected number, weight) of classes of events.
    """
    classes = [*passing, *failing]
    grids = [numbers(n) for n, _ in classes]
    truth = sum(n * w for n, w in passing) / sum(n * w for n, w in classes)
    inside = above = total = 0.0
    for index in np.ndindex(*(len(grid) for grid, _ in grids)):
        chance = math.prod(c[i] for (_, c), i in zip(grids, index, strict=True))
        if chance < 1e-6:
            continue
        rows = [(int(grid[i]), w) for (grid, _), i, (_, w) in zip(grids, index, classes, strict=True)]
        found = weighted_acceptance(summed(rows[: len(passing)], signs_known), summed(rows, signs_known))
        inside += chance * (found.low <= truth <= found.high)
        above += chance * (truth <= found.upper_95)
        total += chance
    return inside / total, above / total


def summed(rows, signs_known):
    weight, weight2 = sum(n * w for n, w in rows), sum(n * w * w for n, w in rows)
    return Sums(sum(n for n, _ in rows), weight, weight2, sum(-n * min(w, 0) for n, w in rows) if signs_known else None)


@pytest.mark.parametrize("signs_known", [True, False])
@pytest.mark.parametrize(
    ("passing", "failing"),
    [
        ([(10, 100.0)], [(10_000, 1.0)]),  # a slice of heavy events passes
        ([(60, 1.0)], [(30, 100.0)]),  # or fails
        ([(8, 20.0), (40, 1.0)], [(3000, 1.0)]),  # heavy and light events pass
        ([(14, 1.0), (6, -1.0)], [(500, 0.8)]),
        ([(22, 1.0), (18, -1.0)], [(800, 1.0)]),  # next to nothing is left of what passes
    ],
)
def test_the_interval_of_unequal_weights_covers(passing, failing, signs_known):
    interval, bound = coverage(passing, failing, signs_known=signs_known)
    assert 0.68 < interval < (0.87 if signs_known else 0.93)
    assert bound > 0.945


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
    assert generated_sums(Sums(9, 5.0, 9.0, 2.0), 18, None) == Sums(18, 10.0, 18.0, 4.0)


def test_sums_add_and_subtract_what_is_known():
    known, unknown = Sums(3, 1.0, 3.0, 1.0), Sums(1, 0.5, 0.25)
    assert known + known == Sums(6, 2.0, 6.0, 2.0)
    assert (known + unknown).negative is None
    assert known + known - known == known
    assert (known - unknown).negative is None
