"""Quantiles, tails and toys against exact values: what a comparison with a tolerance or an ordering cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2, norm, poisson

from hepad.stats.bumphunt import ScanOptions, sensitivity
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.bumphunt.null import CountedNull
from hepad.stats.bumphunt.scan import Expectation
from hepad.stats.cls import asymptotic_bands, asymptotic_cls, toy_cls, toy_quantiles
from hepad.stats.comparison import paired_difference
from hepad.stats.fit import BatchFit
from hepad.stats.goodness import goodness
from hepad.stats.likelihood import Ingredients, Likelihood
from hepad.stats.limits import LimitModel, toy_limits
from hepad.stats.roc import estimate

SIGMAS = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])


def test_bands_of_toys_are_at_whole_standard_deviations() -> None:
    """Of background toys 0, 1, ... n - 1, the k-th is reached by a share of (k + 1) / n."""
    n = 100_000
    np.testing.assert_allclose((toy_quantiles(np.arange(n)) + 1) / n, norm.cdf(-SIGMAS), atol=1.1 / n)


def test_cls_of_toys_counts_those_that_reach_it() -> None:
    signal, background = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.0, 1.0, 2.0, 3.0])
    assert toy_cls(2.0, signal, background) == pytest.approx((2 / 4) / (2 / 5))
    assert toy_cls(2.0 + 1e-9, signal, background) == toy_cls(2.0, signal, background)  # equal but for rounding
    assert toy_cls(2.1, signal, background) == pytest.approx((1 / 4) / (1 / 5))


@pytest.mark.parametrize("q", [0.0, 1.0, 4.0, 4.0 + 1e-9, 9.0, 25.0])
def test_asymptotic_cls_on_both_sides_of_asimov(q: float) -> None:
    """arXiv:1007.1727, equations 65 and 66 of the distribution of q-tilde, here with sqrt(q_A) = mu / sigma = 2."""

    def beyond(mean: float) -> float:
        """P(q-tilde > q) for a mean of (mu - mu') / sigma."""
        return float(norm.sf(np.sqrt(q) - mean) if q <= 4 else norm.sf((q + 4) / 4 - mean))

    assert asymptotic_cls(q, 4.0) == pytest.approx(beyond(0.0) / beyond(2.0), rel=1e-6)
    assert asymptotic_cls(q, 0.0) == 1


def test_asymptotic_bands_are_cls_of_fluctuated_backgrounds() -> None:
    """At N sigma the background leaves sqrt(q) = sqrt(q_A) - N (equation 89): CLs = Phi(N - sqrt(q_A)) / Phi(N)."""
    np.testing.assert_allclose(asymptotic_bands(6.25), norm.cdf(SIGMAS - 2.5) / norm.cdf(SIGMAS), rtol=1e-9)


def test_the_error_of_a_limit_of_toys_is_that_of_their_shares() -> None:
    """A counting experiment with a known background: binomial errors of both tails over the slope of ln CLs."""
    b, n, toys = 3.0, 4, 4000
    limit = brentq(lambda mu: poisson.cdf(n, b + mu) - 0.05 * poisson.cdf(n, b), 1, 20)
    result = toy_limits(LimitModel(np.ones(1), np.array([b]), np.array([float(n)])), toys=toys, seed=5)
    assert result.observed == pytest.approx(limit, rel=0.05)
    tails = np.array([poisson.cdf(n, b + limit), poisson.cdf(n, b)])
    spread = np.sqrt(np.sum((1 - tails) / (toys * tails)))
    slope = np.log(poisson.cdf(n, b + limit + 0.1) / poisson.cdf(n, b + limit - 0.1)) / 0.2
    assert result.observed_error == pytest.approx(spread / abs(slope), rel=0.3)  # of 50 resamplings: three sigma


def test_toys_are_thrown_around_the_fitted_values() -> None:
    """b = 50 x 1.5^a with a = 0 +- 1, 80 events: the fit without signal lies between 50 and 80, and so do the toys."""
    likelihood = Likelihood(Ingredients(np.array([10.0]), np.array([50.0]), np.zeros(1), (), (1.5,)))
    counts, aux = likelihood.observed(np.array([80.0]))
    a = minimize_scalar(lambda a: 50 * 1.5**a - 80 * a * np.log(1.5) + a**2 / 2, bounds=(-5, 5), method="bounded").x
    thrown: list[np.ndarray] = []

    def remember(counts: np.ndarray, measured: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        thrown.append(np.concatenate([counts[:, :1], measured[:, :1]], axis=1))
        return np.zeros(len(counts)), np.ones(len(counts), dtype=bool)

    likelihood._sample(remember, 0.0, counts, aux, toys=40_000, rng=np.random.default_rng(1))
    drawn = np.concatenate(thrown)
    assert drawn.mean(axis=0) == pytest.approx([50 * 1.5**a, a], abs=5 * 9 / 200)
    assert drawn[:, 1].mean() == pytest.approx(a, abs=5 / 200)
    assert drawn.std(axis=0) == pytest.approx([np.sqrt(50 * 1.5**a), 1], rel=0.02)


def test_a_counted_null_is_the_pool_of_data_and_reference() -> None:
    """40 events and a reference of 60 with weight 2 (variance 120): 140 / 3 in the data, 70 / 3 counted beside them."""
    events, options = np.array([[60.0, 0.0, 30.0]]), ScanOptions(1, 1)
    reference = Expectation(events, np.array([[120.0, 0.0, 0.0]]), weight=2.0)  # the last is known
    null = CountedNull(np.array([[40.0, 3.0, 50.0]]), reference, Layout.line(3, options), options)
    data, again = null._pair(null._sampler(None).draw(1, 0, 40_000))
    np.testing.assert_allclose(data.mean(axis=0)[0], [140 / 3, 2.0, 30], atol=0.17)
    np.testing.assert_allclose(again.events.mean(axis=0)[0], [140 / 3, 2.0, 30], atol=0.3)
    assert again.variances is not None
    np.testing.assert_allclose(again.variances.mean(axis=0)[0], [280 / 3, 4.0, 0], atol=0.6)
    signal, _ = null._pair(null._sampler(np.array([[0.0, 0.0, 7.0]])).draw(1, 0, 40_000))
    np.testing.assert_allclose(signal.mean(axis=0)[0], [140 / 3, 2.0, 37], atol=0.17)


def test_goodness_by_hand() -> None:
    """The largest distance may be in any bin, the first included."""

    def never(counts: np.ndarray) -> BatchFit:
        raise AssertionError

    counts, expected = np.array([6.0, 1.0, 1.0]), np.array([2.0, 3.0, 3.0])
    found = goodness(counts, expected, ndf=2.0, refit=never)
    assert found.ks == pytest.approx(6 / 8 - 2 / 8)
    assert found.pearson == pytest.approx(16 / 2 + 4 / 3 + 4 / 3)
    assert found.pearson_p == pytest.approx(chi2.sf(16 / 2 + 8 / 3, 2))
    assert found.deviance == pytest.approx(2 * float(np.sum(counts * np.log(counts / expected))))
    assert found.p_value == pytest.approx(chi2.sf(found.deviance, 2))
    assert (found.sparse_bins, found.toys, found.p_toys) == (3, 0, None)
    assert goodness(counts[::-1], expected[::-1], ndf=2.0, refit=never).ks == pytest.approx(0.5)
    middle = goodness(np.array([1.0, 6.0, 1.0]), np.array([2.0, 1.0, 5.0]), ndf=2.0, refit=never)
    assert middle.ks == pytest.approx(7 / 8 - 3 / 8)


def test_intervals_hold_what_they_say() -> None:
    drawn = np.random.default_rng(0).permutation(np.arange(10_001.0)) - 5000
    found = paired_difference([0.0], [0.0], [drawn], [np.zeros(10_001)])
    assert (found.low95, found.high95) == (-4750, 4750)  # 2.5 % on each side
    one = round(10_000 * (0.5 - norm.cdf(-1)))
    assert (found.low68, found.high68) == (-one, one)
    own = estimate(0.0, drawn)
    assert (own.low, own.high) == pytest.approx(((norm.cdf(-1) - 0.5) * 1e4, (norm.cdf(1) - 0.5) * 1e4))
    assert own.std == pytest.approx(drawn.std(ddof=1))


def test_bands_of_a_sensitivity_are_at_whole_standard_deviations() -> None:
    """Pseudo-experiments with statistics 0, 1, ...; background whose statistic has a normal global significance."""

    class Null:
        def draw(self, toys: int, seed: int, *, signal: np.ndarray) -> np.ndarray:
            return np.arange(float(toys)) / toys

    background = np.arange(100_000.0) / 100_000
    found = sensitivity(Null(), np.ones((1, 3)), np.array([5.0]), background=background, toys=100_000)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.z[0], SIGMAS, atol=2e-3)
    assert found.power[0] == pytest.approx(norm.sf(3), abs=2e-5)
    assert found.ceiling == pytest.approx(norm.isf(1 / 100_001))
