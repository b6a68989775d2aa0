"""Discovery p-values, tables of regions, ABCD and toy errors against pyhf, closed forms and repeated runs."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma, norm, poisson

from hepad.errors import InputDataError, UsageError
from hepad.stats.limits.abcd import AbcdExperiment, AbcdModel, abcd_workspace
from hepad.stats.limits.cls import asymptotic_result
from hepad.stats.limits.discovery import Excess, format_p, local_excess
from hepad.stats.limits.discovery_table import discovery_limits
from hepad.stats.limits.limits import CountingExperiment, LimitModel, exact_limits, low_counts, toy_limits
from hepad.stats.limits.mass_scan import gross_vitells, upcrossings
from hepad.stats.limits.pseudo import toy_result
from hepad.stats.limits.published import PublishedExperiment, numpy_backend
from hepad.stats.limits.workspace import build_workspace


def counting(signal: float, background: float, data: float, error: float = 0.0) -> LimitModel:
    return LimitModel(np.array([signal]), np.array([background]), np.array([data]), background_error=error)


@given(background=st.floats(1, 1e4), pull=st.floats(-3, 8))
@settings(max_examples=15, deadline=None)
def test_p0_of_a_known_background_is_the_closed_form(background: float, pull: float) -> None:
    data = max(round(background + pull * math.sqrt(background)), 0)
    excess = local_excess(CountingExperiment(counting(1.0, background, data)))
    if data <= background:
        assert (excess.q0, excess.p_value, excess.z) == (0.0, pytest.approx(0.5), 0.0)
        return
    # arXiv:1007.1727 equation 97 with n in place of s + b.
    exact = 2 * (data * math.log(data / background) - (data - background))
    assert excess.q0 == pytest.approx(exact, rel=1e-5, abs=1e-7)
    assert excess.mu == pytest.approx(data - background, rel=1e-3, abs=1e-4 * math.sqrt(background))
    assert excess.p_value == pytest.approx(norm.sf(math.sqrt(exact)), rel=1e-4)


def test_p0_agrees_with_pyhf() -> None:
    model = counting(10.0, 50.0, 75.0, 0.1)
    ours = local_excess(CountingExperiment(model))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        workspace = pyhf.Workspace(build_workspace(model))
        pdf = workspace.model()
        theirs = pyhf.infer.hypotest(0.0, workspace.data(pdf), pdf, test_stat="q0")
    assert ours.p_value == pytest.approx(float(theirs), rel=2e-3)


def test_p0_of_toys_is_the_poisson_tail_and_has_no_end() -> None:
    """Thrown with the fitted signal, too, and weighed: 10^-49 has an error of a few per cent."""
    for background, data in ((3.0, 8), (2.0, 20), (0.1, 30)):
        experiment = CountingExperiment(counting(1.0, background, data))
        toys = toy_result(experiment, toys=1000, seed=1, points=0)
        excess = local_excess(experiment, toys, seed=1)
        exact = float(poisson.sf(data - 1, background))
        assert excess.p_error is not None
        assert 0.001 * exact < excess.p_error < 0.15 * exact
        assert excess.p_value == pytest.approx(exact, abs=4 * excess.p_error)
        assert (excess.toys, excess.bound) == (1000, False)
    deficit = CountingExperiment(counting(1.0, 20.0, 10.0))
    assert local_excess(deficit, toys, seed=1).p_value == pytest.approx(0.5)


def test_p0_of_exact_sums() -> None:
    """b = 2 and n = 20 has 6.4e-14, 7.41 sigma; with an error of b the sum is that of the constrained background."""
    for background, data in ((2.0, 20), (3.0, 8), (50.0, 60), (0.5, 1)):
        experiment = CountingExperiment(counting(1.0, background, data))
        excess = local_excess(experiment, exact_limits(counting(1.0, background, data)))
        assert excess.log_p == pytest.approx(float(poisson.logsf(data - 1, background)), rel=1e-6)
    assert local_excess(
        CountingExperiment(counting(1.0, 2.0, 20)), exact_limits(counting(1.0, 2.0, 20))
    ).z == pytest.approx(7.41, abs=0.005)


def test_a_p_value_is_never_printed_as_zero() -> None:
    huge = Excess(q0=4000.0, mu=1.0, log_p=float(norm.logsf(math.sqrt(4000.0))))
    assert huge.p_value > 0
    assert huge.to_json()["p0"] > 0
    assert huge.to_json()["log10_p0"] == pytest.approx(norm.logsf(math.sqrt(4000.0)) / math.log(10))
    assert huge.z == pytest.approx(math.sqrt(4000.0), rel=1e-6)
    assert format_p(huge.log_p).startswith("10^-870")


def test_the_error_of_toy_limits_is_their_scatter() -> None:
    model = counting(1.0, 4.0, 6.0)
    results = [toy_result(CountingExperiment(model), toys=200, seed=seed, points=0) for seed in range(10)]
    stated = [r.observed_error for r in results]
    assert all(error is not None and 0 < error < 3 for error in stated)
    scatter = float(np.std([r.observed for r in results], ddof=1))  # type: ignore[arg-type]
    # The standard deviation of 10 values is known to about 25 %.
    assert 0.5 < float(np.mean(stated)) / scatter < 2.0  # type: ignore[arg-type]
    assert results[0].expected_errors is not None
    assert results[0].expected_errors.shape == (5,)


def test_the_events_that_carry_the_sensitivity_choose_the_calculator() -> None:
    assert low_counts(counting(1.0, 0.5, 0.0)) == "only 0.5 background events are expected"
    assert low_counts(counting(1.0, 50.0, 3.0)) == "only 3 events are observed"
    assert low_counts(counting(1.0, 50.0, 49.0)) is None
    tail = LimitModel(np.array([0.0, 1.0]), np.array([1000.0, 2.0]))
    assert low_counts(tail) == "only 2 effective background events are expected under the signal"
    # A populated bin does not hide the empty one that is sensitive, with a background or without.
    for empty in (0.2, 0.0):
        found = low_counts(LimitModel(np.array([3.0, 2]), np.array([empty, 100])))
        assert found is not None
        assert "effective background events" in found
    # Nor does an empty bin at the end of a spectrum, with next to no signal, matter.
    assert low_counts(LimitModel(np.array([1e-4, 1.0, 2.0]), np.array([0.0, 100, 100]))) is None


def test_zero_count_bins_need_no_special_care() -> None:
    model = LimitModel(np.array([0.0, 1.0, 2.0]), np.array([5.0, 0.2, 0.1]), np.array([0.0, 0.0, 0.0]))
    result = toy_limits(model, toys=600, seed=2)
    # Without any event CLs is exp(-mu s) whatever the background.
    assert result.observed_error is not None
    assert 0 < result.observed_error < 0.2
    assert result.observed == pytest.approx(-math.log(0.05) / 3, abs=3 * result.observed_error)


def test_negative_yields_are_named_with_a_remedy() -> None:
    with pytest.raises(InputDataError, match=r"background .* found -2 in bin 2 of 2; negative weights .* merge bins"):
        LimitModel(np.ones(2), np.array([3.0, -2.0]))


def test_a_discovery_region_as_collaborations_tabulate_it() -> None:
    region = {"observed": 34.0, "background": 28.0, "background_error": 4.0}
    row = discovery_limits("SR", **region, luminosity=139.0, calculator="asymptotic")
    model = build_workspace(counting(1.0, 28.0, 34.0, 4 / 28))
    with numpy_backend():
        pdf = PublishedExperiment(model)
        theirs = asymptotic_result(pdf, points=0)
        p0 = local_excess(pdf).p_value
        assert row.limit.observed is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            workspace = pyhf.Workspace(model)
            built = workspace.model()
            _, (_, clb) = pyhf.infer.hypotest(
                row.limit.observed, workspace.data(built), built, test_stat="qtilde", return_tail_probs=True
            )
    assert row.limit.observed == pytest.approx(theirs.observed, rel=2e-3)
    np.testing.assert_allclose(row.limit.expected, theirs.expected, rtol=3e-3)
    assert row.excess.p_value == pytest.approx(p0, rel=2e-3)
    assert row.clb == pytest.approx(float(clb), abs=2e-3)
    assert row.visible_fb == pytest.approx(row.limit.observed / 139)
    toys = discovery_limits("SR", **region, calculator="toys", toys=500)
    exact = discovery_limits("SR", **region)
    assert (toys.limit.calculator, exact.limit.calculator) == ("toys", "exact")
    assert toys.excess is not None
    assert exact.excess is not None
    assert toys.limit.observed == pytest.approx(exact.limit.observed, abs=4 * toys.limit.observed_error)
    np.testing.assert_allclose(toys.limit.expected, exact.limit.expected, rtol=0.1)
    assert toys.clb == pytest.approx(exact.clb, abs=0.03)
    assert toys.excess.p_value == pytest.approx(exact.excess.p_value, abs=4 * toys.excess.p_error)
    assert exact.limit.observed == pytest.approx(row.limit.observed, rel=0.02)
    assert exact.clb == pytest.approx(row.clb, abs=0.03)


def test_no_events_on_half_an_event() -> None:
    """Without an event CLs is exp(-s), whatever the background: the limit is -ln 0.05."""
    row = discovery_limits("SR", observed=0, background=0.5, background_error=0.2, luminosity=100.0)
    assert row.limit.calculator == "exact"
    assert row.limit.observed == pytest.approx(-math.log(0.05), rel=1e-3)
    assert row.excess is not None
    assert (row.excess.p_value, row.excess.z) == (pytest.approx(0.5), 0.0)
    nothing = discovery_limits("SR", observed=3, background=0)
    assert nothing.limit.observed == pytest.approx(float(gamma.isf(0.05, 4)), rel=1e-3)  # 7.754: P(n <= 3 | s) = 0.05
    assert nothing.excess is None
    assert nothing.to_json()["p0"] is None
    assert "no p-value is defined" in nothing.limit.warnings[-1]


ABCD = AbcdModel(np.array([35.0, 100, 80, 400]), np.array([10.0, 2, 1, 0.5]), 0.2)


def test_abcd_agrees_with_the_same_model_in_pyhf() -> None:
    experiment = AbcdExperiment(ABCD)
    ours, excess = asymptotic_result(experiment, points=0), local_excess(experiment)
    with numpy_backend():
        theirs_model = PublishedExperiment(abcd_workspace(ABCD))
        for mu in (0.5, 3.0):
            assert experiment.data(mu / experiment.scale) == pytest.approx(theirs_model.data(mu), abs=1e-3)
        cls = theirs_model.posterior(float(ours.expected[2]))
        theirs = local_excess(theirs_model)
    assert experiment.posterior(float(ours.expected[2]) / experiment.scale) == pytest.approx(cls, rel=1e-3)
    assert excess.q0 == pytest.approx(theirs.q0, abs=1e-3)
    assert excess.mu == pytest.approx(theirs.mu, rel=1e-2)


def test_abcd_estimate_and_blinding() -> None:
    estimate, error = ABCD.predicted
    assert estimate == pytest.approx(20.0)
    assert error == pytest.approx(20 * math.sqrt(1 / 100 + 1 / 80 + 1 / 400 + math.log(1.2) ** 2))
    blind = AbcdModel(np.array([np.nan, 100, 80, 400]), np.array([1.0, 0, 0, 0]), 0.2)
    experiment = AbcdExperiment(blind)
    np.testing.assert_allclose(experiment.background(), [20, 100, 80, 400], rtol=1e-5)
    result = asymptotic_result(experiment, points=0)
    assert result.observed is None
    closed = asymptotic_result(AbcdExperiment(AbcdModel(blind.counts, blind.signal, 0.0)), points=0)
    assert closed.expected[2] < result.expected[2]


def test_signal_in_the_sidebands_weakens_the_abcd_limit() -> None:
    clean = AbcdModel(ABCD.counts, np.array([10.0, 0, 0, 0]), 0.2)
    medians = [asymptotic_result(AbcdExperiment(m), points=0).expected[2] for m in (clean, ABCD)]
    assert medians[0] < medians[1]


def test_abcd_toys_at_few_events() -> None:
    model = AbcdModel(np.array([2.0, 20, 10, 100]), np.array([1.0, 0, 0, 0]), 0.3)
    experiment = AbcdExperiment(model)
    assert experiment.few == "only 2 background events are expected in A"
    result = toy_result(experiment, toys=200, seed=3, points=0)
    # 2 events on a known background of 2: 4.3 to 4.9 with errors of the background.
    assert 3.8 < result.observed < 5.9  # type: ignore[operator]


@pytest.mark.parametrize(
    ("counts", "signal", "error", "message"),
    [
        ([5, 10, 10, 0], [1, 0, 0, 0], InputDataError, "region D is empty"),
        ([5, 10, -1, 9], [1, 0, 0, 0], InputDataError, "not negative, found -1"),
        ([5, 10, 10, 9], [0, 1, 0, 0], InputDataError, "no signal in A"),
        ([5, 10, 10], [1, 0, 0, 0], UsageError, "four numbers each"),
    ],
)
def test_abcd_that_says_nothing(counts: list[float], signal: list[float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        AbcdModel(np.array(counts, dtype=float), np.array(signal, dtype=float), 0.1)


def test_gross_vitells_formula() -> None:
    # One degree of freedom: p = Phi(-2) + N(0.5) exp(-1.75) for q0 = 4 (arXiv:1005.1891, equation 3).
    assert math.exp(gross_vitells(4.0, 0.4)) == pytest.approx(norm.sf(2) + 0.4 * math.exp(-1.75))
    assert gross_vitells(4.0, 0.0) == pytest.approx(norm.logsf(2))
    assert gross_vitells(0.0, 50.0) == 0.0
    assert gross_vitells(5000.0, 3.0) == pytest.approx(math.log(3) - 2499.75, abs=0.01)
    scans = np.array([[0.0, 1, 0, 1, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 2]])
    assert upcrossings(scans, 0.5).tolist() == [2, 0, 1]
