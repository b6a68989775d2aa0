"""Excesses in windows as the authors of CWoLa hunting count them: densities are fitted outside of the window.

Collins, Howe, Nachman, Phys. Rev. D 99 (2019) 014038, arXiv:1902.02634: least squares, the function taken at the middle
of each bin; the error of n events is sqrt(n + 1). The window is one count; p0 is that of the profile likelihood ratio
(arXiv:1007.1727) over its expectation, a Gaussian of the propagated error of the fit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from hepad.errors import FitFailedError, InputDataError
from hepad.stats.bumphunt.window_count import WindowCount, window_edges
from hepad.stats.fits.fit import FitResult
from hepad.stats.fits.functions import BackgroundFunction

__all__ = ["DensityCount", "count_by_density", "fine_edges"]

FloatArray = npt.NDArray[np.float64]

_REACH = 8.0
"""The expectation moves by at most so many errors of the density per 100 GeV in the first bin of the window: theirs."""
_PER = 100.0
_ITERATIONS = 500
_DECREMENT = 1e-12


@dataclass(frozen=True)
class DensityCount(WindowCount):
    """As `WindowCount`, of the authors' definition. `fine` (m+1,) are the edges in which the window may have several
    bins. `z` is the signed root of their test statistic: their p0 is 0.5 for a deficit, `log_p` that of a larger p.
    """

    fine: FloatArray
    reach: float

    @property
    def p0(self) -> float:
        """The p-value as the authors give it, at most 0.5."""
        return float(np.exp(min(self.log_p, np.log(0.5))))

    @property
    def log_p(self) -> float:
        """The natural logarithm of the local p-value."""
        return float(log_ndtr(-self.z))

    @property
    def z(self) -> float:
        """The local significance."""
        at = self.place
        return float(_root(self.counts[at], self.expected[at], self.errors[at], np.asarray(self.reach)))

    def z_of(self, counts: FloatArray) -> FloatArray:
        """The local significances (T,) of other counts (T, n), each fitted anew; NaN where a fit does not converge."""
        lines = _Lines(self.fine, self.edges, self.place, self.fit.function)
        done = lines.fit(counts)
        expected, errors, reach = lines.window(done)
        return np.where(done.converged, _root(counts[:, self.place], expected, errors, reach), np.nan)


def fine_edges(edges: FloatArray, low: float, high: float) -> FloatArray:
    """Edges of a spectrum as `window_edges` gives them, with those inside of the window."""
    return np.union1d(window_edges(edges, low, high), edges[(edges > low) & (edges < high)])


def count_by_density(
    fine: FloatArray, counts: FloatArray, low: float, high: float, function: BackgroundFunction
) -> DensityCount:
    """Count between `low` and `high`, two of the edges `fine` (m+1,) in GeV of counts (m,).

    `InputDataError` for a window that is none of whole bins with some left for the fit on both sides,
    `FitFailedError` if the fit does not converge.
    """
    first, last = (int(np.argmin(np.abs(fine - edge))) for edge in (low, high))
    if fine[first] != low or fine[last] != high or not 0 < first < last < len(counts):
        raise InputDataError(f"the window {low:g} to {high:g} GeV is not of whole bins with others on both sides")
    edges = np.concatenate([fine[: first + 1], fine[last:]])
    joined = np.concatenate([counts[:first], [counts[first:last].sum()], counts[last:]])
    outside = np.delete(joined, first)
    filled = int(np.count_nonzero(outside))
    if filled <= function.n_parameters:
        raise InputDataError(
            f"{filled} bins outside of the window have events, {function.n_parameters + 1} are needed for a fit"
        )
    lines = _Lines(fine, edges, first, function)
    done = lines.fit(joined[None])
    if not done.converged[0]:
        raise FitFailedError(f"the least-squares fit of {function.name} did not converge; try another range")
    expected, slopes = lines.events(done)
    errors = np.sqrt(np.einsum("nk,kl,nl->n", slopes[0], done.covariance[0], slopes[0]))
    reach = float(lines.window(done)[2][0])
    return DensityCount(edges, joined, first, lines.result(done, expected[0], errors), expected[0], errors, fine, reach)


@dataclass(frozen=True)
class _Fitted:
    """Fits of T spectra: coordinates (T, k), their covariance (T, k, k), chi-square (T,), and which converged (T,)."""

    phi: FloatArray
    covariance: FloatArray
    chi2: FloatArray
    converged: npt.NDArray[np.bool_]


class _Lines:
    """The function at the middle of each bin, in features that are orthogonal: see `fits.fit.Design`.

    `fine` edges (m+1,) and those in which the window is one bin (n+1,), the bin `place` of these.
    """

    def __init__(self, fine: FloatArray, edges: FloatArray, place: int, function: BackgroundFunction) -> None:
        self.function, self.place = function, place
        self.outside = np.delete(np.arange(len(edges) - 1), place)
        self.widths = np.diff(edges)
        features = function.features((fine[1:] + fine[:-1]) / 2)
        self.bin = np.searchsorted(edges, fine[:-1], side="right") - 1
        _, triangle = np.linalg.qr(features)
        self.to_linear = np.linalg.solve(triangle, np.eye(function.n_parameters))
        self.features = features @ self.to_linear
        self.fine_widths = np.diff(fine)

    def fit(self, counts: FloatArray) -> _Fitted:
        """Weighted least squares of counts (T, n) outside of the window, by Levenberg and Marquardt's way."""
        of_bin = np.searchsorted(self.bin, self.outside)
        rows, widths = self.features[of_bin], self.widths[self.outside]
        target = counts[:, self.outside] / widths
        sigma = np.sqrt(counts[:, self.outside] + 1) / widths
        phi = _start(rows, target, sigma, widths)
        return _least_squares(rows, target, sigma, phi)

    def events(self, done: _Fitted) -> tuple[FloatArray, FloatArray]:
        """Expected events (T, n) and their derivatives (T, n, k)."""
        fine = np.exp(np.clip(done.phi @ self.features.T, -600, 600)) * self.fine_widths
        expected = np.add.reduceat(fine, self._starts, axis=1)
        return expected, np.add.reduceat(fine[..., None] * self.features, self._starts, axis=1)

    @property
    def _starts(self) -> npt.NDArray[np.intp]:
        return np.searchsorted(self.bin, np.arange(len(self.widths)))

    def window(self, done: _Fitted) -> tuple[FloatArray, FloatArray, FloatArray]:
        """The expectation in the window (T,), its error, and how far it may move."""
        expected, slopes = (part[:, self.place] for part in self.events(done))
        error = np.sqrt(np.einsum("tk,tkl,tl->t", slopes, done.covariance, slopes))
        row = self.features[self._starts[self.place]]
        density = np.exp(np.clip(done.phi @ row, -600, 600)) * _PER
        return expected, error, _REACH * density * np.sqrt(np.einsum("k,tkl,l->t", row, done.covariance, row))

    def result(self, done: _Fitted, expected: FloatArray, errors: FloatArray) -> FitResult:
        """The fit of one spectrum; its deviance is the chi-square."""
        linear = self.to_linear @ done.phi[0]
        jacobian = self.to_linear.copy()
        with np.errstate(over="ignore", invalid="ignore"):
            parameters = np.concatenate([[np.exp(linear[0])], linear[1:]])
            jacobian[0] *= parameters[0]
            covariance = jacobian @ done.covariance[0] @ jacobian.T
        ndf = len(self.outside) - self.function.n_parameters
        return FitResult(
            self.function,
            parameters,
            np.sqrt(np.diag(covariance)),
            covariance,
            float(done.chi2[0]),
            ndf,
            converged=True,
            expected=expected,
            expected_errors=errors,
        )


def _start(rows: FloatArray, target: FloatArray, sigma: FloatArray, widths: FloatArray) -> FloatArray:
    """Least squares on the logarithm of the densities, half an event in empty bins; shape (T, k)."""
    floor = np.maximum(target, 0.5 / widths)
    weight = floor / sigma
    matrix = np.einsum("mk,tm,ml->tkl", rows, weight**2, rows)
    side = np.einsum("mk,tm->tk", rows, weight**2 * np.log(floor))
    return np.asarray(np.linalg.solve(matrix, side[..., None])[..., 0])


def _least_squares(rows: FloatArray, target: FloatArray, sigma: FloatArray, phi: FloatArray) -> _Fitted:
    """Minimise sum of ((target - exp(rows phi)) / sigma)^2 for each of the T spectra; rows (m, k), phi (T, k)."""

    def parts(at: FloatArray, which: npt.NDArray[Any]) -> tuple[FloatArray, FloatArray]:
        model = np.exp(np.clip(at @ rows.T, -600, 600))
        return (target[which] - model) / sigma[which], (model / sigma[which])[..., None] * rows

    damping, k = np.full(len(phi), 1e-3), rows.shape[1]
    converged = np.zeros(len(phi), dtype=np.bool_)
    active = np.arange(len(phi))
    for _ in range(_ITERATIONS):
        residual, slopes = parts(phi[active], active)
        matrix = np.einsum("tmk,tml->tkl", slopes, slopes)
        side = np.einsum("tmk,tm->tk", slopes, residual)
        newton = np.einsum("tk,tk->t", side, _solved(matrix, side))
        done = np.abs(newton) < _DECREMENT * (1 + (residual**2).sum(axis=1))
        converged[active[done]] = True
        keep = ~done & np.isfinite(newton)
        active, residual, matrix, side = active[keep], residual[keep], matrix[keep], side[keep]
        if not len(active):
            break
        diagonal = matrix[:, range(k), range(k)]
        damped = matrix + (damping[active, None] * diagonal)[..., None] * np.eye(k)
        trial = phi[active] + _solved(damped, side)
        better = (parts(trial, active)[0] ** 2).sum(axis=1) <= (residual**2).sum(axis=1)
        phi[active[better]] = trial[better]
        damping[active] = np.where(better, damping[active] / 4, np.minimum(damping[active] * 5, 1e12))
    residual, slopes = parts(phi, np.arange(len(phi)))
    covariance = np.linalg.pinv(np.einsum("tmk,tml->tkl", slopes, slopes), hermitian=True)
    return _Fitted(phi, covariance, (residual**2).sum(axis=1), converged)


def _solved(matrix: FloatArray, side: FloatArray) -> FloatArray:
    k = matrix.shape[-1]
    ridge = 1e-14 * np.trace(matrix, axis1=1, axis2=2)[:, None, None] / k + 1e-300
    return np.asarray(np.linalg.solve(matrix + ridge * np.eye(k), side[..., None])[..., 0])


def _root(observed: npt.ArrayLike, expected: FloatArray, error: FloatArray, reach: FloatArray) -> FloatArray:
    """The signed root of -2 ln of the profile likelihood ratio, n events against a Gaussian expectation; shape (T,)."""
    n, b, v = np.asarray(observed, dtype=np.float64), expected, error**2
    # The maximum over the expectation: (best - b) / v = n / best - 1.
    best = ((b - v) + np.sqrt((b - v) ** 2 + 4 * n * v)) / 2
    best = np.maximum(np.clip(best, b - reach, b + reach), 1e-10)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(n > 0, n * np.log(n / best), 0.0)
        q = 2 * (best - n + logs) + np.where(v > 0, (best - b) ** 2 / v, 0.0)
    return np.asarray(np.copysign(np.sqrt(np.maximum(q, 0.0)), n - b))
