"""Background functions and their fits, against published spectra and independent evaluations."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize

from hepad.cards.base import parse_card
from hepad.cards.fit import FitCard, load_fit
from hepad.cards.resolver import bundled_names
from hepad.errors import CardError, FitFailedError, InputDataError
from hepad.spectra.files import read_spectrum
from hepad.stats.fits import fit as fit_module
from hepad.stats.fits.fit import Refitter, deviance, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.order import choose_order

ROOT = Path(__file__).parents[3]
CMS = str(ROOT / "examples/data/cms_dijet_137fb.csv")
ATLAS = str(ROOT / "examples/data/atlas_dijet_139fb.csv")
FOURJET = str(ROOT / "tests/data/cms_fourjet_138fb.csv")


def function(name: str) -> BackgroundFunction:
    return BackgroundFunction.from_card(load_fit(name))


# Deviances of maximum-likelihood fits made outside hepad (shared REFERENCES, section Bump hunting).
@pytest.mark.parametrize(
    ("spec", "name", "expected"),
    [
        (CMS, "dijet3", 41.39),
        (CMS, "dijet4", 41.39),
        (CMS, "dijet5", 41.01),
        (CMS, "dijet6", 40.65),
        (ATLAS, "dijet3", 144.49),
        (ATLAS, "dijet4", 123.77),
        (ATLAS, "dijet5", 118.48),
        (ATLAS, "dijet6", 116.97),
    ],
)
def test_deviance_of_published_dijet_spectra(spec: str, name: str, expected: float) -> None:
    spectrum = read_spectrum(spec)
    result = fit_background(spectrum.edges, spectrum.counts, function(name))
    assert result.converged
    assert result.deviance == pytest.approx(expected, abs=0.01)
    assert result.ndf == spectrum.n_bins - result.function.n_parameters
    np.testing.assert_allclose(result.function.expected(spectrum.edges, result.parameters), result.expected, rtol=1e-8)


def test_bin_contents_are_the_integral_of_the_density() -> None:
    dijet, parameters = function("dijet5"), np.array([0.02, 9.0, -4.0, 0.5, 0.07])
    edges = np.array([1100.0, 1133.0, 1250.0, 1350.0])

    def published(mass: float) -> float:  # arXiv:1910.08447, written out
        x = mass / 13000
        return 0.02 * (1 - x) ** 9 * x ** (-4 + 0.5 * np.log(x) + 0.07 * np.log(x) ** 2)

    exact = [quad(published, low, high, epsrel=1e-12)[0] for low, high in pairwise(edges)]
    np.testing.assert_allclose(dijet.expected(edges, parameters), exact, rtol=1e-9)
    assert dijet.density(1500.0, parameters) == pytest.approx(published(1500.0), rel=1e-12)


def test_ua2_is_a_power_times_an_exponential() -> None:
    x = 500.0 / 13000
    density = function("ua2").density(500.0, [3.0, -2.0, -7.0, 4.0])
    assert density == pytest.approx(3 * x**-2 * np.exp(-7 * x + 4 * x**2), rel=1e-12)


def test_errors_agree_with_the_spread_of_pseudo_experiments() -> None:
    edges = np.linspace(300.0, 900.0, 31)
    truth = np.array([0.2, -1.0, -40.0])
    smooth = function("ua2_3")
    expected = smooth.expected(edges, truth)
    rng = np.random.default_rng(5)
    fits = [fit_background(edges, rng.poisson(expected).astype(float), smooth) for _ in range(80)]
    pulls = np.array([(f.parameters[1:] - truth[1:]) / f.errors[1:] for f in fits])
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.24)  # three standard deviations of the spread
    np.testing.assert_allclose(pulls.mean(axis=0), 0.0, atol=0.3)
    assert np.mean([f.deviance for f in fits]) == pytest.approx(28, abs=3)


def test_a_spectrum_of_a_few_hundred_gev_can_be_fitted() -> None:
    edges = np.arange(200.0, 620.0, 20.0)
    counts = np.random.default_rng(2).poisson(1e4 * np.exp(-edges[:-1] / 60)).astype(float)
    for name in ("ua2_3", "ua2", "dijet3"):
        assert fit_background(edges, counts, function(name)).p_value > 1e-3, name


def test_the_minimum_is_one() -> None:
    spectrum = read_spectrum(FOURJET)
    dijet = function("dijet3")
    result = fit_background(spectrum.edges, spectrum.counts, dijet)

    def cost(linear: np.ndarray) -> float:
        return float(deviance(spectrum.counts, dijet.expected(spectrum.edges, [np.exp(linear[0]), *linear[1:]])))

    start = np.array([np.log(result.parameters[0]), *result.parameters[1:]])
    start += np.array([0.1, -0.2, 0.02])
    other = minimize(cost, start, method="Nelder-Mead", options={"maxiter": 4000, "xatol": 1e-7, "fatol": 1e-7})
    assert result.deviance <= other.fun + 1e-6
    assert result.deviance == pytest.approx(other.fun, abs=1e-3)


def test_batched_refits_agree_with_iminuit() -> None:
    spectrum = read_spectrum(ATLAS)
    result = fit_background(spectrum.edges, spectrum.counts, function("dijet5"))
    toys = np.random.default_rng(1).poisson(result.expected, size=(20, spectrum.n_bins)).astype(float)
    batch = Refitter(spectrum.edges, result).fit(toys)
    assert batch.converged.all()
    for i in range(4):
        single = fit_background(spectrum.edges, toys[i], result.function)
        assert batch.deviance[i] == pytest.approx(single.deviance, abs=1e-5)
        np.testing.assert_allclose(batch.expected[i], single.expected, rtol=1e-3)


def test_the_deviance_test_chooses_the_number_of_parameters() -> None:
    candidates = [function(f"dijet{k}") for k in (3, 4, 5, 6)]
    for spec, expected in ((CMS, "dijet3"), (ATLAS, "dijet5")):
        spectrum = read_spectrum(spec)
        assert choose_order(spectrum.edges, spectrum.counts, candidates)[0].function.name == expected


def test_a_negative_example_is_recognised_as_a_poor_fit() -> None:
    spectrum = read_spectrum(FOURJET)  # three to five parameters do not describe it
    for name in ("dijet3", "dijet4", "dijet5"):
        assert fit_background(spectrum.edges, spectrum.counts, function(name)).p_value < 0.011


def test_input_that_cannot_be_fitted_is_refused() -> None:
    edges = np.linspace(1000.0, 2000.0, 6)
    with pytest.raises(InputDataError, match="5 bins cannot determine the 5 parameters"):
        fit_background(edges, np.ones(5), function("dijet5"))
    with pytest.raises(InputDataError, match="only 2 bins hold events"):
        fit_background(edges, np.array([5.0, 0, 0, 0, 1]), function("dijet3"))
    with pytest.raises(InputDataError, match="between 0 and 13000 GeV"):
        fit_background(edges * 10, np.ones(5), function("dijet3"))
    with pytest.raises(InputDataError, match="between 0 and 13000 GeV"):
        function("dijet3").features([0.0])


def test_a_fit_that_runs_away_has_no_result() -> None:
    edges = np.linspace(1000.0, 2000.0, 9)
    counts = np.array([0.0, 0, 0, 1e6, 1e-3, 1e6, 0, 0])
    with pytest.raises(FitFailedError, match="dijet3"):
        fit_background(edges, counts, function("dijet3"))


def test_unconverged_toy_fits_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    spectrum = read_spectrum(CMS)
    result = fit_background(spectrum.edges, spectrum.counts, function("dijet3"))
    monkeypatch.setattr(fit_module, "_MAX_ITERATIONS", 1)
    toys = np.random.default_rng(1).poisson(result.expected, size=(5, spectrum.n_bins)).astype(float)
    assert not Refitter(spectrum.edges, result).fit(toys).converged.any()


def test_every_bundled_card_makes_a_function() -> None:
    assert {"dijet3", "dijet4", "dijet5", "dijet6", "ua2"} <= set(bundled_names("fits"))
    for name in bundled_names("fits"):
        made = function(name)
        assert made.name == name
        assert made.features([300.0, 5000.0]).shape == (2, made.n_parameters)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"parameters": 7}, "has 3 to 6 parameters, not 7"),
        ({"family": "exec"}, "family"),
        ({"sqrt_s": 0}, "sqrt_s"),
        ({"formula": "x**2"}, "unknown key"),
    ],
)
def test_a_faulty_card_is_refused(change: dict[str, object], message: str) -> None:
    content = load_fit("dijet4").model_dump(by_alias=True) | change
    with pytest.raises(CardError, match=message):
        parse_card(FitCard, content, "card")
