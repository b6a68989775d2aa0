"""Bump hunts against probabilities that are known or computed another way: planes, pooled nulls, injection, refits."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, ks_2samp, norm, poisson

from hepad.cards.fit import load_fit
from hepad.stats.bumphunt import (
    CountedNull,
    RefittedNull,
    ScanOptions,
    global_p_of_many,
    hunt_channels,
    hunt_plane,
    make_cells,
    make_null,
    sensitivity,
)
from hepad.stats.bumphunt.layout import Layout
from hepad.stats.fits.fit import fit_background
from hepad.stats.fits.functions import BackgroundFunction


def test_a_plane_of_single_cells_has_the_exact_global_p_value() -> None:
    """Cells are independent: the global p-value is 1 less the product of what each leaves."""
    reference = np.outer(np.geomspace(30.0, 0.3, 6), np.linspace(0.5, 2.0, 5))
    counts = np.floor(reference)
    counts[2, 3] = poisson.isf(2e-3, reference[2, 3]) + 1
    hunt = hunt_plane((np.arange(7.0), np.arange(6.0)), counts, reference, options=ScanOptions(1, 1), toys=20_000)
    assert hunt.window == ((2.0, 3.0), (3.0, 4.0))
    assert hunt.local_p == pytest.approx(poisson.sf(counts[2, 3] - 1, reference[2, 3]))
    left = 1.0
    for b in reference.ravel():
        tails = poisson.sf(np.arange(400) - 1, b)
        left *= 1 - tails[tails <= hunt.local_p * (1 + 1e-9)].max()
    assert hunt.global_p == pytest.approx(1 - left, abs=4 * np.sqrt(left * (1 - left) / 20_000))


def smallest_of(data: np.ndarray, reference: np.ndarray, weight: float, width: int) -> float:
    """t of the smallest binomial p-value in squares of a plane, window by window."""
    p = [1.0]
    for i in range(data.shape[0] - width + 1):
        for j in range(data.shape[1] - width + 1):
            d, m = (int(part[i : i + width, j : j + width].sum()) for part in (data, reference))
            if d > m * weight:
                p.append(binom.sf(d - 1, d + m, weight / (1 + weight)))
    return -float(np.log(min(p)))


def test_the_null_of_a_counted_plane_is_that_of_two_poisson_planes_with_one_mean() -> None:
    rng = np.random.default_rng(4)
    truth, weight = np.outer(np.geomspace(12.0, 2.0, 5), np.ones(4)), 0.5
    data, entries = rng.poisson(truth).astype(float), rng.poisson(truth / weight)
    options = ScanOptions(2, 2)
    hunt = hunt_plane(
        (np.arange(6.0), np.arange(5.0)),
        data,
        weight * entries,
        variances=weight**2 * entries,
        options=options,
        toys=3000,
    )
    assert hunt.counted_reference
    assert hunt.statistic == pytest.approx(smallest_of(data, entries, weight, 2))
    # One mean mu for d counts and for m of weight w is (d + m) w / (1 + w).
    pooled = (data + entries) * weight / (1 + weight)
    drawn = [smallest_of(rng.poisson(pooled), rng.poisson(pooled / weight), weight, 2) for _ in range(600)]
    assert ks_2samp(drawn, hunt.toy_statistics).pvalue > 0.01
    assert abs(np.mean(drawn) - hunt.toy_statistics.mean()) < 0.2


def test_the_pooled_mean_is_the_likeliest_for_data_and_reference() -> None:
    counts, entries, weight = np.array([[7.0, 0.0, 20.0]]), np.array([[3.0, 4.0, 90.0]]), np.array([[2.0, 0.3, 0.2]])
    null = make_null(np.arange(4.0), counts, entries * weight, variances=entries * weight**2)
    assert isinstance(null, CountedNull)
    data, reference = null.means()
    for i in range(3):
        d, m, w = counts[0, i], entries[0, i], weight[0, i]

        def cost(log_mean: np.ndarray, d: float = d, m: float = m, w: float = w) -> float:
            mean = float(np.exp(log_mean[0]))
            return mean + mean / w - (d + m) * np.log(mean)

        best = float(np.exp(minimize(cost, [1.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10}).x[0]))
        assert data[i] == pytest.approx(best, rel=1e-5)
        assert reference[i] == pytest.approx(best / w, rel=1e-5)
    np.testing.assert_allclose(null.means(np.array([[5.0, 0.0, 0.0]])) - null.means(), [[5, 0, 0], [0, 0, 0]])


def test_injection_in_a_single_window_has_exact_quantiles_and_power() -> None:
    """With one window the global p-value is the local one: P(N >= d), d a Poisson number of b + s."""
    background, share = np.array([20.0, 12.0, 6.0, 3.0]), np.array([0.1, 0.5, 0.3, 0.0])
    null = make_null(np.arange(5.0), background[None], background[None], options=ScanOptions(4, 4))
    yields = np.array([0.0, 8.0, 18.0])
    drawn = null.draw(200_000, 1)
    found = sensitivity(null, share[None], yields, background=drawn, toys=4000, seed=3)
    b = background.sum()
    counts = np.arange(300)
    # No excess has t = 0, which all pseudo-experiments reach.
    z = np.maximum(norm.isf(np.where(counts > b, poisson.sf(counts - 1, b), 1.0)), -10)
    for i, amount in enumerate(yields):
        cumulative = poisson.cdf(counts, b + 0.9 * amount)
        exact = [min(z[np.searchsorted(cumulative, norm.cdf(k))], found.ceiling) for k in (-2, -1, 0, 1, 2)]
        step = 0.2 + 0.05 * abs(np.array([-2, -1, 0, 1, 2]))  # a count is 0.15 sigma
        above = np.array(exact) > -10
        assert np.all(np.abs(found.z[i] - exact)[above] < step[above])
        power = float(1 - poisson.cdf(counts[z >= 3][0] - 1, b + 0.9 * amount))
        assert found.power[i] == pytest.approx(power, abs=4 * np.sqrt(power * (1 - power) / 4000) + 1e-3)


def test_trials_of_refitted_spectra_have_a_uniform_global_p_value() -> None:
    """Two spectra with half of their events in common, each fitted, each pseudo-experiment fitted anew."""
    edges, options = np.linspace(1500.0, 4000.0, 13), ScanOptions(1, 4)
    function = BackgroundFunction.from_card(load_fit("dijet3"))
    truth, layout = np.geomspace(300.0, 12.0, 12), Layout.line(12, options)
    rng, found = np.random.default_rng(12), []
    for i in range(40):
        parts = [np.repeat(edges[:-1] + 1, rng.poisson(truth / 2)) for _ in range(3)]
        table = np.full((sum(map(len, parts)), 2), np.nan)
        start = np.cumsum([0, *map(len, parts)])
        for columns, part, begin in zip(((0, 1), (0,), (1,)), parts, start, strict=False):
            for column in columns:
                table[begin : begin + len(part), column] = part
        counts = [np.histogram(column, edges)[0].astype(float) for column in table.T]
        fits = [fit_background(edges, n, function) for n in counts]
        nulls = [RefittedNull(edges, (fit,), layout, options) for fit in fits]
        t = [
            hunt_channels(edges, n[None], fit.expected[None], null=null, toys=0).statistic
            for n, fit, null in zip(counts, fits, nulls, strict=True)
        ]
        cells = make_cells(table, [edges] * 2, [fit.expected for fit in fits])
        trials = global_p_of_many(t, nulls, cells, toys=80, seed=i)
        found.append((trials.global_p, *trials.single_p))
    p = np.array(found)
    np.testing.assert_allclose(p.mean(axis=0), 0.5, atol=0.137)  # three standard deviations
    np.testing.assert_allclose(np.mean(p <= 0.2, axis=0), 0.2, atol=0.19)  # three standard deviations
    assert np.all(p[:, 0] >= p[:, 1:].min(axis=1) - 1e-12)  # more chances, never fewer
