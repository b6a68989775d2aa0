"""Fits of bins with processes in common, against the on-off problem, whose answers are known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import poisson

from hepad.errors import InputDataError
from hepad.stats.limits.discovery import local_excess
from hepad.stats.limits.discovery_table import discovery_limits, fitted_limits
from hepad.stats.limits.limits import CountingExperiment, LimitModel
from hepad.stats.limits.published import numpy_backend
from hepad.stats.limits.simultaneous import CountingBin, Normalisation, predicted, simultaneous_experiment

FREE = {"b": Normalisation(free=True)}


def li_ma(on: np.ndarray, off: np.ndarray, tau: float) -> np.ndarray:
    """q0 of `on` events with a background measured by `off` of tau times its size (Li, Ma, ApJ 272, 317)."""
    both = (on + off) / (1 + tau)
    q = 2 * (xlogy(on, on) - xlogy(on, both) + xlogy(off, off) - xlogy(off, tau * both))
    return np.where(on > off / tau, q, 0.0)


def on_off(on: float, off: float, tau: float) -> list[CountingBin]:
    """The signal region first; simulation is wrong by a fifth in both, which the free normalisation mends."""
    simulated = 0.8 * off
    return [
        CountingBin("on", {"b": (simulated / tau, 0.0)}, 1.0, on),
        CountingBin("off", {"b": (simulated, 0.0)}, 0, off),
    ]


@pytest.mark.parametrize(("on", "off", "tau"), [(140, 100, 1.2), (10, 10, 3.0), (25, 60, 4.0), (2, 60, 4.0)])
def test_a_region_with_a_control_region_is_the_on_off_problem(on: float, off: float, tau: float) -> None:
    with numpy_backend():
        experiment = simultaneous_experiment(on_off(on, off, tau), FREE)
        excess = local_excess(experiment)
        background, error = predicted(on_off(on, off, tau), FREE)
    assert experiment.has_data
    expected = float(li_ma(np.array(float(on)), np.array(float(off)), tau))
    assert excess.q0 == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert excess.mu == pytest.approx(max(on - off / tau, 0), rel=1e-4, abs=1e-6)
    assert background == pytest.approx(off / tau, rel=1e-4)  # whatever is seen in the region
    assert error == pytest.approx(np.sqrt(off) / tau, rel=1e-3)


def test_toys_of_the_fit_give_the_p_value_that_all_outcomes_together_have() -> None:
    on, off, tau = 25, 60, 4.0
    with numpy_backend():
        experiment = simultaneous_experiment(on_off(on, off, tau), FREE)
        q0 = local_excess(experiment).q0
        p, error = experiment.throw_excess(toys=80, seed=1).tail(q0)
    mean = (on + off) / (1 + tau)  # the fit without a signal
    n, m = np.arange(90.0)[:, None], np.arange(160.0)
    outcomes = poisson.pmf(n, mean) * poisson.pmf(m, tau * mean)
    exact = float(outcomes[li_ma(n, m, tau) >= q0 * (1 - 1e-9)].sum())
    assert exact == pytest.approx(0.0187, abs=1e-4)
    assert 0 < error < 0.2 * exact
    assert p == pytest.approx(exact, abs=4 * error)


def test_finite_simulation_counts_as_a_control_region_of_as_many_events() -> None:
    """50 +- 5 events of simulation are 100 simulated ones of weight one half: the on-off problem with tau = 2."""
    with numpy_backend():
        one = [CountingBin("on", {"b": (50.0, 5.0)}, 1.0, 70.0)]
        excess = local_excess(simultaneous_experiment(one, {"b": Normalisation()}))
        assert predicted(one, {"b": Normalisation()}) == (pytest.approx(50), pytest.approx(5, rel=1e-3))
    assert excess.q0 == pytest.approx(float(li_ma(np.array(70.0), np.array(100.0), 2.0)), rel=1e-6)


def test_errors_of_normalisation_and_luminosity_are_log_normal_and_common() -> None:
    bins = [CountingBin("a", {"b": (30.0, 0.0)}, 8.0, 45.0), CountingBin("c", {"b": (60.0, 0.0)}, 2.0, 66.0)]
    model = LimitModel(np.array([8.0, 2]), np.array([30.0, 60]), np.array([45.0, 66]), background_error=0.1)
    with numpy_backend():
        alone = local_excess(simultaneous_experiment(bins, {"b": Normalisation(error=0.1)}))
        # Of a process that is not free the luminosity is an error too; without a signal it is the only one here.
        luminosity = local_excess(simultaneous_experiment(bins, {"b": Normalisation()}, luminosity_error=0.1))
    theirs = local_excess(CountingExperiment(model))
    assert alone.q0 == pytest.approx(theirs.q0, rel=1e-4)
    assert luminosity.q0 == pytest.approx(theirs.q0, rel=1e-4)


def test_a_row_of_the_table_is_of_the_fit_or_where_few_events_are_of_exact_sums() -> None:
    many = on_off(34, 560, 20.0)
    with numpy_backend():
        background = predicted(many, FREE)
        row = fitted_limits("many", simultaneous_experiment(many, FREE), observed=34, background=background)
        few = simultaneous_experiment(on_off(3, 20, 20.0), FREE)
        small = fitted_limits("few", few, observed=3, background=(1.0, 0.22), luminosity=140.0)
        blind = [CountingBin("on", {"b": (28.0, 0.0)}, 1.0), CountingBin("off", {"b": (560.0, 0.0)})]
        expected = fitted_limits("blind", simultaneous_experiment(blind, FREE), observed=None, background=background)
    alone = discovery_limits(
        "SR", observed=34, background=28, background_error=28 / np.sqrt(560), calculator="asymptotic"
    )
    assert row.limit.observed == pytest.approx(alone.limit.observed, rel=5e-3)
    assert row.excess is not None
    assert alone.excess is not None
    assert row.excess.z == pytest.approx(alone.excess.z, rel=1e-2)
    assert row.clb == pytest.approx(alone.clb, abs=5e-3)
    assert small.limit.calculator == "exact"
    assert small.limit.reason.startswith("exact sums over the background that other bins predict")
    assert small.visible_fb == pytest.approx(small.limit.observed / 140)
    assert (expected.observed, expected.limit.observed, expected.clb, expected.excess) == (None, None, None, None)
    assert expected.to_json()["p0"] is None
    assert expected.limit.expected[2] == pytest.approx(alone.limit.expected[2], rel=0.02)


def test_a_bin_without_background_is_named() -> None:
    with pytest.raises(InputDataError, match="bin off has no simulated background: merge it"):
        simultaneous_experiment(
            [CountingBin("on", {"b": (1.0, 0.0)}, 1.0), CountingBin("off", {"b": (0.0, 0.0)})], FREE
        )
