"""Quantile regression: exact conditions of its solution."""

from __future__ import annotations

import numpy as np
import pytest

from hepad.errors import FitFailedError
from hepad.stats.scores import quantile_curves
from hepad.stats.scores.quantile_curves import quantile_polynomials, weighted_quantile

FRACTIONS = (0.3, 0.9)


def sample(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, n)
    return x, 50 + 2 * x + (1.5 + x) * rng.exponential(1, n), rng.uniform(0.5, 2, n)


def test_a_curve_meets_the_conditions_of_the_lowest_pinball_loss() -> None:
    """Zero is in the subdifferential: the events off the curve leave no more than those on it can make up for."""
    x, y, weight = sample(400)
    for fraction, curve in zip(FRACTIONS, quantile_polynomials(x, y, weight, FRACTIONS, 2), strict=True):
        powers = np.vander(x, 3, increasing=True)
        residual = y - powers @ curve
        on = np.abs(residual) < 1e-9
        assert on.sum() == 3
        slope = np.where(residual > 0, fraction, fraction - 1) * weight
        needed = np.linalg.solve((powers[on] * weight[on, None]).T, -powers[~on].T @ slope[~on])
        assert ((needed > fraction - 1 - 1e-9) & (needed < fraction + 1e-9)).all()


def test_most_events_may_be_left_to_their_side(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, weight = sample(600)
    whole = quantile_polynomials(x, y, weight, FRACTIONS, 2)
    monkeypatch.setattr(quantile_curves, "_FEW", 20)
    np.testing.assert_allclose(quantile_polynomials(x, y, weight, FRACTIONS, 2), whole, rtol=1e-9)


def test_a_constant_is_the_weighted_quantile_and_a_polynomial_itself() -> None:
    x, y, weight = sample(101)
    for fraction, (constant,) in zip(FRACTIONS, quantile_polynomials(x, y, weight, FRACTIONS, 0), strict=True):
        assert constant == pytest.approx(weighted_quantile(y, weight, fraction))
        assert weight[y < constant - 1e-9].sum() <= fraction * weight.sum() <= weight[y <= constant + 1e-9].sum()
    exact = quantile_polynomials(x, 3 - x + 2 * x**2, weight, FRACTIONS, 2)
    np.testing.assert_allclose(exact, [[3, -1, 2]] * 2, atol=1e-7)


def test_quantiles_of_weights_and_too_few_events() -> None:
    values, weight = np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 2.0])
    assert [weighted_quantile(values, weight, f) for f in (0.1, 0.25, 0.26, 0.75, 0.8, 1.0)] == [1, 1, 2, 2, 3, 3]
    with pytest.raises(FitFailedError, match="2 different values are too few for a polynomial of degree 2"):
        quantile_polynomials(np.array([0.0, 0.0, 1.0]), np.ones(3), np.ones(3), FRACTIONS, 2)
