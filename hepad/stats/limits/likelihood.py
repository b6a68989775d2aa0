"""The likelihood of a one-channel counting model, fitted for many pseudo-experiments at once.

It is the HistFactory model that `limits.build_workspace` writes for pyhf, with an exact log-normal in place of pyhf's
interpolation (they differ by less than 1e-4); tests compare the two. pyhf fits one pseudo-experiment at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.fits.fit import deviance
from hepad.stats.fits.line_search import halve_steps
from hepad.stats.limits.pseudo import Centre, Pool, log_ratio

__all__ = ["Ingredients", "Likelihood"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_MAX_ITERATIONS = 1000
_DECREMENT = 1e-10
_ACCEPTABLE = 1e-7
"""Where rounding stops the line search first, a promised gain below this still is convergence."""
_BLOCK_NUMBERS = 400_000
_FLOOR = 1e-9
"""Lowest gamma: the background of a bin is not negative."""


@dataclass(frozen=True)
class Ingredients:
    """Signal and background yields (n,), the background's relative bin errors (n,) and log-normal kappas of each.

    A kappa of the signal is common to all bins; `background_kappas` (k, n) are by bin, 1 where they do not act.
    """

    signal: FloatArray
    background: FloatArray
    background_relative: FloatArray
    signal_kappas: tuple[float, ...] = ()
    background_kappas: FloatArray = field(default_factory=lambda: np.zeros((0, 1)))


class Likelihood:
    """Poisson counts times Gaussian constraints.

    Parameters (T, P) are mu, one alpha per kappa (signal's first), and one gamma per bin; auxiliary measurements
    (T, P-1) are what alphas and gammas are constrained to. Gammas of bins without a statistical error stay at 1.
    """

    def __init__(self, parts: Ingredients) -> None:
        self._signal, self._background = parts.signal, parts.background
        self._log_signal = np.log(np.array(parts.signal_kappas))
        kappas = parts.background_kappas
        self._log_background = np.log(np.broadcast_to(kappas, (len(kappas), len(parts.signal))))
        self._globals = 1 + len(self._log_signal) + len(self._log_background)
        self._has_gamma = parts.background_relative > 0
        sigma = np.where(self._has_gamma, parts.background_relative, 1.0)
        self._sigma = np.concatenate([np.ones(self._globals - 1), sigma])

    def observed(self, counts: FloatArray | None) -> tuple[FloatArray, FloatArray]:
        """Data (1, n) and nominal auxiliary measurements (1, P-1); without counts the background expectation."""
        aux = np.concatenate([np.zeros(self._globals - 1), np.ones(len(self._signal))])
        return np.atleast_2d(self._background if counts is None else counts), aux[None, :]

    def centre(self, mu: float, counts: FloatArray, aux: FloatArray) -> Centre:
        """Expected counts (n,) and auxiliary measurements (P-1,) at the fit of one data set with mu fixed."""
        theta, _, converged = self.fit(counts, aux, low=mu, high=mu)
        if not converged.all():
            raise FitFailedError("a fit of the likelihood did not converge")
        return Centre(self._expected(theta)[0][0], theta[0, 1:])

    def asimov(self, mu: float, counts: FloatArray, aux: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The same as a data set: expected counts (1, n) and auxiliary measurements (1, P-1)."""
        centre = self.centre(mu, counts, aux)
        return centre.means[None, :], centre.aux[None, :]

    @property
    def spread(self) -> FloatArray:
        """Widths (P-1,) of the auxiliary measurements, 0 for those that are not measured."""
        return np.where(np.concatenate([np.ones(self._globals - 1, bool), self._has_gamma]), self._sigma, 0.0)

    def impact(self, mu: float) -> FloatArray:
        """By how many events one width of each auxiliary measurement (P-1,) moves the expectation."""
        signal, background = mu * float(self._signal.sum()), self._background
        return np.concatenate(
            [
                signal * self._log_signal,
                self._log_background @ background,
                self._sigma[self._globals - 1 :] * background,
            ]
        )

    @property
    def of_background(self) -> BoolArray:
        """Which auxiliary measurements (P-1,) are of the background."""
        return np.arange(len(self._sigma)) >= len(self._log_signal)

    def q_tilde(self, mu: float, counts: FloatArray, aux: FloatArray) -> tuple[FloatArray, BoolArray]:
        """The test statistic q-tilde (T,) of arXiv:1007.1727 for counts (T, n), and which fits converged (T,)."""
        # Restricted to [0, mu] the best fit lies at mu whenever it would lie above, and q is 0 as defined.
        _, free, free_ok = self.fit(counts, aux, low=0.0, high=mu)
        _, fixed, fixed_ok = self.fit(counts, aux, low=mu, high=mu)
        return np.maximum(2 * (fixed - free), 0.0), free_ok & fixed_ok

    def q_zero(self, counts: FloatArray, aux: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """The test statistic q0 (T,) of a discovery (arXiv:1007.1727), the best mu >= 0 (T,), which converged (T,)."""
        best, free, free_ok = self.fit_free(counts, aux)
        _, fixed, fixed_ok = self.fit(counts, aux, low=0.0, high=0.0)
        return np.maximum(2 * (fixed - free), 0.0), best, free_ok & fixed_ok

    def fit_free(
        self, counts: FloatArray, aux: FloatArray, start: float = 0.0
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """The best mu >= 0 (T,), -ln L there (T,), and which fits converged (T,)."""
        # More signal than there are events is never the best; the factor is for signals that a kappa has shrunk.
        top = max(10 * (float(counts.sum(axis=1).max()) + 1) / float(self._signal.sum()), start)
        best, values, converged = self.fit(counts, aux, low=0.0, high=top, start=start)
        return best[:, 0], values, converged

    def pool_q_tilde(
        self, mu: float, counts: FloatArray, aux: FloatArray, *, toys: int, rng: np.random.Generator
    ) -> Pool:
        """q-tilde at `mu` of toys thrown around the fits to one data set at this mu and at mu = 0."""
        return self._pool(partial(self.q_tilde, mu), mu, counts, aux, toys=toys, rng=rng)

    def pool_q_zero(
        self, best: float, counts: FloatArray, aux: FloatArray, *, toys: int, rng: np.random.Generator
    ) -> Pool:
        """q0 of toys thrown around the fits to one data set at its `best` mu and at mu = 0."""

        def statistic(thrown: FloatArray, measured: FloatArray) -> tuple[FloatArray, BoolArray]:
            q, _, converged = self.q_zero(thrown, measured)
            return q, converged

        return self._pool(statistic, best, counts, aux, toys=toys, rng=rng)

    def _pool(
        self,
        statistic: Callable[[FloatArray, FloatArray], tuple[FloatArray, BoolArray]],
        mu: float,
        counts: FloatArray,
        aux: FloatArray,
        *,
        toys: int,
        rng: np.random.Generator,
    ) -> Pool:
        signal, background = self.centre(mu, counts, aux), self.centre(0.0, counts, aux)
        block = max(1, _BLOCK_NUMBERS // (self._globals * len(self._signal)))
        samples = []
        for centre in (signal, background):
            kept, ratios, failed = [], [], 0
            for start in range(0, toys, block):
                size = min(block, toys - start)
                thrown = rng.poisson(centre.means, size=(size, len(centre.means))).astype(np.float64)
                measured = rng.normal(centre.aux, self.spread, size=(size, len(centre.aux)))
                q, converged = statistic(thrown, measured)
                failed += int(np.count_nonzero(~converged))
                kept.append(q[converged])
                ratios.append(log_ratio(thrown, measured, signal, background, self.spread)[converged])
            if sum(map(len, kept)) == 0:
                raise FitFailedError(f"none of the {toys} pseudo-experiments could be fitted")
            samples.append((np.concatenate(kept), np.concatenate(ratios), failed))
        return Pool.of(*samples)

    def fit(
        self,
        counts: FloatArray,
        aux: FloatArray,
        *,
        low: float | FloatArray,
        high: float | FloatArray,
        start: float | None = None,
    ) -> tuple[FloatArray, FloatArray, BoolArray]:
        """Maximum likelihood with mu in [low, high] (equal: fixed): parameters (T, P), -ln L (T,), converged (T,).

        Bounds are common or each fit's own (T,). `start` is where mu begins, the middle if None.
        """
        lows, highs = (np.broadcast_to(np.asarray(bound, dtype=np.float64), len(counts)) for bound in (low, high))
        first = (lows + highs) / 2 if start is None else np.full(len(counts), start)
        theta = np.concatenate([first[:, None], aux], axis=1)
        theta[:, self._globals :] = np.maximum(theta[:, self._globals :], 1e-3)
        values = self._cost(theta, counts, aux)
        converged = np.zeros(len(counts), dtype=np.bool_)
        active = np.arange(len(counts))
        for _ in range(_MAX_ITERATIONS):
            step, gain = self._newton(theta[active], counts[active], aux[active], lows[active], highs[active])
            # Relative to -ln L: at a mu that the data exclude by far, rounding is large and nothing depends on it.
            size = 1 + values[active]
            converged[active] = np.abs(gain) < _ACCEPTABLE * size
            done = np.abs(gain) < _DECREMENT * size
            active, step = active[~done], step[~done]
            if len(active) == 0:
                break
            active = halve_steps(
                theta,
                values,
                active=active,
                step=step,
                cost=lambda trial, rows: self._cost(trial, counts[rows], aux[rows]),
                restrict=lambda trial, rows: self._restrict(trial, lows[rows], highs[rows]),
                slack=1e-12,
                halvings=20,
            )
        return theta, values, converged

    def _restrict(self, trial: FloatArray, low: FloatArray, high: FloatArray) -> None:
        """Keep trial parameters (T, P) within their bounds."""
        trial[:, 0] = np.clip(trial[:, 0], low, high)
        trial[:, 1 : self._globals] = np.clip(trial[:, 1 : self._globals], -40.0, 40.0)
        trial[:, self._globals :] = np.maximum(trial[:, self._globals :], _FLOOR)

    def _cost(self, theta: FloatArray, counts: FloatArray, aux: FloatArray) -> FloatArray:
        pulls = (theta[:, 1:] - aux) / self._sigma
        return np.asarray(0.5 * (deviance(counts, self._expected(theta)[0]) + np.sum(pulls**2, axis=1)))

    def _expected(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Expected counts (T, n), and the factors on signal (T, 1) and background (T, n)."""
        split = 1 + len(self._log_signal)
        on_signal = np.exp(theta[:, 1:split] @ self._log_signal)[:, None]
        on_background = np.exp(theta[:, split : self._globals] @ self._log_background)
        signal = theta[:, :1] * on_signal * self._signal
        background = on_background * self._background * theta[:, self._globals :]
        return np.maximum(signal + background, 1e-290), on_signal, on_background

    def _newton(
        self, theta: FloatArray, counts: FloatArray, aux: FloatArray, low: FloatArray, high: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Fisher-scoring steps (T, P) and the gain in -ln L that they promise (T,).

        Each gamma touches one bin only, so its part of the information is diagonal and is eliminated.
        """
        g = self._globals
        slopes, gamma_slopes, expected = self._slopes(theta)
        residual = counts / expected - 1
        pulls = (aux - theta[:, 1:]) / self._sigma**2
        score = np.einsum("tn,tng->tg", residual, slopes)
        score[:, 1:] += pulls[:, : g - 1]
        gamma_score = np.where(self._has_gamma, residual * gamma_slopes + pulls[:, g - 1 :], 0.0)
        floored = (theta[:, g:] <= _FLOOR) & (gamma_score < 0)
        gamma_slopes, gamma_score = np.where(floored, 0.0, gamma_slopes), np.where(floored, 0.0, gamma_score)
        mu = theta[:, 0]
        held = (mu <= low) & (score[:, 0] < 0) | (mu >= high) & (score[:, 0] > 0) | (low == high)
        slopes[held, :, 0] = 0.0
        score[held, 0] = 0.0
        weighted = slopes / expected[..., None]
        information = np.einsum("tng,tnh->tgh", weighted, slopes)
        index = np.arange(g)
        information[:, index, index] += np.where(index > 0, 1.0, np.where(held[:, None], 1.0, 1e-12))
        diagonal = gamma_slopes**2 / expected + 1 / self._sigma[g - 1 :] ** 2
        mixed = weighted * gamma_slopes[..., None]
        reduced = information - np.einsum("tng,tnh->tgh", mixed / diagonal[..., None], mixed)
        target = score - np.einsum("tng,tn->tg", mixed, gamma_score / diagonal)
        step = np.linalg.solve(reduced, target[..., None])[..., 0]
        gamma_step = (gamma_score - np.einsum("tng,tg->tn", mixed, step)) / diagonal
        gain = np.einsum("tg,tg->t", step, score) + np.einsum("tn,tn->t", gamma_step, gamma_score)
        return np.concatenate([step, gamma_step], axis=1), np.asarray(gain, dtype=np.float64)

    def _slopes(self, theta: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Derivatives of the expectation by mu and alphas (T, n, g) and by each bin's gamma (T, n), and it (T, n)."""
        expected, on_signal, on_background = self._expected(theta)
        unit = on_signal * self._signal
        bare = np.where(self._has_gamma, on_background * self._background, 0.0)
        background = on_background * self._background * theta[:, self._globals :]
        parts = [unit]
        parts += [theta[:, :1] * unit * log for log in self._log_signal]
        parts += [background * log for log in self._log_background]
        return np.stack(parts, axis=-1), bare, expected
