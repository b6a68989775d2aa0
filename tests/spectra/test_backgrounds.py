"""Backgrounds of spectra, plain and weighted, and that they are the same in every verb."""

from __future__ import annotations

import hist
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import chi2

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError, UsageError
from hepad.pipeline.bumphunt.options import BumpHuntOptions
from hepad.pipeline.bumphunt.run import bumphunt
from hepad.pipeline.fit.run import FitOptions, fit_spectrum
from hepad.pipeline.limit.mass import mass_limits
from hepad.pipeline.limit.mass_report import MassLimitOptions
from hepad.spectra.backgrounds import WEIGHTED, fit_functions, fitted_function
from hepad.spectra.files import Spectrum, write_histograms_json
from hepad.spectra.models import BinnedData, functions_of
from hepad.stats.fits.fit import FitResult, fit_background
from hepad.stats.fits.functions import BackgroundFunction

EDGES = np.geomspace(300, 4000, 41)
DIJET = [BackgroundFunction.from_card(load_fit(f"dijet{n}")) for n in (3, 4, 5)]
TRUE = DIJET[0].expected(EDGES, [1e-3, 9.0, -5.0])
TRUE *= 5000 / TRUE.sum()


def simulated(seed: int, sizes: tuple[float, ...] = (4.0, 40.0)) -> tuple[np.ndarray, np.ndarray]:
    """Two samples of different weights, some hundred events in all, that add up to the true spectrum."""
    rng = np.random.default_rng(seed)
    thrown = [(rng.poisson(TRUE / len(sizes) / size), size) for size in sizes]
    return sum(n * w for n, w in thrown), sum(n * w**2 for n, w in thrown)  # type: ignore[return-value]


def data_of(counts: np.ndarray, variances: np.ndarray | None) -> BinnedData:
    return BinnedData.of(Spectrum("m", EDGES, counts, variances))


def fitted(counts: np.ndarray, variances: np.ndarray, *functions: BackgroundFunction) -> FitResult:
    return fit_functions(data_of(counts, variances), functions)[0]


def test_unit_weights_are_the_ordinary_fit() -> None:
    counts = np.random.default_rng(1).poisson(TRUE).astype(float)
    plain, weighted = fit_background(EDGES, counts, DIJET[1]), fitted(counts, counts, DIJET[1])
    np.testing.assert_array_equal(weighted.expected, plain.expected)
    np.testing.assert_array_equal(weighted.covariance, plain.covariance)
    assert (weighted.deviance, weighted.ndf) == (plain.deviance, plain.ndf)


@settings(max_examples=25)
@given(factor=st.floats(min_value=1e-4, max_value=1e4))
def test_a_common_weight_scales_the_expectation_only(factor: float) -> None:
    counts = np.random.default_rng(2).poisson(TRUE / 10).astype(float)
    plain = fit_background(EDGES, counts, DIJET[0])
    data = data_of(counts * factor, counts * factor**2)
    weighted = fit_functions(data, DIJET[:1])[0]
    np.testing.assert_allclose(weighted.expected * data.weights, plain.expected * factor, rtol=1e-4)
    assert weighted.deviance == pytest.approx(plain.deviance, rel=1e-6)
    assert weighted.p_value == pytest.approx(plain.p_value, rel=1e-5)


@pytest.mark.parametrize("sizes", [(4.0, 40.0), (1.0, 150.0), (12.0,)])
def test_weighted_fits_are_unbiased_with_honest_errors(sizes: tuple[float, ...]) -> None:
    parts = [slice(2, 6), slice(12, 16)]
    pulls, p_values = [], []
    for seed in range(60):
        data = data_of(*simulated(seed, sizes))
        fit = fit_functions(data, DIJET[:1])[0]
        # Of the logarithm, which is linear in the parameters.
        pull = np.log(fit.expected * data.weights / TRUE) * fit.expected / fit.expected_errors
        pulls.append([float(np.mean(pull[part])) for part in parts])
        p_values.append(fit.p_value)
    # 60 pulls: their mean has an error of 0.13, their standard deviation one of 0.09. A few dozen effective events, as
    # of the second case, have a skewed logarithm; with each bin's own weight its bias was nine standard deviations.
    assert np.all(np.abs(np.mean(pulls, axis=0)) < 0.75)
    assert np.all(np.abs(np.std(pulls, axis=0) - 1) < 0.35)
    assert np.mean(np.array(p_values) < 0.05) < 0.15


def test_the_order_grows_only_where_the_spectrum_needs_it() -> None:
    counts, variances = simulated(3)
    assert fitted(counts, variances, *DIJET[::-1]).function.n_parameters == 3
    bent = TRUE * 1e4 * np.exp(np.log(EDGES[:-1] / 1000) ** 3)
    assert fitted(bent, bent * 2, *DIJET).function.n_parameters == 5
    with pytest.raises(InputDataError, match="one family"):
        fitted(counts, variances, DIJET[0], BackgroundFunction.from_card(load_fit("ua2")))
    few = np.where(np.arange(40) < 2, 1.0, 0.0)
    with pytest.raises(InputDataError, match="only 2 bins hold events"):
        fitted(few, few, DIJET[0])


def test_names_and_orders() -> None:
    assert [f.name for f in functions_of("auto")] == [f.name for f in functions_of("dijet3", 0)]
    assert [f.name for f in functions_of("dijet5", 0)] == ["dijet3", "dijet4", "dijet5", "dijet6"]
    assert [f.name for f in functions_of("dijet5")] == ["dijet5"]
    assert [f.name for f in functions_of("dijet5", 4)] == ["dijet4"]
    with pytest.raises(UsageError, match="hepad fit SPECTRUM --function gp"):
        functions_of("gp")


@pytest.fixture(scope="module")
def weighted(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A spectrum of two samples of different weights, with bins that expect few effective events."""
    counts, variances = simulated(7)
    histogram = hist.Hist(hist.axis.Variable(EDGES.tolist()), storage=hist.storage.Weight())
    histogram[:] = np.stack([counts, variances], axis=-1)
    path = tmp_path_factory.mktemp("weighted") / "w.json"
    write_histograms_json(path, {"m": histogram})
    return f"{path}:m"


@pytest.mark.parametrize("function", ["dijet4", "auto"])
def test_a_weighted_spectrum_means_the_same_in_every_verb(weighted: str, function: str) -> None:
    fit = fit_spectrum(weighted, options=FitOptions(functions=(function,), order=None))
    hunt = bumphunt(weighted, options=BumpHuntOptions(function=function, toys=0))
    how = MassLimitOptions(function=function, global_toys=0, calculator="asymptotic")
    limit = mass_limits(weighted, ["gauss:900,0.05"], options=how)
    one, two, three = fit.backgrounds[0], hunt.backgrounds[0], limit.background
    assert one.goodness == two.goodness == three.goodness
    assert one.goodness.p_toys is not None  # bins are sparse
    assert one.name == limit.background.name == hunt.to_json()["fit"]["function"]
    np.testing.assert_array_equal(one.expected, two.expected)
    np.testing.assert_array_equal(one.expected, three.expected)
    said = [fit.to_json()["fits"][0]["goodness"], hunt.to_json()["fit"], limit.to_json()]
    assert len({found["deviance"] for found in said}) == len({found["ndf"] for found in said}) == 1
    assert said[0]["p_value"] == said[1]["p_value"] == said[2]["fit_p_value"]
    assert said[0]["p_toys"] == said[1]["p_toys"] == said[2]["fit_p_toys"]
    for report in (fit, hunt, limit):
        assert any(text.startswith(WEIGHTED) for text in report.warnings)
        assert report.to_json()["spectrum"]["weighted"] is True


def test_its_deviance_is_the_least_of_the_effective_counts(weighted: str) -> None:
    """Against scipy's minimiser; the density integrated by Simpson's rule."""
    found = fit_spectrum(weighted, options=FitOptions(functions=("dijet3",), order=None)).backgrounds[0]
    counts, _ = simulated(7)
    weights = data_of(*simulated(7)).weights
    n, width = counts / weights, np.diff(EDGES)
    points = [EDGES[:-1], (EDGES[:-1] + EDGES[1:]) / 2, EDGES[1:]]

    def expected(p: np.ndarray) -> np.ndarray:
        low, middle, high = (np.exp(p[0] + p[1] * np.log1p(-m / 13000) + p[2] * np.log(m / 1000)) for m in points)
        return width * (low + 4 * middle + high) / 6 / weights

    def cost(p: np.ndarray) -> float:
        mean = expected(p)
        return float(2 * np.sum(mean - n + np.where(n > 0, n * np.log(np.maximum(n, 1e-300) / mean), 0.0)))

    start = np.array([np.log(TRUE[12] / width[12]), 9.0, -5.0])
    best = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-10, "maxiter": 20000})
    assert found.goodness.deviance == pytest.approx(best.fun, rel=1e-4)
    assert found.goodness.ndf == 37
    assert found.goodness.p_value == pytest.approx(chi2.sf(best.fun, 37), rel=1e-3)
    np.testing.assert_allclose(found.expected, expected(best.x) * weights, rtol=3e-3)


def test_a_hunt_counts_effective_events_and_says_those_of_the_spectrum() -> None:
    """Events of one weight: the probabilities of the events, the yields of the spectrum."""
    n = np.random.default_rng(4).poisson(TRUE).astype(float)
    n[14:17] += np.round(4 * np.sqrt(TRUE[14:17]))
    spectra = [Spectrum("m", EDGES, n), Spectrum("m", EDGES, 0.25 * n, 0.0625 * n)]
    from hepad.pipeline.bumphunt.run import hunt

    options = BumpHuntOptions(function="dijet3", toys=200)
    plain, light = (hunt([spectrum], options).to_json() for spectrum in spectra)
    assert light["window"] == plain["window"]
    assert light["local_p"] == pytest.approx(plain["local_p"], rel=1e-6)
    assert light["global_p"] == plain["global_p"]
    assert light["observed"] == pytest.approx(plain["observed"] / 4)
    assert light["expected"] == pytest.approx(plain["expected"] / 4)
    assert light["fit"]["deviance"] == pytest.approx(plain["fit"]["deviance"])
    reference = [Spectrum("b", EDGES, TRUE, TRUE / 10), Spectrum("b", EDGES, TRUE / 4, TRUE / 160)]
    pairs = zip(spectra, reference, strict=True)
    plain, light = (hunt([s], BumpHuntOptions(reference=b, toys=200)).to_json() for s, b in pairs)
    assert plain["counted_reference"]
    assert light["local_p"] == pytest.approx(plain["local_p"], rel=1e-6)
    assert light["global_p"] == plain["global_p"]


def test_the_goodness_of_a_sparse_spectrum_is_by_toys_everywhere() -> None:
    counts = np.random.default_rng(5).poisson(TRUE / 20).astype(float)
    found = fitted_function(data_of(counts, None), "dijet3")
    assert found.goodness.toys > 900
    assert found.goodness.best_p == found.goodness.p_toys != found.goodness.p_value
