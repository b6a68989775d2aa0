"""Distance correlation against its definition over all pairs; its p-values; humps around a window."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, norm

from hepad.stats.scores.dependence import MOST_EVENTS, dependence, hump


def by_definition(x: np.ndarray, y: np.ndarray) -> float:
    def centred(values: np.ndarray) -> np.ndarray:
        d = np.abs(values[:, None] - values)
        return d - d.mean(axis=0) - d.mean(axis=1)[:, None] + d.mean()

    a, b = centred(x), centred(y)
    return float(np.sqrt((a * b).mean() / np.sqrt((a * a).mean() * (b * b).mean())))


@pytest.mark.parametrize("digits", [1, 8])
def test_it_is_that_of_all_pairs(digits: int) -> None:
    """Ties too: scores of trees have many. Of numbers far from 0, as masses are."""
    rng = np.random.default_rng(1)
    x = np.round(rng.normal(size=200), digits)
    for y in (np.round(x**2 + 0.5 * rng.normal(size=200), digits), np.round(rng.normal(size=200), digits)):
        found = dependence(3000 + 500 * x, y, permutations=19)
        assert found.correlation == pytest.approx(by_definition(x, y), rel=1e-9)
        assert found.events == 200
    assert dependence(x, -7 * x + 3, permutations=1).correlation == pytest.approx(1)


def test_p_values_are_uniform_for_independent_numbers_and_small_for_others() -> None:
    rng = np.random.default_rng(2)
    p = [dependence(rng.normal(size=40), rng.integers(0, 4, 40), permutations=39, seed=i).p for i in range(150)]
    assert set(np.round(np.array(p) * 40)) <= set(range(1, 41))
    assert kstest(p, "uniform").pvalue > 0.01
    x = rng.normal(size=400)
    assert dependence(x, np.abs(x) + rng.normal(size=400)).p == 0.005  # not correlated in the usual sense


def test_what_is_always_the_same_depends_on_nothing() -> None:
    found = dependence(np.arange(5.0), np.ones(5))
    assert (found.correlation, found.p) == (0, 1)
    assert dependence(np.empty(0), np.empty(0)).events == 0
    assert dependence(np.ones(1), np.ones(1)).p == 1


def test_of_many_events_some_are_drawn_and_by_their_weight() -> None:
    x = np.arange(MOST_EVENTS + 5.0)
    assert dependence(x, x, permutations=1).events == MOST_EVENTS
    x, weight = np.array([0.0, 1, 2, 3, 50, 70]), np.array([1.0, 1, 1, 1, 0, 0])
    y = np.array([0.0, 1, 2, 3, -1000, 1000])
    found = dependence(x, y, weight, permutations=1)
    assert found.correlation == pytest.approx(1)
    assert found.events == 4, "none is there twice, which permutations would tear apart"


def test_unequal_weights_of_what_is_independent_say_nothing() -> None:
    rng = np.random.default_rng(1)
    p = [
        dependence(*rng.standard_normal((2, 150)), rng.uniform(0.9, 1.1, 150), permutations=39, seed=seed).p
        for seed in range(60)
    ]
    assert kstest(p, "uniform").pvalue > 0.01
    assert dependence(*rng.standard_normal((2, 150)), 1 + 1e-7 * rng.random(150), permutations=1).events == 150


def test_a_slope_is_no_hump_and_what_is_selected_around_a_window_is_one() -> None:
    rng = np.random.default_rng(3)
    mass = rng.uniform(2000, 4000, 40_000)
    sides = (2000.0, 4000.0)
    slope = rng.random(40_000) < 0.05 + 0.05 * (mass - 3000) / 1000
    found = hump(slope, mass, 2800, 3200, sides)
    assert found is not None
    assert abs(found.z) < 3
    assert found.near == pytest.approx(0.05, abs=0.005)
    around = rng.random(40_000) < 0.05 + 0.05 * (np.abs(mass - 3000) < 600)
    found = hump(around, mass, 2800, 3200, sides)
    assert found is not None
    assert (found.near, found.far) == pytest.approx((0.1, 0.05), abs=0.006)
    assert found.error == pytest.approx(np.sqrt((0.09 + 0.0475) / (2 * 8000)), rel=0.05)
    assert found.z == pytest.approx((found.near - found.far) / found.error)
    assert found.p == pytest.approx(norm.sf(found.z))
    twice = np.where(around, 2.0, 1.0)
    weighted = hump(around, mass, 2800, 3200, sides, weight=twice)
    assert weighted is not None
    assert (weighted.near, weighted.far) == pytest.approx((0.2 / 1.1, 0.1 / 1.05), abs=0.01)
    none = hump(np.zeros(40_000, dtype=bool), mass, 2800, 3200, sides)
    assert none is not None
    assert none.z == 0
    assert none.error > 0
    assert hump(slope, mass, 2001, 3200, sides) is not None
    assert hump(slope, mass, 2000.2, 3200, sides) is None
    assert hump(slope, np.where(mass < 2800, 2500.0, mass), 2800, 3200, sides) is None  # all at their median
