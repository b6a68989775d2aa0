"""Exact tests of two samples in classes."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from hepad.stats.counts.partition import excess_p_values, partition_test


def test_a_p_value_is_a_sum_of_hypergeometric_probabilities() -> None:
    """7 of 9 events of a class are data, which are 20 of 50: sum over 7, 8, 9 of C(9, k) C(41, 20 - k) / C(50, 20)."""
    expected = sum(comb(9, k) * comb(41, 20 - k) for k in (7, 8, 9)) / comb(50, 20)
    np.testing.assert_allclose(excess_p_values([7, 0], [9, 9], 20, 50), [expected, 1.0], rtol=1e-12)


def test_two_classes_are_one_question() -> None:
    """Of two classes only one can be in excess: the smallest p-value's distribution is known without toys."""
    found = partition_test([14, 6], [6, 24], toys=20_000, seed=1)
    np.testing.assert_allclose(found.expected, [4.0, 16.0])
    one = np.array([comb(20, k) * comb(30, 20 - k) / comb(50, 20) for k in range(21)])
    high, low = np.cumsum(one[::-1])[::-1], np.cumsum(one)  # p of the first class, and of the second
    assert found.p_value[0] == pytest.approx(high[14])
    exact = one[np.minimum(high, low) <= high[14] * (1 + 1e-9)].sum()
    assert found.global_p_value == pytest.approx(exact, abs=4 * np.sqrt(exact / 20_000))
    assert found.global_p_value == (1 + found.reached) / 20_001


def test_the_global_p_value_is_flat_if_nothing_is_there() -> None:
    """400 null experiments in seven classes; a Bonferroni correction alone would not be: the local ones are not."""
    rng = np.random.default_rng(5)
    sizes = np.array([90, 60, 60, 40, 30, 20, 12])
    tests = [
        partition_test(one, sizes - one, toys=400, seed=i)
        for i, one in enumerate(rng.multivariate_hypergeometric(sizes, 130, size=400))
    ]
    p = np.array([one.global_p_value for one in tests])
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.5 * np.sqrt(level * (1 - level) / 400))
    assert np.mean([one.p_value.min() <= 0.05 for one in tests]) > 0.15


def test_an_excess_is_found() -> None:
    found = partition_test([40, 20, 20], [10, 40, 40], toys=1000, seed=2)
    assert found.p_value.argmin() == 0
    tail = sum(comb(50, k) * comb(120, 80 - k) for k in range(40, 51)) / comb(170, 80)
    assert found.p_value[0] == pytest.approx(tail, rel=1e-9)
    assert tail < 1e-7
    assert (found.reached, found.global_p_value) == (0, 1 / 1001)


@pytest.mark.parametrize(
    ("one", "two"), [([0, 0], [1, 2]), ([1, 2], [0, 0]), ([1], [1, 2]), ([-1, 2], [1, 2]), ([1.5], [2.0])]
)
def test_what_is_no_count_is_refused(one: list[float], two: list[float]) -> None:
    with pytest.raises(ValueError, match=r"events of both|whole numbers"):
        partition_test(one, two, toys=10, seed=1)
