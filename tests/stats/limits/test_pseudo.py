"""Pseudo-experiments that are pooled and weighed, against exact values of counting experiments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import norm, poisson

from hepad.stats.limits.likelihood import Ingredients, Likelihood
from hepad.stats.limits.limits import LimitModel, toy_limits
from hepad.stats.limits.pseudo import Pool

SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def test_bands_of_toys_are_at_whole_standard_deviations() -> None:
    """Of background toys 0, 1, ... n - 1, the k-th is reached by a share of (k + 1) / n."""
    n = 100_000
    pool = Pool(np.tile(np.arange(float(n)), 2), np.zeros(2 * n), n, 0)
    np.testing.assert_allclose((pool.quantiles() + 1) / n, norm.cdf(-SIGMAS), atol=1.1 / n)


def test_toys_weigh_their_probability_over_that_of_the_pool() -> None:
    """Two samples of a counting experiment, b = 2 and s = 3, in which every count is as frequent as it is probable."""
    n = np.arange(30.0)
    signal, background = poisson.pmf(n, 5.0), poisson.pmf(n, 2.0)
    # One toy of each count and hypothesis would be right, were the hypotheses flat: what counts are the ratios alone.
    pool = Pool(np.tile(n[::-1], 2), np.tile(np.log(signal / background), 2), 30, 0)
    with_signal, without = pool.weights
    np.testing.assert_allclose(with_signal / without, np.tile(signal / background, 2))
    np.testing.assert_allclose(30 * (with_signal + without), 1)
    beyond = n <= 7  # the statistic falls with the count
    expected = np.sum((signal / (signal + background))[beyond]) / np.sum((background / (signal + background))[beyond])
    assert pool.cls(22.0) == pytest.approx(expected)
    assert pool.cls(22.0 + 1e-9) == pool.cls(22.0)  # equal but for rounding
    assert pool.cls(22.1) < pool.cls(22.0)
    assert np.isnan(pool.cls(30.0))  # none reaches it: nothing is known
    assert np.isnan(pool.tail(30.0)[0])
    uneven = Pool(pool.statistic[20:], pool.ratio[20:], 10, 0)  # 10 with a signal and 30 without
    np.testing.assert_allclose(10 * uneven.weights[0] + 30 * uneven.weights[1], 1)


def test_the_error_of_a_limit_of_toys_is_that_of_their_weights() -> None:
    """A counting experiment with a known background: the variance of both weighted sums over the slope of ln CLs."""
    b, n, toys = 3.0, 4, 4000
    limit = brentq(lambda mu: poisson.cdf(n, b + mu) - 0.05 * poisson.cdf(n, b), 1, 20)
    result = toy_limits(LimitModel(np.ones(1), np.array([b]), np.array([float(n)])), toys=toys, seed=5)
    counts = np.arange(60)
    with_signal, without = poisson.pmf(counts, b + limit), poisson.pmf(counts, b)
    weigh = np.where(counts <= n, (with_signal - 0.05 * without) / (with_signal + without), 0.0)
    variance = sum(float(np.sum(p * weigh**2) - np.sum(p * weigh) ** 2) for p in (with_signal, without)) / toys
    slope = np.log(poisson.cdf(n, b + limit + 0.1) / poisson.cdf(n, b + limit - 0.1)) / 0.2
    error = np.sqrt(variance) / poisson.cdf(n, b) / 0.05 / abs(slope)
    assert result.observed == pytest.approx(limit, abs=4 * error)
    assert result.observed_error == pytest.approx(error, rel=0.3)  # of 50 resamplings: three sigma


def test_toys_are_thrown_around_the_fitted_values() -> None:
    """b = 50 x 1.5^a with a = 0 +- 1, 80 events: the fit without signal lies between 50 and 80, and so do the toys."""
    likelihood = Likelihood(Ingredients(np.array([10.0]), np.array([50.0]), np.zeros(1), (), np.array([[1.5]])))
    counts, aux = likelihood.observed(np.array([80.0]))
    a = minimize_scalar(lambda a: 50 * 1.5**a - 80 * a * np.log(1.5) + a**2 / 2, bounds=(-5, 5), method="bounded").x
    thrown: list[np.ndarray] = []

    def remember(counts: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        thrown.append(np.concatenate([counts[:, :1], measured[:, :1]], axis=1))
        return np.zeros(len(counts)), np.ones(len(counts), dtype=bool)

    pool = likelihood._pool(remember, 3.0, counts, aux, toys=40_000, rng=np.random.default_rng(1))
    drawn = np.concatenate(thrown)[pool.signals :]
    assert drawn.mean(axis=0) == pytest.approx([50 * 1.5**a, a], abs=5 * 9 / 200)
    assert drawn[:, 1].mean() == pytest.approx(a, abs=5 / 200)
    assert drawn.std(axis=0) == pytest.approx([np.sqrt(50 * 1.5**a), 1], rel=0.02)
    # With 30 events of signal the 80 are what is expected: a = 0. The ratio is that of the two probabilities.
    own = np.concatenate(thrown)[: pool.signals]
    assert own.mean(axis=0) == pytest.approx([80, 0], abs=5 * 9 / 200)
    logs = poisson.logpmf(own[:, 0], 80) + norm.logpdf(own[:, 1])
    logs -= poisson.logpmf(own[:, 0], 50 * 1.5**a) + norm.logpdf(own[:, 1], a)
    np.testing.assert_allclose(pool.ratio[: pool.signals], logs, atol=1e-3)
