"""Counts from which no background is subtracted."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri, pdtr
from scipy.stats import binomtest, chi2

from hepad.stats.limits.plain_count import best_count, plain_limit
from hepad.stats.limits.template_response import SignalEvents

EDGES = np.array([300.0, 600.0, 1200.0, 2400.0])
BACKGROUND = np.array([1000.0, 50.0, 0.5])


def test_the_limit_is_the_classical_one_of_a_mean() -> None:
    """Of a known signal without a background: half of the chi-square quantile with 2 (n + 1) degrees of freedom."""
    found = plain_limit(2.0, 1e7, 4.2, observed=7.0)
    assert found.observed == pytest.approx(chi2.ppf(0.95, 16) / 2 / 2.0, rel=1e-5)
    assert found.expected == pytest.approx(chi2.ppf(0.95, 2 * np.array([1, 2, 4, 6, 9]) + 2) / 4, rel=1e-5)


@pytest.mark.parametrize(("observed", "simulated"), [(0, 1), (3, 5), (1000, 40)])
def test_the_error_of_the_simulated_events_is_that_of_clopper_and_pearson(observed: int, simulated: int) -> None:
    """Of all events the simulated ones are a binomial part, whose exact lower limit is the upper one of the ratio."""
    part = binomtest(simulated, observed + simulated, alternative="greater").proportion_ci(0.95, "exact").low
    found = plain_limit(0.5, float(simulated), 0.0, observed=float(observed)).observed
    assert found == pytest.approx((1 / part - 1) * simulated / 0.5, rel=1e-7)


@pytest.mark.parametrize(("observed", "error"), [(0, 0.5), (40, 0.1), (1000, 0.02), (1000, 0.5), (100_000, 0.3)])
def test_an_error_of_the_signal_weakens_it(observed: int, error: float) -> None:
    """The probability of so few events, averaged over a log-normal factor, is 5 % at the limit, of many counts too."""
    found = plain_limit(1.0, 1e7, 0.0, observed=float(observed), error=error).observed
    assert found is not None
    factors = (1 + error) ** ndtri((np.arange(20_000) + 0.5) / 20_000)
    assert pdtr(observed, found * factors).mean() == pytest.approx(0.05, rel=1e-3)


def test_every_other_event_chooses_where_those_between_are_counted() -> None:
    masses = np.array([1500.0, 700.0] * 8 + [700.0] * 34)  # all of the heavy ones are of those that choose
    found = best_count(EDGES, [BACKGROUND], SignalEvents(masses, np.full(50, 0.4)), fewest=16)
    assert found is None
    masses[1::10] = 1500.0
    sample = SignalEvents(masses, np.full(50, 0.4))
    found = best_count(EDGES, [BACKGROUND], sample, fewest=16)
    assert found is not None
    assert (found.above, found.effective, found.background) == (1200.0, pytest.approx(5.0), 0.5)
    assert found.signal == pytest.approx(4.0)  # 5 of 25 events, of 20 in all
    wider = best_count(EDGES, [BACKGROUND], sample, fewest=18)
    assert wider is not None
    assert wider.above == 600.0
    assert wider.result.expected[2] > found.result.expected[2]
    assert best_count(EDGES, [BACKGROUND], sample, fewest=52) is None
    lower = best_count(EDGES, [BACKGROUND], sample, fewest=16, below=1200.0)
    assert lower is not None
    assert lower.above == 600.0
    doubted = best_count(EDGES, [BACKGROUND, 4 * BACKGROUND], sample, fewest=16)  # the most of both is expected
    assert doubted is not None
    assert (doubted.above, doubted.background) == (1200.0, 2.0)
    signs = np.where(np.arange(50) % 4 == 3, -0.39, 0.4)  # both signs among those that say how much is there
    assert best_count(EDGES, [BACKGROUND], SignalEvents(np.full(50, 1500.0), signs), fewest=10) is None
    unknown = best_count(EDGES, [np.array([np.nan, 50.0, 0.5])], sample, fewest=16)
    assert unknown is not None
    assert unknown.above == 1200.0
    assert best_count(EDGES, [BACKGROUND * np.nan], sample, fewest=16) is None


def test_the_signal_above_a_chosen_mass_is_right_and_excluded_rarely() -> None:
    """Samples of forty events of a falling signal choose one of many edges; data have half of the background.

    Where the events that choose are those that are counted, they are 1.2 times as many above it as they should be.
    """
    rng = np.random.default_rng(4)
    edges = np.geomspace(1000.0, 8000.0, 61)
    background = -300 * np.diff((edges / 1000) ** -6.0)
    ratios, excluded = [], 0
    for _ in range(150):
        masses = 1200 * np.exp(rng.exponential(0.25, 40))
        expected = best_count(edges, [background], SignalEvents(masses, np.full(40, 1 / 40)), fewest=10)
        if expected is None:  # none of the half that counts is there
            continue
        true = float((max(expected.above, 1200.0) / 1200) ** -4)
        ratios.append(expected.signal / true)
        mu = float(expected.result.expected[2])
        count = float(rng.poisson(expected.background / 2 + mu * true))
        seen = plain_limit(expected.signal, expected.effective, 0.0, observed=count).observed
        excluded += seen is not None and seen < mu
    assert len(ratios) > 140
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.1)
    assert excluded <= 14  # 15 or more have a probability of 1 % at 5 %
