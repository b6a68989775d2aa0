"""Exact sums of counting experiments against closed forms and independent sums, and which calculator is chosen."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import gammaln, ndtr, xlogy
from scipy.stats import norm, poisson

from hepad.errors import UsageError
from hepad.stats.limits.abcd import AbcdExperiment, AbcdModel
from hepad.stats.limits.calculator import combined_experiment, set_limit
from hepad.stats.limits.discovery import local_excess
from hepad.stats.limits.limits import CountingExperiment, LimitModel, asymptotic_limits, exact_limits
from hepad.stats.limits.pseudo import ToysCannotTellError, toy_result
from hepad.stats.limits.resonance import ResonanceChannel

FloatArray = np.ndarray


def counting(background: float, data: float | None = None, **errors: float) -> LimitModel:
    observed = None if data is None else np.array([data])
    return LimitModel(np.ones(1), np.array([background]), observed, **errors)  # type: ignore[arg-type]


def known_limit(n: int, background: float) -> float:
    """The mu at which P(N <= n | mu + b) = 0.05 P(N <= n | b)."""
    tail = poisson.logcdf(n, background)
    return float(brentq(lambda mu: poisson.logcdf(n, mu + background) - tail - np.log(0.05), 1e-3, 200))


@pytest.mark.parametrize(
    ("background", "data", "limit"),
    [(20, 3, 3.450), (100, 0, 2.996), (15, 2, 3.378), (20, 2, 3.286), (0, 3, 7.754), (30, 20, 6.887), (0.5, 0, 2.996)],
)
def test_limits_on_a_known_background(background: float, data: int, limit: float) -> None:
    """In deficits that no pseudo-experiment reaches, and where no background is expected, too."""
    result = set_limit(CountingExperiment(counting(background, data)), "auto", toys=10)
    assert result.calculator == "exact"
    assert result.observed == pytest.approx(limit, abs=1e-3)
    assert result.observed == pytest.approx(known_limit(data, background), rel=3e-4)
    # The k-th count that is exceeded with the probability of each band.
    counts = [int(poisson.ppf(ndtr(z), background)) for z in (-2, -1, 0, 1, 2)]
    np.testing.assert_allclose(result.expected, [known_limit(n, background) for n in counts], rtol=1e-3)


def test_no_limit_is_below_three_events() -> None:
    for background in (0.0, 0.5):
        for model in (counting(background, 0.0), counting(background, 0.0, signal_error=0.2, luminosity_error=0.02)):
            experiment = CountingExperiment(model)
            results = [exact_limits(model), asymptotic_limits(model), toy_result(experiment, toys=100, points=0)]
            for result in results:
                assert np.nanmin(result.expected) > 2.995
                assert result.observed is not None
                assert result.observed > 2.995
    assert "below 3.00 signal events" in asymptotic_limits(counting(0.5, 0.0)).warnings[-1]


def test_no_false_exclusion_in_more_than_five_per_cent() -> None:
    """By sums over all counts: of every signal, be it just above a limit."""
    for background in (0.1, 3.0, 20.0):
        counts = int(poisson.ppf(0.3, background)) + np.arange(5)
        limits = np.array([exact_limits(counting(background, float(n))).observed for n in counts])
        assert np.all(np.diff(limits) > 0)  # so that fewer events exclude whatever more do
        excluded = poisson.cdf(counts, limits * (1 + 1e-3) + background)
        assert excluded.max() <= 0.0501
        assert excluded.max() > 0.035  # and not for being blunt


def profiled_cls(mu: float, b: float, error: float, n: int) -> float:
    """CLs of one count with a log-normal background: sums over counts and a fine grid, fits by bisection."""
    log = np.log1p(error)

    def minus_log(mu: FloatArray, alpha: FloatArray, count: FloatArray, measured: FloatArray) -> FloatArray:
        mean = mu + b * np.exp(log * alpha)
        return mean - xlogy(count, mean) + gammaln(count + 1) + (alpha - measured) ** 2 / 2

    def fit(mu: FloatArray, count: FloatArray, measured: FloatArray) -> FloatArray:
        low, high = np.full(count.shape, -30.0), np.full(count.shape, 30.0)
        for _ in range(45):
            alpha = (low + high) / 2
            nuisance = b * np.exp(log * alpha)
            slope = log * nuisance * (1 - count / (mu + nuisance)) + alpha - measured
            low, high = np.where(slope < 0, alpha, low), np.where(slope < 0, high, alpha)
        return (low + high) / 2

    def statistic(count: FloatArray, measured: FloatArray) -> FloatArray:
        best = count - b * np.exp(log * measured)  # with alpha as measured
        held = minus_log(mu, fit(mu, count, measured), count, measured)
        free = minus_log(np.maximum(best, 0), measured, count, measured)
        free = np.where(best < 0, minus_log(0.0, fit(np.zeros_like(count), count, measured), count, measured), free)
        return np.where(best > mu, 0.0, 2 * (held - free))

    zero = np.zeros(1)
    target = statistic(np.array([float(n)]), zero)[0]
    tails = []
    for truth in (mu, 0.0):
        centre = fit(np.full(1, truth), np.array([float(n)]), zero)[0]
        mean = truth + b * np.exp(log * centre)
        counts = np.arange(int(mean + 8 * np.sqrt(mean) + 12)).astype(float)
        edges = np.linspace(-6, 6, 801)
        grid = np.meshgrid(counts, centre + (edges[1:] + edges[:-1]) / 2, indexing="ij")
        weight = poisson.pmf(counts, mean)[:, None] * np.diff(ndtr(edges))
        tails.append(float(np.sum(weight * (statistic(*grid) >= target - 1e-9))))
    return tails[0] / tails[1]


@pytest.mark.parametrize(("background", "error", "data"), [(5.0, 0.2, 5), (0.5, 0.4, 2), (50.0, 0.2, 9)])
def test_limits_on_an_uncertain_background(background: float, error: float, data: int) -> None:
    result = exact_limits(counting(background, data, background_error=error))
    assert result.observed is not None
    assert profiled_cls(result.observed, background, error, data) == pytest.approx(0.05, rel=4e-3)


def test_several_errors_are_integrated_like_toys() -> None:
    model = LimitModel(
        np.ones(1), np.array([3.0]), np.array([5.0]), np.array([0.3]), background_error=0.2, signal_error=0.2
    )
    experiment = CountingExperiment(model)
    assert experiment.sums is not None
    with_signal, without = experiment.sums.q_tilde(1.0)
    pool = experiment.throw(1.0, toys=8000, seed=3)
    q = experiment.data(1.0)
    assert np.exp(without.log_tail(q)) == pytest.approx(pool.tail(q)[0], abs=4 * pool.tail(q)[1])
    assert np.exp(with_signal.log_tail(q) - without.log_tail(q)) == pytest.approx(pool.cls(q), rel=0.05)
    levels = ndtr(np.array([2.0, 1.0, 0.0, -1.0, -2.0]))
    np.testing.assert_allclose(np.sqrt(without.quantiles(levels)), np.sqrt(pool.quantiles()), atol=0.08)


def pair_cls(mu: float, signal: FloatArray, background: FloatArray, observed: FloatArray) -> float:
    """CLs of two counts with known backgrounds, by sums over both and bisection for the best mu."""
    first, second = np.meshgrid(np.arange(40.0), np.arange(180.0), indexing="ij")
    counts = np.stack([first.ravel(), second.ravel()], axis=1)

    def statistic(counts: FloatArray) -> FloatArray:
        low, high = np.zeros(len(counts)), np.full(len(counts), mu)
        for _ in range(60):
            middle = (low + high) / 2
            slope = np.sum(signal - counts * signal / (middle[:, None] * signal + background), axis=1)
            low, high = np.where(slope < 0, middle, low), np.where(slope < 0, high, middle)
        means = [m * signal + background for m in (mu, ((low + high) / 2)[:, None])]
        logs = [np.sum(mean - xlogy(counts, mean), axis=1) for mean in means]
        return 2 * (logs[0] - logs[1])

    reached = statistic(counts) >= statistic(observed[None, :]) - 1e-9
    tails = [
        np.prod(poisson.pmf(counts, mean), axis=1)[reached].sum() for mean in (mu * signal + background, background)
    ]
    return float(tails[0] / tails[1])


def test_one_populated_bin_does_not_hide_the_sensitive_one() -> None:
    signal, background, observed = np.array([3.0, 2.0]), np.array([0.2, 100.0]), np.array([0.0, 100.0])
    result = set_limit(CountingExperiment(LimitModel(signal, background, observed)), "auto", toys=10)
    assert result.calculator == "exact"
    assert result.observed == pytest.approx(0.947, abs=0.002)  # 0.693 by asymptotic formulae
    assert pair_cls(float(result.observed or 0), signal, background, observed) == pytest.approx(0.05, rel=3e-3)
    # Two categories that count are the same experiment, whose bins have errors of their own.
    edges = np.array([0.0, 1.0])
    channels = [
        ResonanceChannel(f"c{i}", edges, s, 0 * s, None, b, n, background_error=0.0)
        for i, (s, b, n) in enumerate(zip(signal[:, None], background[:, None], observed[:, None], strict=True))
    ]
    assert set_limit(combined_experiment(channels), "auto", toys=10).observed == pytest.approx(result.observed)


def test_p0_with_an_uncertain_background() -> None:
    """P(excess) is that of counts and auxiliary measurements around the fit without a signal."""
    b, error, n = 4.0, 0.25, 11
    model = counting(b, n, background_error=error)
    experiment = CountingExperiment(model)
    exact = local_excess(experiment, exact_limits(model))
    toys, spread = experiment.throw_excess(toys=20_000, seed=1).tail(exact.q0)
    assert spread < 0.03 * exact.p_value
    assert exact.p_value == pytest.approx(toys, abs=4 * spread)
    assert norm.isf(exact.p_value) == pytest.approx(exact.z)


def test_toys_that_reach_nothing_give_way_or_say_so() -> None:
    deep = CountingExperiment(counting(20.0, 3.0))
    with pytest.raises(ToysCannotTellError, match="as far out as the data"):
        toy_result(deep, toys=200)
    summed = set_limit(deep, "toys", toys=200)
    assert summed.observed == pytest.approx(3.450, abs=2e-3)
    assert summed.reason == "exact sums, as none of 200 pseudo-experiments is as far out as the data"
    regions = AbcdExperiment(AbcdModel(np.array([0.0, 100, 100, 500]), np.array([1.0, 0, 0, 0])))
    fallen = set_limit(regions, "auto", toys=100)
    assert fallen.calculator == "asymptotics"
    assert len(fallen.poi) > 40  # points for the curve, as of formulae that were asked for
    assert fallen.reason.startswith("asymptotic formulae, as none of 100")
    assert fallen.observed is not None
    assert fallen.observed >= 2.995
    with pytest.raises(ToysCannotTellError):
        set_limit(regions, "toys", toys=100)
    with pytest.raises(UsageError, match="exact sums are for counts"):
        set_limit(regions, "exact", toys=100)


def test_abcd_of_large_sidebands_is_a_counting_experiment() -> None:
    """B C / D = 10 to 2 %: CLs and p0 of toys are those of a known background, 3.7 sigma included.

    The sidebands order experiments of equal counts in A, so that half of those are beyond the data.
    """

    def middle(n: int, mean: float) -> float:
        return float(poisson.cdf(n - 1, mean) + poisson.pmf(n, mean) / 2)

    def regions(n: int) -> AbcdExperiment:
        return AbcdExperiment(AbcdModel(np.array([n, 4000.0, 4000, 1.6e6]), np.array([1.0, 0, 0, 0])))

    experiment, mu = regions(10), 8.0
    pool = experiment.throw(mu / experiment.scale, toys=1000, seed=2)
    exact = middle(10, mu + 10) / middle(10, 10)
    assert pool.cls(experiment.data(mu / experiment.scale)) == pytest.approx(exact, rel=0.1)
    experiment = regions(25)
    q, _ = experiment.excess()
    p, error = experiment.throw_excess(toys=1000, seed=2).tail(q)
    assert poisson.sf(25, 10.0) + 4 * error < p < poisson.sf(24, 10.0) - 4 * error
    assert 0 < error < 0.09 * p
