"""Smooth backgrounds from weighted events."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError
from hepad.stats.fits.fit import fit_background as fit_counts
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.smooth import choose_order, event_weights, fit_background

EDGES = np.geomspace(300, 4000, 41)
DIJET = [BackgroundFunction.from_card(load_fit(f"dijet{n}")) for n in (3, 4, 5)]
TRUE = DIJET[0].expected(EDGES, [1e-3, 9.0, -5.0])
TRUE *= 5000 / TRUE.sum()


def simulated(seed: int, sizes: tuple[float, ...] = (4.0, 40.0)) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of different weights, some hundred events in all, that add up to the true spectrum."""
    rng = np.random.default_rng(seed)
    thrown = [(rng.poisson(TRUE / len(sizes) / size), size) for size in sizes]
    return sum(n * w for n, w in thrown), sum(n * w**2 for n, w in thrown)  # type: ignore[return-value]


def test_unit_weights_are_the_ordinary_fit() -> None:
    counts = np.random.default_rng(1).poisson(TRUE).astype(float)
    plain, weighted = fit_counts(EDGES, counts, DIJET[1]), fit_background(EDGES, counts, counts, DIJET[1])
    np.testing.assert_allclose(weighted.expected, plain.expected, rtol=1e-9)
    np.testing.assert_allclose(weighted.covariance, plain.covariance, rtol=1e-9)
    assert (weighted.deviance, weighted.ndf) == (pytest.approx(plain.deviance), plain.ndf)


@given(factor=st.floats(min_value=1e-4, max_value=1e4))
def test_a_common_weight_scales_the_expectation_only(factor: float) -> None:
    counts = np.random.default_rng(2).poisson(TRUE / 10).astype(float)
    plain = fit_counts(EDGES, counts, DIJET[0])
    weighted = fit_background(EDGES, counts * factor, counts * factor**2, DIJET[0])
    np.testing.assert_allclose(weighted.expected, plain.expected * factor, rtol=1e-4)
    assert weighted.deviance == pytest.approx(plain.deviance, rel=1e-6)
    assert weighted.p_value == pytest.approx(plain.p_value, rel=1e-5)


@pytest.mark.parametrize("sizes", [(4.0, 40.0), (1.0, 150.0), (12.0,)])
def test_weighted_fits_are_unbiased_with_honest_errors(sizes: tuple[float, ...]) -> None:
    parts = [slice(2, 6), slice(12, 16)]
    pulls, p_values = [], []
    for seed in range(60):
        fit = fit_background(EDGES, *simulated(seed, sizes), DIJET[0])
        # Of the logarithm, which is linear in the parameters.
        pull = np.log(fit.expected / TRUE) * fit.expected / fit.errors(EDGES)
        pulls.append([float(np.mean(pull[part])) for part in parts])
        p_values.append(fit.p_value)
    # 60 pulls: their mean has an error of 0.13, their standard deviation one of 0.09. A few dozen effective events, as
    # of the second case, have a skewed logarithm; with each bin's own weight its bias was nine standard deviations.
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 0.75)
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 0.35)
    assert np.mean(np.array(p_values) < 0.05) < 0.15


def test_the_weight_is_a_power_of_the_mass() -> None:
    centres = (EDGES[:-1] + EDGES[1:]) / 2
    weights = 3 * (centres / 1000) ** -2.5
    counts = np.where(np.arange(40) % 3 == 0, 0.0, 1e4 * TRUE)  # empty bins have a weight, too
    np.testing.assert_allclose(event_weights(EDGES, counts, counts * weights), weights, rtol=1e-3)
    # Of few events the power is not known: one weight for all.
    few = event_weights(EDGES, counts / 1e6, counts / 1e6 * weights)
    np.testing.assert_allclose(few, few[0], rtol=1e-9)
    one = np.eye(40)[5]
    np.testing.assert_allclose(event_weights(EDGES, 2 * one, 8 * one), 4.0)


def test_the_order_grows_only_where_the_spectrum_needs_it() -> None:
    counts, variances = simulated(3)
    assert choose_order(EDGES, counts, variances, DIJET[::-1]).function.n_parameters == 3
    bent = TRUE * 1e4 * np.exp(np.log(EDGES[:-1] / 1000) ** 3)
    chosen = choose_order(EDGES, bent, bent * 2, DIJET)
    assert chosen.function.n_parameters == 5
    ua2 = BackgroundFunction.from_card(load_fit("ua2"))
    with pytest.raises(InputDataError, match="one family"):
        choose_order(EDGES, counts, variances, [DIJET[0], ua2])


@pytest.mark.parametrize(
    ("counts", "variances", "message"),
    [
        (-TRUE, TRUE, "counts must be finite and not negative"),
        (TRUE, TRUE * np.nan, "variances must be finite"),
        (0 * TRUE, 0 * TRUE, "needs events"),
        (TRUE, 0 * TRUE, "variance in each filled bin"),
        (np.where(np.arange(40) < 2, 1.0, 0.0), np.where(np.arange(40) < 2, 1.0, 0.0), "only 2 bins hold events"),
    ],
)
def test_spectra_that_cannot_be_fitted_are_refused(counts: np.ndarray, variances: np.ndarray, message: str) -> None:
    with pytest.raises(InputDataError, match=message):
        fit_background(EDGES, counts, variances, DIJET[0])
