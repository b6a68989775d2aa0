"""Upper limits against pyhf, against closed forms, and against published numbers."""

from __future__ import annotations

import json
import warnings
from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm, poisson

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.limits.cls import fill_scan, find_limits, known_list, limit_result
from hepad.stats.limits.likelihood import Likelihood
from hepad.stats.limits.limits import (
    LimitModel,
    _ingredients,
    asymptotic_limits,
    toy_limits,
)
from hepad.stats.limits.workspace import build_workspace


def counting(signal: float, background: float, data: float | None = None, **errors: float) -> LimitModel:
    observed = None if data is None else np.array([data])
    return LimitModel(np.array([signal]), np.array([background]), observed, **errors)  # type: ignore[arg-type]


SHAPE = LimitModel(
    signal=np.array([1.0, 4.0, 2.0]),
    background=np.array([30.0, 20.0, 10.0]),
    observed=np.array([33.0, 21.0, 14.0]),
    background_variances=np.array([4.0, 2.0, 1.0]),
    background_error=0.1,
    signal_error=0.05,
    luminosity_error=0.02,
)


def pyhf_model(workspace: dict[str, Any]) -> tuple[pyhf.Model, list[float]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pyhf 0.7.6 calls jsonschema.RefResolver
        built = pyhf.Workspace(workspace)  # validates
        model = built.model()
        return model, built.data(model)


def test_low_counts_asymptotic_and_with_toys() -> None:
    """n = 0, b = 0.5 +- 0.2: 2.22 asymptotic (read off a grid), 3.00 with toys (shared REFERENCES, Likelihoods)."""
    model = counting(1.0, 0.5, 0.0, background_error=0.4)
    asymptotic = asymptotic_limits(model)
    assert asymptotic.observed == pytest.approx(2.22, abs=0.02)
    assert asymptotic.calculator == "asymptotics"
    assert "below 10" in asymptotic.warnings[0]
    toys = toy_limits(model, toys=2500, seed=1)
    # With no event observed CLs is exp(-mu) whatever the background: the limit is -ln 0.05.
    assert toys.observed == pytest.approx(-np.log(0.05), abs=0.1)
    assert (toys.calculator, toys.toys, toys.warnings) == ("toys", 2500, ())


@pytest.mark.parametrize(
    "model",
    [
        counting(1.0, 0.5, 0.0, background_error=0.4),
        counting(10.0, 50.0, 61.0, background_error=0.1, signal_error=0.2, luminosity_error=0.02),
        counting(10.0, 50.0, 40.0, background_error=0.1),
        SHAPE,
    ],
)
def test_cls_agrees_with_pyhf(model: LimitModel) -> None:
    result = asymptotic_limits(model)
    pdf, data = pyhf_model(build_workspace(model))
    assert result.observed is not None
    assert result.cls_observed is not None
    for target in (result.observed, float(result.expected[2])):
        i = int(np.argmin(np.abs(result.poi - target)))
        observed, expected = pyhf.infer.hypotest(
            float(result.poi[i]), data, pdf, test_stat="qtilde", return_expected_set=True
        )
        assert result.cls_observed[i] == pytest.approx(float(observed), abs=5e-4)
        np.testing.assert_allclose(result.cls_expected[i], [float(value) for value in expected], atol=5e-4)


def test_test_statistics_of_toys_agree_with_pyhf() -> None:
    pdf, data = pyhf_model(build_workspace(SHAPE))
    likelihood = Likelihood(_ingredients(SHAPE))
    toys = np.random.default_rng(3).poisson(SHAPE.background, size=(5, 3)).astype(float)
    _, aux = likelihood.observed(None)
    ours, converged = likelihood.q_tilde(2.0, toys, np.tile(aux, (5, 1)))
    assert converged.all()
    arguments = (pdf, pdf.config.suggested_init(), pdf.config.suggested_bounds(), pdf.config.suggested_fixed())
    for toy, q in zip(toys, ours, strict=True):
        theirs = pyhf.infer.test_statistics.qmu_tilde(2.0, [*toy.tolist(), *data[3:]], *arguments)
        assert q == pytest.approx(float(theirs), abs=2e-3)


def test_large_known_background_has_the_gaussian_limit() -> None:
    expected = asymptotic_limits(counting(1.0, 1e6)).expected
    # arXiv:1007.1727 equation 89, with sigma = 1000 nearly independent of mu.
    shifts = np.array([-2, -1, 0, 1, 2])
    exact = 1000 * (norm.isf(0.05 * norm.cdf(shifts)) + shifts)
    np.testing.assert_allclose(expected, exact, rtol=3e-3)


def test_toys_agree_with_the_exact_cls_of_a_counting_experiment() -> None:
    signal, background, n = 1.0, 3.0, 4

    def cls(mu: float) -> float:
        return float(poisson.cdf(n, background + mu * signal) / poisson.cdf(n, background)) - 0.05

    exact = brentq(cls, 0.1, 30)
    result = toy_limits(counting(signal, background, float(n)), toys=8000, seed=5)
    assert result.observed == pytest.approx(exact, rel=0.03)


def test_toys_approach_the_asymptotic_limit_at_high_counts() -> None:
    model = counting(20.0, 400.0, 410.0, background_error=0.02)
    asymptotic, toys = asymptotic_limits(model), toy_limits(model, toys=1000, seed=2)
    assert toys.observed == pytest.approx(asymptotic.observed, rel=0.08)
    np.testing.assert_allclose(toys.expected[1:], asymptotic.expected[1:], rtol=0.12)
    assert toys.warnings == ()
    few, again = (toy_limits(model, toys=50, seed=2) for _ in range(2))
    assert "rests on about 1 pseudo-experiments" in few.warnings[0]
    np.testing.assert_array_equal(again.expected, few.expected)


@given(scale=st.floats(min_value=1e-6, max_value=1e6))
@settings(max_examples=3, deadline=None)
def test_limits_scale_with_the_signal(scale: float) -> None:
    base = asymptotic_limits(counting(1.0, 80.0, 85.0, background_error=0.1))
    scaled = asymptotic_limits(counting(scale, 80.0, 85.0, background_error=0.1))
    assert base.observed is not None
    assert scaled.observed == pytest.approx(base.observed / scale, rel=1e-3)
    np.testing.assert_allclose(scaled.expected, base.expected / scale, rtol=1e-3)


@given(
    background=st.floats(min_value=0.5, max_value=1e5),
    pull=st.floats(min_value=-3, max_value=6),
    error=st.floats(min_value=0, max_value=0.5),
)
@settings(max_examples=12, deadline=None)
def test_the_bracket_always_finds_ordered_limits(background: float, pull: float, error: float) -> None:
    data = max(round(background + pull * np.hypot(np.sqrt(background), error * background)), 0)
    result = asymptotic_limits(counting(1.0, background, float(data), background_error=error))
    assert np.all(np.diff(result.expected) >= 0)  # equal ones are at the 3.00 events below which no limit is
    assert result.expected[2] < result.expected[3] < result.expected[4]
    assert result.observed is not None
    assert 0 < result.observed < np.inf
    assert np.all(np.diff(result.poi) > 0)
    assert result.cls_observed is not None
    assert np.interp(result.observed, result.poi, result.cls_observed) == pytest.approx(0.05, abs=2e-3)


def test_without_data_there_is_only_an_expectation() -> None:
    result = asymptotic_limits(counting(10.0, 50.0))
    assert result.observed is None
    assert result.cls_observed is None
    assert result.expected.shape == (5,)
    assert result.warnings == ()
    assert build_workspace(counting(10.0, 50.0))["observations"][0]["data"] == [50.0]


def test_uncertainties_weaken_the_limit() -> None:
    limits = [
        asymptotic_limits(counting(10.0, 50.0, **errors)).expected[2]
        for errors in ({}, {"background_error": 0.1}, {"background_error": 0.1, "luminosity_error": 0.3})
    ]
    assert limits == sorted(limits)
    assert limits[0] < limits[1] < limits[2]


def test_bins_carry_more_than_their_sum() -> None:
    merged = LimitModel(SHAPE.signal.sum(keepdims=True), SHAPE.background.sum(keepdims=True))
    split = LimitModel(SHAPE.signal, SHAPE.background)
    assert asymptotic_limits(split).expected[2] < asymptotic_limits(merged).expected[2]


def test_the_workspace_is_plain_json_that_pyhf_validates() -> None:
    workspace = build_workspace(SHAPE)
    pdf, data = pyhf_model(json.loads(json.dumps(workspace)))
    assert pdf.config.poi_name == "mu"
    assert data[:3] == [33.0, 21.0, 14.0]
    assert set(pdf.config.modifiers) == {
        ("mu", "normfactor"),
        ("background_error", "normsys"),
        ("background_statistics", "staterror"),
        ("signal_error", "normsys"),
        ("luminosity", "normsys"),
    }


def test_a_workspace_has_no_modifiers_for_errors_of_zero() -> None:
    signal, background = build_workspace(counting(1.0, 5.0, 6.0))["channels"][0]["samples"]
    assert signal["modifiers"] == [{"name": "mu", "type": "normfactor", "data": None}]
    assert background["modifiers"] == []
    whole = build_workspace(counting(1.0, 5.0, 6.0, signal_error=0.1, luminosity_error=0.25, background_error=0.5))
    signal, background = whole["channels"][0]["samples"]
    errors = [
        (m["name"], m["data"]["hi"], m["data"]["lo"]) for m in (*signal["modifiers"][1:], *background["modifiers"])
    ]
    assert errors == [("signal_error", 1.1, 1 / 1.1), ("luminosity", 1.25, 0.8), ("background_error", 1.5, 1 / 1.5)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"signal": 0.0}, InputDataError, "signal is zero"),
        ({"signal": np.nan}, InputDataError, "signal must be finite"),
        ({"background": -1.0}, InputDataError, "background must be finite and not negative, found -1"),
        ({"background": 1e300}, InputDataError, "background of 1e\\+300 events cannot be fitted: give 1e\\+15 at most"),
        ({"background_error": -0.1}, UsageError, "background error is relative and not negative"),
    ],
)
def test_input_that_makes_no_limit(arguments: dict[str, float], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        counting(**{"signal": 1.0, "background": 5.0, "data": 5.0, **arguments})


def test_bins_must_match() -> None:
    with pytest.raises(InputDataError, match="background has 2 bins, the signal has 1"):
        LimitModel(np.ones(1), np.ones(2))
    with pytest.raises(InputDataError, match="background is zero in a bin with observed events; merge bins"):
        LimitModel(np.ones(2), np.array([0.0, 2]), np.array([1.0, 2]))


def test_no_background_gives_the_limit_of_three_events() -> None:
    assert toy_limits(counting(1.0, 0.0, 0.0), toys=5000, seed=4).observed == pytest.approx(3.0, abs=0.1)


def test_cls_that_never_falls_is_a_failed_fit() -> None:
    with pytest.raises(FitFailedError, match=r"does not cross 0\.05"):
        find_limits(lambda _: (1.0, np.ones(5)))


def test_an_observed_cls_that_cannot_be_told_leaves_no_limit() -> None:
    """Observed toys end at 0.3, before CLs has fallen; expected ones would cross at ln 20 / 3."""

    def cls(mu: float) -> tuple[float, np.ndarray]:
        return (0.5 if mu < 0.3 else np.nan, np.full(5, np.exp(-3 * mu)))

    limits, _ = find_limits(cls)
    assert np.isnan(limits[0])  # type: ignore[arg-type]
    assert limits[1:] == [None] * 5
    limits, _ = find_limits(lambda mu: (None, cls(mu)[1]))
    assert limits[0] is None
    assert limits[1:] == [pytest.approx(np.log(20) / 3, rel=1e-4)] * 5


def test_a_limit_just_before_cls_cannot_be_told_any_more_is_found() -> None:
    """Observed toys end at 0.8, between two points of the bracket; CLs = exp(-5 mu) falls through 0.05 before."""
    limits, _ = find_limits(lambda mu: (np.exp(-5 * mu) if mu < 0.8 else np.nan, np.full(5, np.exp(-3 * mu))))
    assert limits[0] == pytest.approx(np.log(20) / 5, rel=1e-4)


def test_the_scan_is_filled_to_beyond_the_largest_limit_and_put_into_units_of_the_signal() -> None:
    def cls(mu: float) -> tuple[float, np.ndarray]:
        return np.exp(-mu), np.exp(-mu * np.array([5.0, 4.0, 3.0, 2.0, 1.0]))

    limits, tested = [2.0, 1.0, 0.9, np.nan, 3.0, 4.0], {0.5: cls(0.5)}
    fill_scan(tested, cls, limits, 4)
    assert sorted(tested) == pytest.approx([0.5, 1.3, 2.6, 3.9, 5.2])  # to 1.3 times the largest
    fill_scan(tested, cls, [None, np.nan], 4)
    fill_scan(tested, cls, limits, 0)
    assert len(tested) == 5
    found = limit_result(limits, tested, 10.0, calculator="toys", remarks=("few",), toys=7, errors=[0.1] * 6)
    assert (found.observed, found.observed_error, found.toys, found.warnings) == (20.0, 1.0, 7, ("few",))
    np.testing.assert_allclose(found.expected, [10, 10, np.nan, 30, 40])  # bands do not fall
    np.testing.assert_allclose(found.expected_errors, [1.0] * 5)  # type: ignore[arg-type]
    np.testing.assert_allclose(found.poi, [5, 13, 26, 39, 52])
    np.testing.assert_allclose(found.cls_observed, np.exp(-found.poi / 10))  # type: ignore[arg-type]
    np.testing.assert_allclose(found.cls_expected[:, 4], np.exp(-found.poi / 10))
    blind = limit_result([None, *limits[1:]], tested, 10.0, calculator="toys", remarks=(), errors=[0.1] * 5)
    assert blind.observed is blind.cls_observed is blind.observed_error is None
    np.testing.assert_allclose(blind.expected_errors, [1.0] * 5)  # type: ignore[arg-type]
    assert known_list(np.array([[1.0, np.nan], [np.inf, 2.0]])) == [[1.0, None], [None, 2.0]]
