"""Fits of a Gaussian signal on a background function, for many pseudo-experiments at once.

The yield may be negative; mass and relative width float or are held. Levenberg-Marquardt steps with the expected
information find the minimum, the observed information (second derivatives) gives the errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from hepad.stats.counts.toys import OnToys, silent
from hepad.stats.fits.fit import Design, deviance, fisher_scoring
from hepad.stats.fits.functions import BackgroundFunction
from hepad.stats.fits.score_test import score_test

__all__ = ["PARAMETERS", "SignalFit", "SignalFits"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

PARAMETERS = ("yield", "mass", "width")
"""Of the signal: events, GeV, and standard deviation over mass."""

_MAX_ITERATIONS = 200
_DECREMENT = 1e-8
_STUCK = 1e12
_HESSE_STEP = 0.02
"""Of the finite differences, in standard deviations."""
_FLAT = 1e-12
_SQRT_2PI = np.sqrt(2 * np.pi)


@dataclass(frozen=True)
class SignalFits:
    """Fits of T data sets: `values` and `errors` (T, 3) of yield, mass and relative width, errors 0 where held.

    `deviance` (T,) with the signal, `background` (T, n) events of the background component; `converged` (T,) says
    which fits have a minimum with positive second derivatives away from the limits of mass and width.
    """

    values: FloatArray
    errors: FloatArray
    deviance: FloatArray
    background: FloatArray
    converged: BoolArray


class SignalFit:
    """Background `function` and Gaussian signal in bins of edges (n+1,) in GeV.

    `counts` (n,) set the scale of the fit only, `floating` names what is free beside the yield; `mass_range` in GeV and
    `width_range` bound it. With `exposure` (n,) the expectation of a bin is its integral times its exposure.
    """

    def __init__(
        self,
        edges: FloatArray,
        counts: FloatArray,
        function: BackgroundFunction,
        *,
        floating: tuple[str, ...] = (),
        mass_range: tuple[float, float] | None = None,
        width_range: tuple[float, float] = (0.002, 0.5),
        exposure: FloatArray | None = None,
    ) -> None:
        self._design = Design(edges, counts, function, exposure=exposure)
        self._start = self._design.start(counts)
        self._edges = edges
        self._exposure = np.ones(len(counts)) if exposure is None else exposure
        low, high = mass_range or (float(edges[0]), float(edges[-1]))
        self._low = np.array([-np.inf, low, width_range[0]])
        self._high = np.array([np.inf, high, width_range[1]])
        free = [0, *(PARAMETERS.index(name) for name in floating)]
        self._free = np.array([*sorted(free), *range(3, 3 + len(self._start))])

    def background(self, counts: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Fits without a signal to counts (T, n): coordinates (T, k), deviances (T,), which converged (T,)."""
        return fisher_scoring(self._design, counts, np.tile(self._start, (len(counts), 1)))

    def predict_background(self, phi: FloatArray) -> FloatArray:
        """Background events (T, n) of coordinates (T, k)."""
        return self._design.predict(phi)[0]

    def scan(self, counts: FloatArray, masses: FloatArray, widths: FloatArray) -> FloatArray:
        """Signals (T, w, 3) to start from: for each of widths (w,) the best of masses (m,) in GeV, by a score test.

        A score test is one Newton step away from the background alone: good enough to find the hill to climb.
        """
        phi, _, _ = self.background(counts)
        expected, slopes = self._design.predict(phi)
        starts = []
        for width in widths:
            shapes = np.array([self._shape(np.array([m]), np.array([width]))[0][0] for m in masses])
            test = score_test(counts, expected, slopes, shapes)
            best = np.argmax(test.z, axis=1)
            found = np.maximum(test.events[np.arange(len(counts)), best], 1.0)
            starts.append(np.column_stack([found, masses[best], np.full(len(counts), width)]))
        return np.stack(starts, axis=1)

    def best_of(self, counts: FloatArray, starts: FloatArray, *, on_fits: OnToys | None = None) -> SignalFits:
        """Fit counts (T, n) from each of the signals (T, s, 3) and keep the converged fit of least deviance.

        `on_fits` is told how many of the T x s fits are done.
        """
        fits, (toys, several), say = [], starts.shape[:2], on_fits or silent
        say(0, several * toys)
        for i in range(several):
            fits.append(self.fit(counts, starts[:, i]))
            say((i + 1) * toys, several * toys)
        ranks = np.array([np.where(f.converged, f.deviance, np.inf) for f in fits])
        best, rows = np.argmin(ranks, axis=0), np.arange(len(counts))
        return SignalFits(*(
            np.stack([getattr(f, name) for f in fits])[best, rows]
            for name in ("values", "errors", "deviance", "background", "converged")
        ))  # fmt: skip

    def fit(self, counts: FloatArray, signal: FloatArray) -> SignalFits:
        """Fit counts (T, n) from signals (T, 3), of which yield and what floats are only the start."""
        phi, _, _ = self.background(counts)
        theta = np.column_stack([signal, phi])
        theta[:, 0] = np.where(self._positive(theta), theta[:, 0], 0.0)
        theta, values, settled = self._minimise(counts, theta)
        errors, regular = self._errors(counts, theta)
        floating = self._free[self._free < 3]
        limited = np.any(
            (theta[:, floating] <= self._low[floating]) | (theta[:, floating] >= self._high[floating]), axis=1
        )
        background, _ = self._design.predict(theta[:, 3:])
        return SignalFits(theta[:, :3], errors, values, background, settled & regular & ~limited)

    def _positive(self, theta: FloatArray) -> BoolArray:
        return np.asarray(self._predict(theta)[0].min(axis=1) > 0)

    def _minimise(self, counts: FloatArray, theta: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        values = self._cost(counts, theta)
        settled = np.zeros(len(counts), dtype=np.bool_)
        damping = np.full(len(counts), 1e-3)
        active = np.flatnonzero(np.isfinite(values))
        for _ in range(_MAX_ITERATIONS):
            here = theta[active]
            score, information = self._score(counts[active], here)
            step, gain = _damped(score, information, damping[active])
            trial = here.copy()
            trial[:, self._free] += step
            trial[:, :3] = np.clip(trial[:, :3], self._low, self._high)
            value = self._cost(counts[active], trial)
            better = value <= values[active] + 1e-10 * (1 + np.abs(values[active]))  # rounding
            theta[active[better]], values[active[better]] = trial[better], value[better]
            damping[active] *= np.where(better, 0.2, 5.0)
            damping[active] = np.maximum(damping[active], 1e-9)
            done = (np.abs(gain) < _DECREMENT) & (damping[active] < 1e-2)
            settled[active[done]] = True
            active = active[~done & (damping[active] < _STUCK)]
            if len(active) == 0:
                break
        return theta, values, settled

    def _errors(self, counts: FloatArray, theta: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Errors (T, 3) by the second derivatives of -ln L, and where these are positive definite (T,)."""
        _, information = self._score(counts, theta)
        spread = 1 / np.sqrt(np.maximum(np.einsum("tpp->tp", information), _FLAT))
        hessian = np.empty_like(information)
        for place, column in enumerate(self._free):
            shift = np.zeros_like(theta)
            shift[:, column] = _HESSE_STEP * spread[:, place]
            up, down = (self._score(counts, theta + sign * shift, hold=False)[0] for sign in (1, -1))
            hessian[:, place] = (down - up) / (2 * _HESSE_STEP * spread[:, place, None])
        hessian = (hessian + np.swapaxes(hessian, 1, 2)) / 2
        unit = hessian * spread[:, :, None] * spread[:, None, :]
        finite = np.isfinite(unit).all(axis=(1, 2))
        regular = finite.copy()
        regular[finite] = np.linalg.eigvalsh(unit[finite])[:, 0] > 1e-10
        errors = np.full((len(counts), 3), np.nan)
        inverse = np.linalg.inv(unit[regular])
        errors[regular] = 0.0
        variances = np.einsum("tpp->tp", inverse) * spread[regular] ** 2
        for place, column in enumerate(self._free[self._free < 3]):
            errors[regular, column] = np.sqrt(variances[:, place])
        return errors, regular

    def _score(self, counts: FloatArray, theta: FloatArray, *, hold: bool = True) -> tuple[FloatArray, FloatArray]:
        """Slopes (T, p) of ln L in the free parameters and their expected information (T, p, p)."""
        expected, jacobian = self._predict(theta)
        jacobian = jacobian[..., self._free]
        expected = np.maximum(expected, 1e-290)
        score = np.einsum("tn,tnp->tp", counts / expected - 1, jacobian, optimize=True)
        if hold:  # what stands at a limit and would go beyond stays there
            for place, column in enumerate(self._free[self._free < 3]):
                at = (theta[:, column] <= self._low[column]) & (score[:, place] < 0)
                at |= (theta[:, column] >= self._high[column]) & (score[:, place] > 0)
                jacobian[at, :, place] = 0.0
                score[at, place] = 0.0
        information = np.swapaxes(jacobian, 1, 2) @ (jacobian / expected[..., None])
        return score, information

    def _cost(self, counts: FloatArray, theta: FloatArray) -> FloatArray:
        expected, _ = self._predict(theta)
        allowed = expected.min(axis=1) > 0
        return np.where(allowed, deviance(counts, np.where(allowed[:, None], expected, 1.0)), np.inf)

    def _predict(self, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected events (T, n) and their derivatives (T, n, 3 + k)."""
        shape, by_mass, by_width = self._shape(theta[:, 1], theta[:, 2])
        background, slopes = self._design.predict(theta[:, 3:])
        events = theta[:, :1]
        signal = np.stack([shape, events * by_mass, events * by_width], axis=-1)
        return background + events * shape, np.concatenate([signal, slopes], axis=-1)

    def _shape(self, mass: FloatArray, width: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Share of the signal in each bin (T, n) and its derivatives by mass and relative width."""
        sigma = (mass * width)[:, None]
        pulls = (self._edges - mass[:, None]) / sigma
        density = np.exp(-0.5 * np.minimum(pulls**2, 1400.0)) / _SQRT_2PI
        share = np.diff(ndtr(pulls), axis=1) * self._exposure
        by_mass = np.diff(-density * self._edges / (sigma * mass[:, None]), axis=1) * self._exposure
        by_width = np.diff(-density * pulls / width[:, None], axis=1) * self._exposure
        return share, by_mass, by_width


def _damped(score: FloatArray, information: FloatArray, damping: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Steps (T, p) of Levenberg and Marquardt, and the gain (T,) that they promise; of unit diagonal to be solvable."""
    scale = 1 / np.sqrt(np.maximum(np.einsum("tpp->tp", information), _FLAT))
    unit = information * scale[:, :, None] * scale[:, None, :]
    unit = unit + (damping[:, None, None] + 1e-12) * np.eye(score.shape[1])
    step = np.linalg.solve(unit, (score * scale)[..., None])[..., 0] * scale
    return step, np.asarray(np.einsum("tp,tp->t", step, score))
