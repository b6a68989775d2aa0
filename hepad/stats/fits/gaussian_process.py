"""A Gaussian process as background: a smooth departure from a simple function, without a formula of its own.

The idea is that of arXiv:1709.05681. There the process is in the counts, with a Gibbs kernel whose length grows with
the mass; here it is in the logarithm of the counts against that of the mass, where a constant length says the same,
and the likelihood is Poisson's (Laplace's approximation, Rasmussen and Williams, chapter 3) in place of Gaussian.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from hepad.errors import FitFailedError
from hepad.stats.fits.fit import BatchFit, deviance, fit_background
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["GaussianProcessFit", "fit_gaussian_process"]

FloatArray = npt.NDArray[np.float64]

AMPLITUDES = (1e-4, 1.0)
"""Standard deviations of the departure, of the logarithm, that are tried."""
LENGTHS = (0.2, 3.0)
"""Lengths in the logarithm of the mass that are tried: a signal of a tenth of its mass is narrower than the least."""
_VAGUE = 10.0
"""Standard deviation of the base function's own parameters, in units in which its features are of size one."""
_NEGLIGIBLE = 1e-13
_MAX_ITERATIONS = 60
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class GaussianProcessFit:
    """Expected events (n,) and their standard deviations (n,), by the process that the data make most likely.

    `amplitude` is the standard deviation of the logarithm's departure from the base function, `length` its length in
    the logarithm of the mass; `at_limit` if the data ask for more or shorter than is allowed. `n_effective` is the
    effective number of parameters, `log_evidence` the logarithm of the marginal likelihood. `prior` (n,) are the events
    of the base function's own fit, `features` (n, r) those of the departure's logarithm.
    """

    base: BackgroundFunction
    amplitude: float
    length: float
    at_limit: bool
    expected: FloatArray
    expected_errors: FloatArray
    deviance: float
    n_effective: float
    log_evidence: float
    prior: FloatArray
    features: FloatArray

    @property
    def ndf(self) -> float:
        """Bins less the effective number of parameters; for rough p-values only."""
        return len(self.expected) - self.n_effective

    def refit(self, counts: FloatArray) -> BatchFit:
        """Fit pseudo-experiments of counts (T, n), with amplitude and length as they are."""
        coefficients, _, converged = _mode(self.prior, self.features, counts)
        expected = self.prior * np.exp(np.clip(coefficients @ self.features.T, -50, 50))
        return BatchFit(expected=expected, deviance=deviance(counts, expected), converged=converged)


def fit_gaussian_process(
    edges: FloatArray, counts: FloatArray, base: BackgroundFunction, *, exposure: FloatArray | None = None
) -> GaussianProcessFit:
    """Fit a Gaussian process around the `base` function to counts (n,) in bins of edges (n+1,) in GeV.

    The base function's parameters stay free, so that the process describes what it cannot. Amplitude and length
    maximise the marginal likelihood within `AMPLITUDES` and `LENGTHS`. `FitFailedError` if a fit fails.
    """
    fit = fit_background(edges, counts, base, exposure=exposure)
    logs = np.log((edges[:-1] + edges[1:]) / 2)
    trend, _ = np.linalg.qr(base.features(np.exp(logs)))
    trend = trend * (np.sqrt(len(counts)) * _VAGUE)

    def features(point: FloatArray) -> FloatArray:
        return _features(logs, trend, float(np.exp(point[0])), float(np.exp(point[1])))

    def lost(point: FloatArray) -> float:
        return -_evidence(fit.expected, features(point), counts)

    bounds = [(float(np.log(low)), float(np.log(high))) for low, high in (AMPLITUDES, LENGTHS)]
    amplitudes, lengths = (np.linspace(low, high, 8) for low, high in bounds)
    grid = [np.array([a, b]) for a in amplitudes for b in lengths]
    from scipy.optimize import minimize

    found = minimize(lost, min(grid, key=lost), method="Nelder-Mead", bounds=bounds, options={"xatol": 1e-3})
    chosen = features(found.x)
    coefficients, precision, converged = _mode(fit.expected, chosen, counts[None, :])
    if not converged[0] or not np.isfinite(found.fun):
        raise FitFailedError(f"the Gaussian process around {base.name} did not converge; try another base function")
    covariance = np.linalg.inv(precision[0])
    expected = fit.expected * np.exp(chosen @ coefficients[0])
    spread = np.sqrt(np.einsum("nr,rs,ns->n", chosen, covariance, chosen))
    return GaussianProcessFit(
        base=base,
        amplitude=float(np.exp(found.x[0])),
        length=float(np.exp(found.x[1])),
        at_limit=bool(bounds[0][1] - found.x[0] < 1e-2 or found.x[1] - bounds[1][0] < 1e-2),
        expected=expected,
        expected_errors=expected * spread,
        deviance=float(deviance(counts, expected)),
        n_effective=float(chosen.shape[1] - np.trace(covariance)),
        log_evidence=float(-found.fun),
        prior=fit.expected,
        features=chosen,
    )


def _features(logs: FloatArray, trend: FloatArray, amplitude: float, length: float) -> FloatArray:
    """Features (n, r) whose coefficients are independent and of unit variance: the root of the kernel's matrix."""
    kernel = amplitude**2 * np.exp(-0.5 * ((logs[:, None] - logs) / length) ** 2)
    values, vectors = np.linalg.eigh(kernel)
    keep = values > _NEGLIGIBLE * values[-1]
    return np.column_stack([vectors[:, keep] * np.sqrt(values[keep]), trend])


def _mode(
    prior: FloatArray, features: FloatArray, counts: FloatArray
) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Coefficients (T, r) of the largest posterior, its precision (T, r, r) and which have converged, by Newton."""
    unit = np.eye(features.shape[1])
    coefficients = np.zeros((len(counts), features.shape[1]))
    value = _loss(prior, features, counts, coefficients)
    converged = np.zeros(len(counts), dtype=np.bool_)
    for _ in range(_MAX_ITERATIONS):
        expected = prior * np.exp(np.clip(coefficients @ features.T, -50, 50))
        precision = (features.T * expected[:, None, :]) @ features + unit
        score = (counts - expected) @ features - coefficients
        step = np.linalg.solve(precision, score[..., None])[..., 0]
        converged = np.einsum("tr,tr->t", step, score) < _TOLERANCE
        if converged.all():
            break
        length = np.ones(len(counts))
        for _ in range(12):
            trial = coefficients + length[:, None] * step
            trial_value = _loss(prior, features, counts, trial)
            better = trial_value <= value + 1e-9 * (1 + np.abs(value))
            if better.all():
                break
            length[~better] /= 2
        coefficients[better], value[better] = trial[better], trial_value[better]
    return coefficients, precision, converged


def _loss(prior: FloatArray, features: FloatArray, counts: FloatArray, coefficients: FloatArray) -> FloatArray:
    """-ln of the posterior (T,), up to a constant."""
    expected = prior * np.exp(np.clip(coefficients @ features.T, -50, 50))
    return np.asarray(0.5 * deviance(counts, expected) + 0.5 * np.sum(coefficients**2, axis=1))


def _evidence(prior: FloatArray, features: FloatArray, counts: FloatArray) -> float:
    """Laplace's approximation of the logarithm of the marginal likelihood; minus infinity where there is no mode."""
    coefficients, precision, converged = _mode(prior, features, counts[None, :])
    sign, logs = np.linalg.slogdet(precision[0])
    if not converged[0] or sign <= 0:
        return -np.inf
    loss = float(_loss(prior, features, counts[None, :], coefficients)[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        saturated = np.where(counts > 0, counts * np.log(counts), 0.0) - counts - gammaln(counts + 1)
    return float(np.sum(saturated) - loss - 0.5 * logs)
