"""Counts from which no background is subtracted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import chi2

from hepad.stats.limits.plain_count import best_count, plain_limit
from hepad.stats.limits.template_response import SignalEvents

EDGES = np.array([300.0, 600.0, 1200.0, 2400.0])
BACKGROUND = np.array([1000.0, 50.0, 0.5])


def test_the_limit_is_the_classical_one_of_a_mean() -> None:
    """Without a background: half of the chi-square quantile with 2 (n + 1) degrees of freedom."""
    found = plain_limit(2.0, 4.2, observed=7.0)
    assert found.observed == pytest.approx(chi2.ppf(0.95, 16) / 2 / 2.0, rel=1e-5)
    assert found.expected == pytest.approx(chi2.ppf(0.95, 2 * np.array([1, 2, 4, 6, 9]) + 2) / 4, rel=1e-5)


def test_an_error_of_the_signal_weakens_it() -> None:
    """The probability of no event, averaged over a log-normal factor, is 5 % at the limit."""
    found = plain_limit(1.0, 0.0, observed=0.0, error=0.5).observed
    assert found is not None
    factors = 1.5 ** ndtri((np.arange(20_000) + 0.5) / 20_000)
    assert np.exp(-found * factors).mean() == pytest.approx(0.05, rel=1e-3)


def test_the_best_count_is_above_the_background_and_known_well_enough() -> None:
    masses = np.array([700.0] * 20 + [1500.0] * 5)
    sample = SignalEvents(masses, np.full(25, 0.4))
    found = best_count(EDGES, [BACKGROUND], sample, fewest=3)
    assert found is not None
    assert (found.above, found.effective, found.background) == (1200.0, pytest.approx(5.0), 0.5)
    assert found.signal == pytest.approx(2.0)
    wider = best_count(EDGES, [BACKGROUND], sample, fewest=10)
    assert wider is not None
    assert wider.above == 600.0
    assert wider.result.expected[2] > found.result.expected[2]
    assert best_count(EDGES, [BACKGROUND], sample, fewest=26) is None
    lower = best_count(EDGES, [BACKGROUND], sample, fewest=3, below=1200.0)
    assert lower is not None
    assert lower.above == 600.0
    doubted = best_count(EDGES, [BACKGROUND, 4 * BACKGROUND], sample, fewest=3)  # the most of both is expected
    assert doubted is not None
    assert (doubted.above, doubted.background) == (1200.0, 2.0)


def test_a_true_signal_is_rarely_excluded_whatever_the_background_is() -> None:
    """Samples of eight events set the limit of the signal that they are drawn of, with half of the background."""
    rng, excluded = np.random.default_rng(4), 0
    for _ in range(25):
        masses = rng.exponential(300.0, 8) + 900.0
        sample = SignalEvents(masses, np.full(8, 1 / 8))
        expected = best_count(EDGES, [BACKGROUND], sample, fewest=3)
        assert expected is not None
        mu = float(expected.result.expected[2])
        counts = rng.poisson(BACKGROUND / 2 + mu * np.array([0.0, 1 - np.exp(-1.0), np.exp(-1.0)])).astype(float)
        first = int(np.searchsorted(EDGES, expected.above))
        seen = plain_limit(
            expected.signal, 0.0, observed=float(counts[first:].sum()), error=expected.effective**-0.5
        ).observed
        excluded += seen is not None and seen < mu
    assert excluded <= 4  # five or more have a probability of 0.7 % at 5 %
