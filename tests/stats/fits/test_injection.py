"""Fits of signal and background: against iminuit, and what they make of injected signals and of none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from iminuit import Minuit

from hepad.cards.fit import load_fit
from hepad.errors import FitFailedError, UsageError
from hepad.spectra.files import read_spectrum
from hepad.stats.fits.fit import Design, deviance, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.injection import Injection, Signal, SpuriousPoint, _with_toys, inject, spurious_signals
from hepad.stats.fits.signal_fit import SignalFit
from hepad.stats.fits.templates import gaussian_template

ATLAS = read_spectrum(str(Path(__file__).parents[3] / "examples/data/atlas_dijet_139fb.csv"))


def function(name: str) -> BackgroundFunction:
    return BackgroundFunction.from_card(load_fit(name))


SMOOTH = fit_background(ATLAS.edges, ATLAS.counts, function("dijet4")).expected


def test_the_fit_is_that_of_iminuit() -> None:
    form = function("dijet3")
    truth = fit_background(ATLAS.edges, ATLAS.counts, form)
    counts = np.random.default_rng(3).poisson(
        truth.expected + 3000 * gaussian_template(ATLAS.edges, 3000.0, 0.04), size=(2, ATLAS.n_bins)
    )
    model = SignalFit(ATLAS.edges, truth.expected, form, floating=("mass", "width"))
    drawn = counts.astype(float)
    fits = model.fit(drawn, np.tile([1000.0, 2900.0, 0.03], (2, 1)))
    assert fits.converged.all()

    design = Design(ATLAS.edges, truth.expected, form)  # coordinates in which numerical derivatives are precise

    def cost(values: np.ndarray) -> float:
        background = design.predict(values[None, 3:])[0][0]
        expected = background + values[0] * gaussian_template(ATLAS.edges, values[1], values[2])
        return float(deviance(drawn[i], np.maximum(expected, 1e-9)))

    for i in range(2):
        start = [*fits.values[i], *design.to_phi(truth.parameters)]
        minuit = Minuit(cost, start)
        minuit.errors = [*fits.errors[i], 1.0, 1.0, 1.0]
        minuit.errordef = 1
        minuit.strategy = 2
        minuit.tol = 1e-3
        minuit.migrad(ncall=20000)
        minuit.hesse()
        assert fits.deviance[i] == pytest.approx(minuit.fval, abs=2e-5)
        np.testing.assert_allclose(
            fits.values[i] / fits.errors[i], np.array(minuit.values[:3]) / fits.errors[i], atol=0.02
        )
        np.testing.assert_allclose(fits.errors[i], minuit.errors[:3], rtol=0.01)


def test_one_signal_is_recovered_with_right_errors_over_500_experiments() -> None:
    signal = Signal(8000.0, 2500.0, 0.03)
    result = inject(ATLAS.edges, SMOOTH, function("dijet4"), signal, experiments=500)
    assert result.failed <= 10
    assert result.found.mean() > 0.98
    pulls = result.pulls
    np.testing.assert_allclose(pulls.mean(axis=0), 0.0, atol=0.2)  # 4.5 standard deviations; the width's are skewed
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.13)
    np.testing.assert_allclose(np.mean(np.abs(pulls) < 1, axis=0), 0.683, atol=0.065)


def test_pulls_are_of_fits_that_found_the_signal_and_of_what_floats() -> None:
    values = np.array([[12.0, 100.0, 0.1], [9.0, 131.0, 0.1], [10.0, 70.0, 0.1]])  # within 3 x 0.1 x 100 GeV or not
    result = Injection(Signal(10.0, 100.0, 0.1), ("yield", "mass"), 3, 0, values, np.full((3, 3), 2.0))
    assert result.found.tolist() == [True, False, True]
    np.testing.assert_allclose(result.pulls, [[1, 0, np.nan], [0, -15, np.nan]])


def test_toys_of_a_spurious_signal_by_hand() -> None:
    values, errors = np.array([[1.0], [3.0], [5.0], [99.0]]), np.array([[1.0, 9], [2.0, 9], [5.0, 9], [1.0, 9]])
    fits = SimpleNamespace(values=values, errors=errors, converged=np.array([True, True, True, False]))
    model: Any = SimpleNamespace(fit=lambda counts, start: fits)
    point, start = SpuriousPoint(2000.0, 3.0, 4.0), np.zeros((1, 3))
    found = _with_toys(point, model, np.zeros((4, 5)), start)
    assert (found.mass, found.ratio, found.toys, found.failed_toys, found.toy_mean) == (2000.0, 0.75, 3, 1, 3.0)
    assert found.toy_error == pytest.approx(2 / np.sqrt(3))
    assert found.pull_width == pytest.approx(np.std([1.0, 1.5, 1.0], ddof=1))
    fits.converged = np.array([True, False, False, False])
    assert _with_toys(point, model, np.zeros((4, 5)), start) == SpuriousPoint(2000.0, 3.0, 4.0, 1, 3)


def test_a_wrong_background_function_shows_in_the_pulls() -> None:
    signal = Signal(3000.0, 2500.0, 0.05)
    right = inject(ATLAS.edges, SMOOTH, function("dijet4"), signal, experiments=200, floating=())
    wrong = inject(ATLAS.edges, SMOOTH, function("dijet3"), signal, experiments=200, floating=())
    assert abs(right.pulls[:, 0].mean()) < 0.25
    assert wrong.pulls[:, 0].mean() < -1.2
    assert np.isnan(right.pulls[:, 1:]).all()  # held: no pull


def test_no_spurious_signal_of_the_true_function_and_one_of_a_poorer() -> None:
    masses = [1600.0, 2500.0, 4000.0, 6000.0]
    own = spurious_signals(ATLAS.edges, SMOOTH, function("dijet4"), masses=masses, width=0.05, toys=100)
    poorer = spurious_signals(ATLAS.edges, SMOOTH, function("dijet3"), masses=masses, width=0.05)
    assert max(abs(point.ratio) for point in own) < 1e-3
    assert max(abs(point.ratio) for point in poorer) > 1
    for point in own:
        assert point.toy_mean == pytest.approx(0.0, abs=4 * (point.toy_error or 0))
        assert point.pull_width == pytest.approx(1, abs=0.25)
    assert poorer[0].toys == 0
    assert poorer[0].toy_mean is None


def test_a_fitted_width_is_no_less_than_a_sixth_of_the_injected_one() -> None:
    """So few events are lost: in two of these experiments a spike of a single bin would be likelier still."""
    found = inject(ATLAS.edges, SMOOTH, function("dijet4"), Signal(100.0, 2500.0, 0.03), experiments=6, seed=1)
    assert np.sort(found.values[:, 2])[:2] == pytest.approx(0.03 / 6, rel=2e-3)


def test_the_same_seed_gives_the_same_experiments() -> None:
    signal = Signal(5000.0, 2500.0, 0.03)
    first, again, other = (
        inject(ATLAS.edges, SMOOTH, function("dijet4"), signal, experiments=5, seed=seed).values for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_what_cannot_be_injected_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="width between 0 and 1"):
        Signal(10.0, 2500.0, 0.0)
    with pytest.raises(UsageError):
        Signal(10.0, 0.0, 0.05)
    with pytest.raises(UsageError, match="not within"):
        inject(ATLAS.edges, SMOOTH, function("dijet4"), Signal(10.0, 900.0, 0.05), experiments=2)
    monkeypatch.setattr("hepad.stats.fits.signal_fit._MAX_ITERATIONS", 0)
    with pytest.raises(FitFailedError, match="none of the 2 experiments"):
        inject(ATLAS.edges, SMOOTH, function("dijet4"), Signal(10.0, 2500.0, 0.05), experiments=2)
    with pytest.raises(FitFailedError, match="at 2500 GeV did not converge"):
        spurious_signals(ATLAS.edges, SMOOTH, function("dijet4"), masses=[2500.0], width=0.05)
