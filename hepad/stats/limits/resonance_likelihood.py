"""The likelihood of a signal on smooth backgrounds with free parameters, for many data sets at once.

All channels are stacked: a background is, in every bin, a sum over quadrature nodes of a weight times the exponential
of a linear function of its parameters. That holds for the functions of `functions.py` and for a known yield with a
log-normal error alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hepad.stats.fits.fit import deviance
from hepad.stats.fits.line_search import halve_steps

__all__ = ["ResonanceLikelihood", "Terms"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MAX_ITERATIONS = 300
_DECREMENT = 1e-10
_ACCEPTABLE = 1e-7
"""Where rounding stops the line search first, a promised gain below this still is convergence."""
_LARGEST_STEP = 4.0
"""Largest change of the logarithm of a background in one step: beyond it the quadratic model means nothing."""
_RIDGE = 1e-10
"""Added to the information; where a background has vanished its parameters have none."""
_TINY = 1e-290
_SMALL = 1e-150
_ABSURD = 1e100
"""Counts of trial steps that are refused: their ratio to small counts is no number."""


@dataclass(frozen=True)
class Terms:
    """Stacked bins (n,), quadrature nodes (q) and background parameters (k).

    `signal` (n,) at mu = 1 with the logarithms of its log-normal kappas `signal_logs` (g,); `spurious` (n, c) events
    per standard deviation of each spurious signal; `features` (n, q, k) and `weights` (n, q) of the backgrounds;
    `constrained` (k,) says which background parameters have a unit Gaussian constraint. Bins with `floor` (n,) above
    zero cannot fall below it (smoothly), as a spurious signal may be negative.
    """

    signal: FloatArray
    signal_logs: FloatArray
    spurious: FloatArray
    floor: FloatArray
    features: FloatArray
    weights: FloatArray
    constrained: BoolArray


class _Point(NamedTuple):
    """The model at parameters (T, P): expected counts E (T, n), and what its derivatives are made of.

    `slope` is E' and `bend` E'' (E / E')^2 (T, n) by the counts without a floor, `unit` the signal at mu = 1
    (T, n), `nodes` (T, n, q) the quadrature of the `background` (T, n).
    """

    expected: FloatArray
    slope: FloatArray
    bend: FloatArray
    unit: FloatArray
    nodes: FloatArray
    background: FloatArray


class ResonanceLikelihood:
    """Poisson counts times Gaussian constraints of the nuisance parameters.

    Parameters (T, P): mu, one per signal kappa, one per spurious signal, the backgrounds'. Auxiliary measurements
    (T, P) are what the constrained ones among them are drawn to; the others' entries do not count.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        n, q, k = terms.features.shape
        self._nodes = terms.features.reshape(n * q, k)
        self._centres = terms.features[:, q // 2, :]
        self._first_spurious = 1 + len(terms.signal_logs)
        self._first_background = self._first_spurious + terms.spurious.shape[1]
        mine = np.ones(self._first_background)
        mine[0] = 0.0
        self.penalty = np.concatenate([mine, terms.constrained.astype(np.float64)])
        """Inverse variances (P,) of the constraints, 0 for free parameters."""

    def expected(self, theta: FloatArray) -> FloatArray:
        """Expected counts (T, n) for parameters (T, P)."""
        return self._point(theta).expected

    def fit(
        self,
        counts: FloatArray,
        aux: FloatArray,
        start: FloatArray,
        *,
        low: float | FloatArray,
        high: float | FloatArray,
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Maximum likelihood for counts (T, n) with mu in [low, high] (equal: fixed) from a start (T, P).

        Bounds are common or each fit's own (T,). Returns parameters (T, P), -ln L (T,) relative to the saturated model,
        and which fits converged (T,).
        """
        lows, highs = (np.broadcast_to(np.asarray(bound, dtype=np.float64), len(counts)) for bound in (low, high))
        theta = start.copy()
        theta[:, 0] = np.clip(theta[:, 0], lows, highs)
        values = self._cost(theta, counts, aux)
        converged = np.zeros(len(counts), dtype=np.bool_)
        active = np.flatnonzero(np.isfinite(values))
        for _ in range(_MAX_ITERATIONS):
            step, gain = self._newton(theta[active], counts[active], aux[active], low=lows[active], high=highs[active])
            size = 1 + values[active]
            converged[active] = np.abs(gain) < _ACCEPTABLE * size
            going = ~(np.abs(gain) < _DECREMENT * size) & np.isfinite(gain)
            active, step = active[going], step[going]
            if len(active) == 0:
                break
            active = halve_steps(
                theta,
                values,
                active=active,
                step=step,
                cost=lambda trial, rows: self._cost(trial, counts[rows], aux[rows]),
                restrict=lambda trial, rows: self._restrict(trial, lows[rows], highs[rows]),
                slack=1e-13,
                halvings=30,
            )
        return theta, values, converged

    @staticmethod
    def _restrict(trial: FloatArray, low: FloatArray, high: FloatArray) -> None:
        """Keep the signal strength of trial parameters (T, P) within its bounds."""
        trial[:, 0] = np.clip(trial[:, 0], low, high)

    def _cost(self, theta: FloatArray, counts: FloatArray, aux: FloatArray) -> FloatArray:
        pulls = np.sum(self.penalty * (theta - aux) ** 2, axis=1)
        expected = self.expected(theta)
        value = 0.5 * (deviance(counts, expected) + pulls)
        return np.where(expected.max(axis=1) < _ABSURD, value, np.inf)

    def _point(self, theta: FloatArray) -> _Point:
        terms = self._terms
        n, q, _ = terms.features.shape
        logs = theta[:, self._first_background :] @ self._nodes.T
        nodes = np.exp(np.clip(logs, -600.0, 600.0)).reshape(-1, n, q) * terms.weights
        # The clip keeps absurd trial steps finite; it never binds at a minimum.
        factor = np.clip(theta[:, 1 : self._first_spurious] @ terms.signal_logs, -600.0, 600.0)
        unit = np.exp(factor)[:, None] * terms.signal
        background = nodes @ np.ones(q)  # many times faster than a sum over a short axis
        raw = theta[:, :1] * unit + background
        if terms.spurious.shape[1] == 0:
            return _Point(np.maximum(raw, _TINY), np.ones_like(raw), np.zeros_like(raw), unit, nodes, background)
        raw += theta[:, self._first_spurious : self._first_background] @ terms.spurious.T
        root = np.sqrt(raw**2 + 4 * terms.floor**2)
        # A hyperbola: raw where it is well above the floor; its two forms avoid cancellation.
        with np.errstate(divide="ignore", invalid="ignore"):
            curve = np.where(raw > 0, (raw + root) / 2, 2 * terms.floor**2 / (root - raw))
            slope = np.where(root > 0, curve / root, 1.0)
            bend = np.where(root > 0, 2 * terms.floor**2 / root, 0.0)
        return _Point(np.maximum(curve, _TINY), slope, bend, unit, nodes, background)

    def _newton(
        self, theta: FloatArray, counts: FloatArray, aux: FloatArray, *, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Newton steps (T, P) and the gain in -ln L that they promise (T,)."""
        point = self._point(theta)
        expected, excess = point.expected, point.expected - counts
        # Of the logarithm of E: squares of E itself would underflow in tails of tiny expectation.
        jacobian = self._jacobian(theta, point)
        score = self.penalty * (aux - theta) - np.einsum("tn,tnp->tp", excess, jacobian)
        mu = theta[:, 0]
        held = (mu <= low) & (score[:, 0] <= 0) | (mu >= high) & (score[:, 0] >= 0) | (low == high)
        jacobian[held, :, 0] = 0.0
        score[held, 0] = 0.0
        weight = counts + excess / expected * point.bend
        curvature = excess * expected / np.maximum(point.background, _SMALL)
        hessian = self._information(jacobian, weight, curvature=curvature)
        hessian += self._signal_curvature(mu, np.einsum("tn,tn->t", excess / expected * point.slope, point.unit), held)
        diagonal = np.tile(np.diag(self.penalty + _RIDGE), (len(theta), 1, 1))
        diagonal[:, 0, 0] += held
        hessian += diagonal
        wrong = _not_positive(hessian)
        if wrong.any():
            lift = np.maximum(counts + curvature - expected, 0.0)
            safe = self._information(jacobian[wrong], np.maximum(weight, expected)[wrong], curvature=lift[wrong])
            hessian[wrong] = safe + diagonal[wrong]
        step = np.linalg.solve(hessian, score[..., None])[..., 0]
        change = np.abs(step[:, self._first_background :] @ self._centres.T)
        largest = np.max(np.where(point.background > 1e-3, change, 0.0), axis=1)
        gain = np.einsum("tp,tp->t", step, score)
        step *= np.minimum(1.0, _LARGEST_STEP / np.maximum(largest, _TINY))[:, None]
        return step, np.asarray(gain, dtype=np.float64)

    def _jacobian(self, theta: FloatArray, point: _Point) -> FloatArray:
        """Derivatives (T, n, P) of the logarithms of the expected counts."""
        terms = self._terms
        out = np.empty((*point.unit.shape, theta.shape[1]))
        out[..., 0] = point.unit
        out[..., 1 : self._first_spurious] = (theta[:, :1] * point.unit)[..., None] * terms.signal_logs
        out[..., self._first_spurious : self._first_background] = terms.spurious
        by_bin = np.matmul(point.nodes.transpose(1, 0, 2), terms.features)
        out[..., self._first_background :] = by_bin.transpose(1, 0, 2)
        return np.asarray(out * (point.slope / point.expected)[..., None], dtype=np.float64)

    def _information(self, jacobian: FloatArray, weight: FloatArray, *, curvature: FloatArray) -> FloatArray:
        """Sums (T, P, P) of products of derivatives with a weight a bin, and one more for the background's.

        A background is an exponential: its second derivative is nearly the product of the first, over itself.
        """
        first = self._first_background
        turned = np.swapaxes(jacobian, 1, 2)
        total = turned @ (jacobian * weight[..., None])
        own = jacobian[..., first:]
        total[:, first:, first:] += turned[:, first:] @ (own * curvature[..., None])
        return np.asarray(total, dtype=np.float64)

    def _signal_curvature(self, mu: FloatArray, pull: FloatArray, held: BoolArray) -> FloatArray:
        """Second derivatives (T, P, P) by mu and the signal's nuisance parameters; `pull` (T,) for mu = 1."""
        logs = self._terms.signal_logs
        total = np.zeros((len(mu), len(self.penalty), len(self.penalty)))
        mixed = np.where(held, 0.0, pull)[:, None] * logs
        total[:, 0, 1 : self._first_spurious] = mixed
        total[:, 1 : self._first_spurious, 0] = mixed
        block = slice(1, self._first_spurious)
        total[:, block, block] = (mu * pull)[:, None, None] * np.outer(logs, logs)
        return total


def _not_positive(matrices: FloatArray) -> BoolArray:
    """Which of the symmetric matrices (T, P, P) are not positive definite."""
    try:
        np.linalg.cholesky(matrices)
    except np.linalg.LinAlgError:
        finite = np.isfinite(matrices).all(axis=(1, 2))
        wrong = np.ones(len(matrices), dtype=np.bool_)
        wrong[finite] = np.linalg.eigvalsh(matrices[finite])[:, 0] <= 0
        return wrong
    return np.zeros(len(matrices), dtype=np.bool_)
