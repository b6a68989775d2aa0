"""Weights that match distributions: against exact shares, and what they are for."""

from __future__ import annotations

import numpy as np

from hepad.methods.base.reweighted import LEAST, MOST, matching_factors


def test_events_have_the_shares_of_the_others_afterwards() -> None:
    rng = np.random.default_rng(1)
    values, weight = rng.normal(size=4000), rng.uniform(0.5, 2, 4000)
    wanted = np.arange(4000) % 2 == 0
    values[wanted] = 0.2 + 0.9 * values[wanted]
    factors = matching_factors(values, weight, wanted, ~wanted)
    edges = [-np.inf, *np.quantile(values[wanted], np.linspace(0, 1, 21)[1:-1]), np.inf]
    target = np.histogram(values[wanted], edges, weights=weight[wanted])[0]
    found = np.histogram(values[~wanted], edges, weights=weight[~wanted] * factors)[0]
    np.testing.assert_allclose(found / found.sum(), target / target.sum(), rtol=1e-9)
    assert factors.min() > LEAST
    assert factors.max() < MOST


def test_ratios_are_bounded_and_equal_numbers_are_in_one_bin() -> None:
    values = np.concatenate([np.zeros(100), np.ones(100), np.full(1, 0.0), np.full(199, 1.0)])
    changed = np.arange(400) >= 200
    factors = matching_factors(values, np.ones(400), ~changed, changed)
    assert factors[0] == MOST  # a half of those wanted, a 200th of these
    np.testing.assert_allclose(factors[1:], 0.5 / (199 / 200))
    apart = matching_factors(np.where(changed, 5.0, values), np.ones(400), ~changed, changed)
    np.testing.assert_allclose(apart, 0.5)
    peaked = np.where(changed, 0.52, np.arange(400) / 200)
    assert set(matching_factors(peaked, np.ones(400), ~changed, changed)) == {LEAST}
