"""Shapes, processes, spurious and injected signals: against integrals, scikit-learn and iminuit."""

from __future__ import annotations

import itertools
from pathlib import Path

import hist
import numpy as np
import pytest
from iminuit import Minuit
from scipy.integrate import quad

from hepad.cards.fit import load_fit
from hepad.errors import InputDataError
from hepad.spectra.files import read_spectrum, write_histograms_json
from hepad.spectra.shapes import signals
from hepad.stats.fits.fit import deviance, fit_background
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.gaussian_process import fit_gaussian_process
from hepad.stats.fits.injection import Signal, inject, spurious_signals
from hepad.stats.fits.signal_fit import SignalFit
from hepad.stats.fits.templates import gaussian_template

ATLAS = read_spectrum(str(Path(__file__).parents[3] / "examples/data/atlas_dijet_139fb.csv"))
EDGES = np.array([100, 200, 300, 330, 345, 352, 400, 600, 900, 950, 990, 1010, 1060, 1200, 2000, 3000, 5000.0])


def function(name: str) -> BackgroundFunction:
    return BackgroundFunction.from_card(load_fit(name))


def crystal_ball(t: float, alpha_l: float, n_l: float, alpha_r: float, n_r: float) -> float:
    """As the papers write it, without a norm."""
    if t < -alpha_l:
        return float((n_l / alpha_l) ** n_l * np.exp(-(alpha_l**2) / 2) * (n_l / alpha_l - alpha_l - t) ** -n_l)
    if t > alpha_r:
        return float((n_r / alpha_r) ** n_r * np.exp(-(alpha_r**2) / 2) * (n_r / alpha_r - alpha_r + t) ** -n_r)
    return float(np.exp(-t * t / 2))


@pytest.mark.parametrize("tails", [(1.5, 3.0, 2.0, 4.0), (0.5, 1.5, 0.8, 20.0), (6.0, 2.0, 5.0, 3.0)])
@pytest.mark.parametrize(("mass", "width"), [(1000.0, 0.05), (350.0, 0.02), (2000.0, 0.15)])
def test_a_crystal_ball_is_its_integral_in_every_bin(
    tails: tuple[float, float, float, float], mass: float, width: float
) -> None:
    def integral(low: float, high: float) -> float:
        ends = [low, *(c for c in (-tails[0], 0.0, tails[2]) if low < c < high), high]
        pieces = itertools.pairwise(ends)
        return sum(quad(crystal_ball, *piece, args=tails, epsabs=0, epsrel=1e-11)[0] for piece in pieces)

    text = f"dscb:{mass},{width}," + ",".join(map(str, tails))
    pulls = (EDGES - mass) / (mass * width)
    exact = [integral(low, high) for low, high in itertools.pairwise(pulls)]
    found = signals([text], None, EDGES)[0].fractions
    np.testing.assert_allclose(found, np.array(exact) / integral(-np.inf, np.inf), rtol=1e-9)


def test_a_histogram_shape_is_its_share_of_events_in_coarser_bins(tmp_path: Path) -> None:
    """Fractions of the whole histogram, also of what lies beyond the spectrum; variances of the weights."""
    fine = hist.Hist.new.Reg(90, 1000, 5500).Weight()
    rng = np.random.default_rng(5)
    masses, weights = rng.normal(3000, 400, 5000), rng.uniform(0.1, 2, 5000)
    fine.fill(masses, weight=weights)
    write_histograms_json(tmp_path / "s.json", {"s": fine})
    edges = np.array([2000.0, 2500, 3000, 3200, 4000])
    found = signals([f"hist:{tmp_path / 's.json'}:s"], None, edges.astype(np.float32).astype(np.float64))[0]
    inside = (masses >= 1000) & (masses < 5500)
    total = weights[inside].sum()
    np.testing.assert_allclose(found.fractions, np.histogram(masses, edges, weights=weights)[0] / total, rtol=1e-9)
    np.testing.assert_allclose(
        found.variances, np.histogram(masses, edges, weights=weights**2)[0] / total**2, rtol=1e-9
    )
    with pytest.raises(InputDataError, match="finer with all of its edges"):
        signals([f"hist:{tmp_path / 's.json'}:s"], None, edges + 1)


def test_the_gaussian_process_is_that_of_scikit_learn() -> None:
    """With a thousand events a bin and more the counts' logarithms are Gaussian, of variance 1 / n: then both agree."""
    sklearn = pytest.importorskip("sklearn.gaussian_process")
    kernels = sklearn.kernels
    edges = np.geomspace(1000.0, 4000.0, 41)
    base = function("power2")
    logs = np.log((edges[1:] + edges[:-1]) / 2)
    smooth = 1e7 * np.exp(-5 * (logs - logs[0]) + 0.05 * np.sin(4 * logs))
    counts = np.random.default_rng(2).poisson(smooth).astype(np.float64)
    ours = fit_gaussian_process(edges, counts, base)
    trend, _ = np.linalg.qr(base.features(np.exp(logs)))

    class Trend(kernels.DotProduct):
        """The base function's parameters, free within ten standard deviations of their features."""

        def __call__(self, X, Y=None, eval_gradient=False):
            def features(points: np.ndarray) -> np.ndarray:
                return trend[[int(np.argmin(np.abs(logs - p))) for p in points[:, 0]]] * np.sqrt(len(logs)) * 10

            matrix = features(X) @ features(X if Y is None else Y).T
            return (matrix, np.zeros((*matrix.shape, 0))) if eval_gradient else matrix

        def diag(self, X):
            return np.diag(self(X))

    departure = kernels.ConstantKernel(ours.amplitude**2) * kernels.RBF(ours.length)
    model = sklearn.GaussianProcessRegressor(departure + Trend(1.0, "fixed"), alpha=1 / ours.expected, optimizer=None)
    model.fit(logs[:, None], np.log(counts / ours.prior))
    mean, spread = model.predict(logs[:, None], return_std=True)
    pull = (np.log(ours.expected / ours.prior) - mean) / spread
    assert np.abs(pull).max() < 0.05
    np.testing.assert_allclose(ours.expected_errors / ours.expected, spread, rtol=0.02)
    best = model.log_marginal_likelihood(model.kernel_.theta)
    for change in ([0.4, 0], [-0.4, 0], [0, 0.2], [0, -0.2]):  # of the logarithms of the variance and of the length
        assert model.log_marginal_likelihood(model.kernel_.theta + change) < best


def minuit_yield(truth: np.ndarray, form: BackgroundFunction, mass: float, width: float) -> tuple[float, float]:
    """Yield and error of iminuit, in the function's own parameters and with its own integrals."""
    shape = gaussian_template(ATLAS.edges, mass, width)
    start = fit_background(ATLAS.edges, truth, form)
    root = np.linalg.cholesky(start.covariance)  # steps in which the fit is well conditioned

    def cost(values: np.ndarray) -> float:
        expected = form.expected(ATLAS.edges, start.parameters + root @ values[1:]) + 100 * values[0] * shape
        return float(deviance(truth, expected)) if expected.min() > 0 else 1e12

    minuit = Minuit(cost, np.zeros(1 + form.n_parameters))
    minuit.errordef, minuit.strategy, minuit.tol = 1, 2, 1e-4
    minuit.migrad(ncall=20000)
    minuit.hesse()
    return 100 * minuit.values[0], 100 * minuit.errors[0]


def test_spurious_signals_are_those_of_iminuit() -> None:
    truth = fit_background(ATLAS.edges, ATLAS.counts, function("dijet4")).expected
    masses = [1600.0, 2500.0, 4000.0]
    for point in spurious_signals(ATLAS.edges, truth, function("dijet3"), masses=masses, width=0.05):
        value, error = minuit_yield(truth, function("dijet3"), point.mass, 0.05)
        assert point.error == pytest.approx(error, rel=0.01)
        assert point.spurious == pytest.approx(value, abs=0.01 * error)


def test_fitted_yields_are_linear_in_the_injected_ones() -> None:
    """Exactly for the expectation itself, negative yields included; within errors for Poisson counts."""
    form = function("dijet3")
    truth = fit_background(ATLAS.edges, ATLAS.counts, form).expected
    shape = gaussian_template(ATLAS.edges, 2500.0, 0.03)
    yields = np.array([-500.0, 0.0, 50.0, 1000.0, 20000.0])
    fits = SignalFit(ATLAS.edges, truth, form).fit(
        truth + yields[:, None] * shape, np.tile([0.0, 2500.0, 0.03], (len(yields), 1))
    )
    assert fits.converged.all()
    np.testing.assert_allclose(fits.values[:, 0], yields, atol=0.5)
    means, errors = [], []
    for events in (0.0, 500.0, 1000.0, 2000.0):
        found = inject(
            ATLAS.edges, truth, form, Signal(events, 2500.0, 0.03), experiments=300, floating=(), seed=int(events)
        )
        means.append(found.values[:, 0].mean())
        errors.append(found.values[:, 0].std() / np.sqrt(len(found.values)))
    slope, offset = np.polyfit([0, 500, 1000, 2000], means, 1, w=1 / np.array(errors))
    assert slope == pytest.approx(1.0, abs=0.05)
    assert offset == pytest.approx(0.0, abs=4 * max(errors))
