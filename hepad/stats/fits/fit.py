"""Binned Poisson maximum-likelihood fits of a background function, one at a time or batched over pseudo-experiments."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from iminuit import Minuit
from scipy.special import chdtrc

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.fits.functions import BackgroundFunction, quadrature

__all__ = [
    "BatchFit",
    "Design",
    "FitResult",
    "Refitter",
    "chi_square_p",
    "deviance",
    "fisher_scoring",
    "fit_background",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MAX_ITERATIONS = 100
_MAX_HALVINGS = 12
_DECREMENT = 1e-9
"""Fisher scoring stops when one more step would lower the deviance by less than this."""


def chi_square_p(value: float, ndf: float) -> float:
    """Probability of a chi-square at least this large, NaN without degrees of freedom."""
    # scipy.stats has it too, and takes as long to import as all else of a fit.
    return float(chdtrc(ndf, max(value, 0.0))) if ndf > 0 else float("nan")


@dataclass(frozen=True)
class FitResult:
    """A converged fit: parameters and errors (k,), covariance (k, k), expected events (n,) per bin.

    `deviance` is twice the log-likelihood ratio to the saturated model, `p_value` its chi-square probability for `ndf`,
    which is approximate where bins hold few events. `expected_errors` (n,) are the standard deviations of the expected
    events by the covariance.
    """

    function: BackgroundFunction
    parameters: FloatArray
    errors: FloatArray
    covariance: FloatArray
    deviance: float
    ndf: int
    converged: bool
    expected: FloatArray
    expected_errors: FloatArray

    @property
    def p_value(self) -> float:
        """Chi-square probability of a deviance at least this large."""
        return chi_square_p(self.deviance, self.ndf)


@dataclass(frozen=True)
class BatchFit:
    """Fits of T pseudo-experiments: expected events (T, n), deviance (T,), and which of them converged (T,)."""

    expected: FloatArray
    deviance: FloatArray
    converged: BoolArray


def deviance(counts: FloatArray, expected: FloatArray) -> FloatArray:
    """Poisson deviance 2 sum(E - n + n ln(n/E)) over the last axis, for counts and expected (..., n)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counts > 0, counts * np.log(counts / expected), 0.0)
    return np.asarray(2.0 * np.sum(expected - counts + logs, axis=-1), dtype=np.float64)


def fit_background(
    edges: FloatArray, counts: FloatArray, function: BackgroundFunction, *, exposure: FloatArray | None = None
) -> FitResult:
    """Fit `function` to counts (n,) in bins of edges (n+1,) in GeV by maximum likelihood.

    With `exposure` (n,) the expectation of a bin is its integral of the function times its exposure.

    Fisher scoring in orthogonalised features gives the start, iminuit's Migrad the result and Hesse its covariance.
    `InputDataError` if there are too few bins or they lie outside the function's domain;
    `FitFailedError` if the fit does not converge: then there is no result.
    """
    design = Design(edges, counts, function, exposure=exposure)
    start, _, _ = fisher_scoring(design, counts[None, :], design.start(counts)[None, :])

    def cost(phi: FloatArray) -> float:
        return 0.5 * float(deviance(counts, design.predict(phi[None, :])[0][0]))

    def gradient(phi: FloatArray) -> FloatArray:
        expected, slopes = design.predict(phi[None, :])
        return np.asarray((1 - counts / expected[0]) @ slopes[0], dtype=np.float64)

    with np.errstate(all="ignore"):
        minuit = Minuit(cost, start[0], grad=gradient)
        minuit.errordef = Minuit.LIKELIHOOD
        minuit.strategy = 2
        minuit.migrad()
        if minuit.valid:
            minuit.hesse()
    covariance = minuit.covariance
    if not minuit.valid or not minuit.accurate or covariance is None or not np.isfinite(minuit.fval or np.inf):
        raise FitFailedError(f"the fit of {function.name} did not converge; try fewer parameters or another range")
    return _result(design, function, np.asarray(minuit.values), np.asarray(covariance), counts)


class Refitter:
    """Refits a background function in many pseudo-experiments at once, each from the fit to the data."""

    def __init__(self, edges: FloatArray, fit: FitResult, *, exposure: FloatArray | None = None) -> None:
        self._design = Design(edges, fit.expected, fit.function, exposure=exposure)
        self._start = self._design.to_phi(fit.parameters)

    @cached_property
    def covariance(self) -> FloatArray:
        """The covariance (n, n) of expected events that are fitted to counts of the fit's own expectation."""
        expected, slopes = (part[0] for part in self._design.predict(self._start[None]))
        information = (slopes / np.maximum(expected, np.finfo(float).tiny)[:, None]).T @ slopes
        return np.asarray(slopes @ np.linalg.pinv(information, hermitian=True) @ slopes.T, dtype=np.float64)

    def fit(self, counts: FloatArray) -> BatchFit:
        """Fit pseudo-experiments of counts (T, n)."""
        return self.fit_with_slopes(counts)[0]

    def fit_with_slopes(self, counts: FloatArray) -> tuple[BatchFit, FloatArray]:
        """The same, and the derivatives (T, n, k) of the expected events by coordinates of the function."""
        start = np.tile(self._start, (len(counts), 1))
        phi, values, converged = fisher_scoring(self._design, counts, start)
        expected, slopes = self._design.predict(phi)
        return BatchFit(expected=expected, deviance=values, converged=converged), slopes


class Design:
    """Features at the quadrature nodes, orthogonalised so that the Fisher information is nearly the unit matrix.

    `features` (n, q, k) and `weights` (n, q): the expectation of a bin is the sum over its nodes of its weights times
    exp(features @ phi). `counts` (n,) set the scale only. `exposure` (n,) multiplies the expectation of each bin.
    """

    def __init__(
        self, edges: FloatArray, counts: FloatArray, function: BackgroundFunction, *, exposure: FloatArray | None = None
    ) -> None:
        k = function.n_parameters
        _check(edges, counts, function)
        nodes, weights = quadrature(edges)
        factor = np.ones(len(counts)) if exposure is None else exposure
        self.weights = weights * factor[:, None]
        features = function.features(nodes)
        self._centres = features[:, features.shape[1] // 2, :]
        # Half an event in empty bins keeps the features independent in sparse tails.
        scale = np.sqrt(counts + 0.5)
        _, triangle = np.linalg.qr(self._centres * scale[:, None])
        self.to_linear = np.linalg.solve(triangle, np.eye(k))
        self._triangle = triangle
        self.features = features @ self.to_linear
        self._scale = scale
        self._widths = np.diff(edges) * factor

    def start(self, counts: FloatArray) -> FloatArray:
        """Weighted least squares on the logarithm of the counts per GeV."""
        target = np.log((counts + 0.5) / self._widths)
        linear = np.linalg.lstsq(self._centres * self._scale[:, None], target * self._scale, rcond=None)[0]
        return np.asarray(self._triangle @ linear, dtype=np.float64)

    def to_phi(self, parameters: FloatArray) -> FloatArray:
        """Orthogonal coordinates of the function's parameters (k,)."""
        linear = np.concatenate([[np.log(parameters[0])], parameters[1:]])
        return np.asarray(self._triangle @ linear, dtype=np.float64)

    def predict(self, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected events (T, n) and their derivatives (T, n, k) for orthogonal coordinates (T, k)."""
        n, q, k = self.features.shape
        logs = (phi @ self.features.reshape(n * q, k).T).reshape(-1, n, q)
        parts = np.exp(np.clip(logs, -600.0, 600.0)) * self.weights
        slopes = np.einsum("tnq,nqk->tnk", parts, self.features, optimize=True)
        # The clip and this floor keep absurd trial steps finite; they never bind at a minimum.
        return np.maximum(parts.sum(axis=2), 1e-290), slopes


def _check(edges: FloatArray, counts: FloatArray, function: BackgroundFunction) -> None:
    k = function.n_parameters
    if len(counts) <= k:
        raise InputDataError(
            f"{len(counts)} bins cannot determine the {k} parameters of {function.name}; use more bins"
        )
    filled = int(np.count_nonzero(counts))
    if filled < k:
        raise InputDataError(f"only {filled} bins hold events, fewer than the {k} parameters of {function.name}")
    if edges[0] < 0 or edges[-1] >= function.sqrt_s:
        raise InputDataError(
            f"{function.name} is defined for masses between 0 and {function.sqrt_s:g} GeV; "
            f"the spectrum spans {edges[0]:g} to {edges[-1]:g} (choose a range)"
        )


def fisher_scoring(design: Design, counts: FloatArray, start: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Batched maximum likelihood for counts (T, n) from start (T, k): coordinates, deviances, converged."""
    phi = start.copy()
    converged = np.zeros(len(counts), dtype=np.bool_)
    active = np.arange(len(counts))
    values = np.full(len(counts), np.inf)
    values[:] = deviance(counts, design.predict(phi)[0])
    for _ in range(_MAX_ITERATIONS):
        expected, slopes = design.predict(phi[active])
        score = np.einsum("tn,tnk->tk", counts[active] / expected - 1, slopes, optimize=True)
        information = np.einsum("tnk,tnl->tkl", slopes / expected[..., None], slopes, optimize=True)
        step = _solve(information, score)
        decrement = np.einsum("tk,tk->t", step, score)
        done = decrement < _DECREMENT
        converged[active[done]] = np.isfinite(decrement[done]) & (decrement[done] > -_DECREMENT)
        active, step = active[~done & np.isfinite(decrement)], step[~done & np.isfinite(decrement)]
        if len(active) == 0:
            break
        moved = _line_search(design, counts, phi, values, active=active, step=step)
        active = active[moved]
    return phi, values, converged


def _solve(information: FloatArray, score: FloatArray) -> FloatArray:
    """Newton steps (T, k); a tiny ridge keeps singular information solvable, its step then fails to converge."""
    k = information.shape[-1]
    ridge = 1e-12 * np.trace(information, axis1=1, axis2=2)[:, None, None] / k + 1e-300
    return np.asarray(np.linalg.solve(information + ridge * np.eye(k), score[..., None])[..., 0], dtype=np.float64)


def _line_search(
    design: Design,
    counts: FloatArray,
    phi: FloatArray,
    values: FloatArray,
    *,
    active: npt.NDArray[np.intp],
    step: FloatArray,
) -> BoolArray:
    """Halve steps until the deviance does not rise; updates phi and values, returns which fits moved."""
    pending = np.ones(len(active), dtype=np.bool_)
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        chosen = active[pending]
        trial = phi[chosen] + length * step[pending]
        value = deviance(counts[chosen], design.predict(trial)[0])
        # Deviances of 1e7 events carry rounding of this size.
        better = value <= values[chosen] + 1e-10 * (1 + np.abs(values[chosen]))
        phi[chosen[better]], values[chosen[better]] = trial[better], value[better]
        pending[np.flatnonzero(pending)[better]] = False
        if not pending.any():
            break
        length /= 2
    return ~pending


def _result(
    design: Design, function: BackgroundFunction, phi: FloatArray, covariance: FloatArray, counts: FloatArray
) -> FitResult:
    linear = design.to_linear @ phi
    with np.errstate(over="ignore", invalid="ignore"):
        parameters = np.concatenate([[np.exp(linear[0])], linear[1:]])
        # Reported is p1, fitted was ln p1: the first row and column scale with p1.
        jacobian = design.to_linear.copy()
        jacobian[0] *= parameters[0]
        full = jacobian @ covariance @ jacobian.T
    if not np.all(np.isfinite(full)) or not np.all(np.isfinite(parameters)) or parameters[0] == 0:
        raise FitFailedError(f"the fit of {function.name} ran away (ln p1 = {linear[0]:.3g}); try fewer parameters")
    predicted, slopes = design.predict(phi[None, :])
    expected = predicted[0]
    variances = np.einsum("nk,kl,nl->n", slopes[0], covariance, slopes[0])
    return FitResult(
        function=function,
        parameters=parameters,
        errors=np.sqrt(np.diag(full)),
        covariance=full,
        deviance=float(deviance(counts, expected)),
        ndf=len(counts) - function.n_parameters,
        converged=True,
        expected=expected,
        expected_errors=np.sqrt(np.maximum(variances, 0.0)),
    )
