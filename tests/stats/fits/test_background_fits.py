"""MINOS, order, goodness of fit, Gaussian process, sliding windows: against iminuit and pseudo-experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from iminuit import Minuit
from scipy.stats import kstest, multivariate_normal

from hepad.cards.fit import FAMILIES, load_fit
from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.spectra.files import read_spectrum
from hepad.stats.counts.toys import silent
from hepad.stats.fits import gaussian_process
from hepad.stats.fits.fit import BatchFit, Design, Refitter, deviance, fisher_scoring, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.gaussian_process import fit_gaussian_process
from hepad.stats.fits.goodness import goodness, toy_p
from hepad.stats.fits.minos import minos_errors
from hepad.stats.fits.order import _by_toys, choose_order
from hepad.stats.fits.templates import gaussian_template
from hepad.stats.fits.window import WindowFit, WindowOptions

ROOT = Path(__file__).parents[3]
CMS = read_spectrum(str(ROOT / "examples/data/cms_dijet_137fb.csv"))
ATLAS = read_spectrum(str(ROOT / "examples/data/atlas_dijet_139fb.csv"))
FOURJET = read_spectrum(str(ROOT / "tests/data/cms_fourjet_138fb.csv"))


def function(name: str) -> BackgroundFunction:
    return BackgroundFunction.from_card(load_fit(name))


@pytest.mark.parametrize(
    ("name", "written_out"),
    [
        ("moddijet4", lambda x: 2 * (1 - x ** (1 / 3)) ** 8 * x ** (-3 + 0.1 * np.log(x))),
        ("power3", lambda x: 2 * x ** (8 - 3 * np.log(x))),
        ("exponential3", lambda x: 2 * np.exp(8 * x - 3 * x**2)),
        ("cms_dijet4", lambda x: 2 * (1 - x) ** 8 / x ** (3 - 0.1 * np.log(x))),
    ],
)
def test_functions_are_what_the_papers_write(name: str, written_out: object) -> None:
    made = function(name)
    parameters = [2, 8, -3, 0.1][: made.n_parameters]
    x = np.array([0.05, 0.2, 0.6])
    np.testing.assert_allclose(made.density(13000 * x, parameters), written_out(x), rtol=1e-12)  # type: ignore[operator]


def test_all_families_fit_a_spectrum_of_their_own() -> None:
    edges = np.linspace(1000.0, 5000.0, 41)
    truths = {
        "dijet": [1e-3, 9, -5, 0.1, 0, 0],
        "dijet_root": [1e-3, 9, -5, 0.1, 0.01],
        "moddijet": [3e-2, 6, -4, 0.05, 0],
        "ua2": [1e-3, -4.5, -14, 3, 0],
        "power": [1e-4, -6, -0.3, 0, 0],
        "exponential": [2000.0, -20, 3, 1, 0],
    }
    assert set(truths) == set(FAMILIES)
    for family, truth in truths.items():
        low, high = FAMILIES[family]
        for n in {low, min(4, high) if high > 4 else high}:
            made = BackgroundFunction(family, family, n, 13000.0)
            exact = made.expected(edges, truth[:n])
            scale = 1e5 / exact.sum()
            fit = fit_background(edges, exact * scale, made)
            assert fit.deviance < 1e-6, (family, n)
            np.testing.assert_allclose(fit.expected, exact * scale, rtol=1e-4)


def test_fisher_scoring_finds_the_minimum_of_iminuit() -> None:
    for spectrum in (CMS, ATLAS, FOURJET):
        for name in ("dijet3", "dijet6", "dijet5_root", "moddijet4", "ua2", "power4"):
            form = function(name)
            design = Design(spectrum.edges, spectrum.counts, form)
            start = design.start(spectrum.counts)[None, :]
            _, values, converged = fisher_scoring(design, spectrum.counts[None, :], start)
            assert converged[0]
            exact = fit_background(spectrum.edges, spectrum.counts, form).deviance
            assert values[0] == pytest.approx(exact, abs=1e-5)


def test_minos_agrees_with_iminuit_in_the_parameters_themselves() -> None:
    fit = fit_background(CMS.edges, CMS.counts, function("dijet3"))
    ours = minos_errors(CMS.edges, CMS.counts, fit)

    def cost(values: np.ndarray) -> float:
        return float(deviance(CMS.counts, fit.function.expected(CMS.edges, values)))

    minuit = Minuit(cost, fit.parameters)
    minuit.errors = fit.errors
    minuit.errordef = 1
    minuit.strategy = 2
    minuit.migrad()
    minuit.minos()
    theirs = [[m.lower, m.upper] for m in minuit.merrors.values()]
    assert minuit.fval == pytest.approx(fit.deviance, abs=1e-5)
    np.testing.assert_allclose(ours, theirs, rtol=5e-3)
    np.testing.assert_allclose(np.abs(ours[1:]).mean(axis=1), fit.errors[1:], rtol=5e-3)


def test_minos_intervals_cover() -> None:
    edges, truth = np.linspace(300.0, 900.0, 21), np.array([0.02, -1.0, -40.0])
    expected = function("ua2_3").expected(edges, truth)  # few events: intervals are not symmetric
    rng = np.random.default_rng(4)
    hits = 0
    for counts in rng.poisson(expected, size=(40, 20)).astype(float):
        fit = fit_background(edges, counts, function("ua2_3"))
        low, high = fit.parameters[0] + minos_errors(edges, counts, fit)[0]
        hits += low < truth[0] < high
    assert hits / 40 == pytest.approx(0.683, abs=0.22)  # three standard deviations


def test_order_by_toys_counts_those_that_both_functions_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of falls 4, 1, 8 and 2 the first two count: one of two reaches 2, and p = (1 + 1) / (2 + 1)."""
    batches = iter(
        BatchFit(np.ones((4, 1)), np.array(deviances), np.array(converged))
        for deviances, converged in (
            ([9.0, 9.0, 9.0, 9.0], [True, True, False, True]),
            ([5.0, 8.0, 1.0, 7.0], [True, True, True, False]),
        )
    )
    monkeypatch.setattr(Refitter, "fit", lambda *_: next(batches))
    fits = [fit_background(CMS.edges, CMS.counts, function(name)) for name in ("dijet3", "dijet4")]
    assert _by_toys(CMS.edges, fits[0], fits[1], 2.0, toys=4, seed=0, exposure=None, on_toys=silent) == pytest.approx(
        2 / 3
    )


def test_the_band_is_the_spread_of_refits() -> None:
    fit = fit_background(ATLAS.edges, ATLAS.counts, function("dijet5"))
    toys = np.random.default_rng(1).poisson(fit.expected, size=(400, ATLAS.n_bins)).astype(float)
    spread = Refitter(ATLAS.edges, fit).fit(toys).expected.std(axis=0)
    filled = fit.expected > 10
    np.testing.assert_allclose((spread / fit.expected_errors)[filled], 1.0, atol=0.15)


def test_order_by_wilks_and_by_toys_agree_on_the_published_spectra() -> None:
    members = [function(f"dijet{n}") for n in (6, 3, 5, 4)]
    for spectrum, name, falls in ((CMS, "dijet3", [0.0]), (ATLAS, "dijet5", [20.72, 5.29, 1.51])):
        fit, steps = choose_order(spectrum.edges, spectrum.counts, members, toys=300, seed=1)
        assert fit.function.name == name
        assert [step.fall for step in steps] == pytest.approx(falls, abs=0.02)
        for step in steps:
            assert step.p_toys == pytest.approx(step.p_value, abs=0.08)
        assert [step.kept for step in steps] == [True] * (len(steps) - 1) + [False]
    with pytest.raises(InputDataError, match="one family"):
        choose_order(CMS.edges, CMS.counts, [function("dijet3"), function("ua2")])


def test_goodness_of_a_good_and_of_a_poor_fit() -> None:
    good = fit_background(CMS.edges, CMS.counts, function("dijet3"))
    found = goodness(CMS.counts, good.expected, ndf=good.ndf, refit=Refitter(CMS.edges, good).fit, toys=400, seed=2)
    assert found.deviance == pytest.approx(41.39, abs=0.01)
    assert found.p_toys == pytest.approx(found.p_value, abs=0.08)
    assert found.ks_p_toys is not None
    assert 0.05 < found.ks_p_toys <= 1
    for name in ("dijet3", "dijet4", "dijet5"):  # the negative example: none describes it
        poor = fit_background(FOURJET.edges, FOURJET.counts, function(name))
        refit = Refitter(FOURJET.edges, poor).fit
        result = goodness(FOURJET.counts, poor.expected, ndf=poor.ndf, refit=refit, toys=400)
        assert result.p_value is not None
        assert result.p_value < 0.011
        assert result.p_toys is not None
        assert result.p_toys < 0.04
        assert result.sparse_bins >= 10
        assert result.pearson > 1.5 * result.deviance  # which is why it is not to be believed


def test_pseudo_experiments_take_over_where_bins_are_sparse() -> None:
    """Right backgrounds of 1000 events in 50 bins: the chi-square probability is far from uniform, that of toys is."""
    edges = np.linspace(1500.0, 6500.0, 51)
    shape = fit_background(edges, np.geomspace(3e4, 1.0, 50), function("dijet3")).expected
    rng, found = np.random.default_rng(9), []
    for i in range(36):
        fit = fit_background(edges, rng.poisson(1000 * shape / shape.sum()).astype(float), function("dijet3"))
        counts = rng.poisson(fit.expected).astype(float)
        fit = fit_background(edges, counts, function("dijet3"))
        refit = Refitter(edges, fit).fit
        result = goodness(counts, fit.expected, ndf=fit.ndf, refit=refit, toys=60, seed=i)
        found.append((result.p_value, result.p_toys))
    asymptotic, toys = np.array(found, dtype=float).T
    assert asymptotic.mean() > 0.8
    assert toys.mean() == pytest.approx(0.5, abs=0.144)  # three standard deviations
    assert kstest(toys, "uniform").pvalue > 0.01
    default = goodness(counts, fit.expected, ndf=fit.ndf, refit=refit)
    assert default.toys == 1000
    assert default.best_p == default.p_toys
    assert goodness(counts, fit.expected, ndf=fit.ndf, refit=refit, toys=0).p_toys is None
    dense = fit_background(edges, np.round(1e7 * shape / shape.sum()) + 5, function("dijet3"))
    assert goodness(dense.expected, dense.expected, ndf=47, refit=refit).toys == 0


def test_toys_never_give_zero_and_failures_never_a_result() -> None:
    assert toy_p(10.0, np.zeros(99)) == 0.01

    def failing(counts: np.ndarray) -> BatchFit:
        return BatchFit(counts, np.zeros(len(counts)), np.zeros(len(counts), dtype=bool))

    with pytest.raises(FitFailedError, match="none of the 5"):
        goodness(CMS.counts, CMS.counts + 1, ndf=1, refit=failing, toys=5)


def test_the_gaussian_process_agrees_with_the_parametric_fit() -> None:
    fit = fit_background(ATLAS.edges, ATLAS.counts, function("dijet5"))
    process = fit_gaussian_process(ATLAS.edges, ATLAS.counts, function("dijet3"))
    distance = np.abs(process.expected - fit.expected) / np.hypot(process.expected_errors, fit.expected_errors)
    assert distance.max() < 1.0
    assert np.median(process.expected_errors / fit.expected_errors) == pytest.approx(1, abs=0.25)
    assert process.deviance == pytest.approx(fit.deviance, abs=4)
    assert 4 < process.n_effective < 6
    assert not process.at_limit
    toys = np.random.default_rng(0).poisson(process.expected, size=(300, ATLAS.n_bins)).astype(float)
    refits = process.refit(toys)
    assert refits.converged.all()
    assert np.median(refits.expected.std(axis=0) / process.expected_errors) == pytest.approx(1, abs=0.15)
    assert refits.deviance.mean() == pytest.approx(process.ndf, abs=3)


def test_the_process_departs_only_where_the_base_function_fails() -> None:
    sufficient = fit_gaussian_process(CMS.edges, CMS.counts, function("dijet3"))
    assert sufficient.n_effective == pytest.approx(3, abs=0.05)
    assert (sufficient.amplitude, sufficient.length) == pytest.approx((1e-4, 3.0))  # the least departure that is tried
    assert sufficient.deviance == pytest.approx(41.39, abs=0.05)


def test_a_process_that_swallows_a_signal_says_so() -> None:
    signal = 5000 * gaussian_template(ATLAS.edges, 2500.0, 0.02)
    clean = fit_background(ATLAS.edges, ATLAS.counts, function("dijet5")).expected
    assert not fit_gaussian_process(ATLAS.edges, np.round(clean), function("dijet3")).at_limit
    assert fit_gaussian_process(ATLAS.edges, np.round(clean + signal), function("dijet3")).at_limit


def test_laplace_is_exact_where_counts_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """With many events the evidence is that of a Gaussian of the logarithms, which can be written out."""
    from hepad.stats.fits.gaussian_process import _evidence

    rng = np.random.default_rng(3)
    prior, features = np.full(6, 1e8), rng.normal(size=(6, 2)) * 1e-3
    counts = np.round(prior * np.exp(features @ [1.0, -0.5]))
    difference = _evidence(prior, features, counts) - _evidence(prior, 2 * features, counts)
    logs = np.log(counts / prior)
    exact = [
        multivariate_normal(np.zeros(6), scale * features @ features.T + 1e-8 * np.eye(6)).logpdf(logs)
        for scale in (1, 4)
    ]
    assert difference == pytest.approx(exact[0] - exact[1], abs=1e-3)
    monkeypatch.setattr(gaussian_process, "_MAX_ITERATIONS", 1)
    assert _evidence(prior, features, counts) == -np.inf  # what cannot be fitted is chosen last


def test_newton_steps_that_overshoot_are_halved() -> None:
    """One bin, 50 events for 1: the mode c of 10 (50 - exp(10 c)) = c; the first full step goes to exp(48)."""
    coefficients, _, converged = gaussian_process._mode(np.ones(1), np.array([[10.0]]), np.array([[50.0], [1.0]]))
    assert converged.all()
    np.testing.assert_allclose(
        10 * (np.array([50.0, 1.0]) - np.exp(10 * coefficients[:, 0])), coefficients[:, 0], atol=1e-3
    )


def test_windows_describe_what_the_whole_does_not() -> None:
    windows = WindowFit(ATLAS.edges, ATLAS.counts, function("dijet3"), WindowOptions(12))
    expected = windows.best()
    assert deviance(ATLAS.counts, expected) < 144.49 - 20  # that of the same function on the whole
    smooth = fit_background(ATLAS.edges, ATLAS.counts, function("dijet5")).expected
    np.testing.assert_allclose(expected[smooth > 100], smooth[smooth > 100], rtol=0.04)
    assert windows.windows[0] == windows.windows[12] == (0, 25)
    assert windows.windows[40] == (28, 53)
    with pytest.raises(UsageError, match="--window must be from 2 to 45"):
        WindowFit(ATLAS.edges, ATLAS.counts, function("dijet3"), WindowOptions(46))


def test_windows_lie_within_the_spectrum_and_grow_until_enough_bins_are_filled() -> None:
    edges, filled = np.geomspace(1000.0, 3000.0, 10), np.ones(9)
    windows = WindowFit(edges, filled, function("dijet3"), WindowOptions(3)).windows
    assert windows == [(0, 7)] * 4 + [(1, 8)] + [(2, 9)] * 4
    filled[[1, 5, 6]] = 0  # 3 parameters and 2 more need five filled bins
    windows = WindowFit(edges, filled, function("dijet3"), WindowOptions(3)).windows
    assert windows == [(0, 8)] * 4 + [(0, 9)] + [(2, 9)] * 4


def test_a_signal_component_keeps_a_signal_out_of_the_window() -> None:
    smooth = fit_background(ATLAS.edges, ATLAS.counts, function("dijet5")).expected
    signal = 10000 * gaussian_template(ATLAS.edges, 2500.0, 0.03)
    counts = np.round(smooth + signal)
    biased, with_signal = (
        WindowFit(ATLAS.edges, counts, function("dijet3"), WindowOptions(15, width)).best() - smooth
        for width in (None, 0.03)
    )
    inside = signal > 0.2 * signal.max()
    assert np.abs(with_signal[inside]).sum() < 0.5 * np.abs(biased[inside]).sum()
