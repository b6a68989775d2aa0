"""Fits of a signal on smooth backgrounds to one data set: test statistics of it and of pseudo-experiments around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.limits.pseudo import Centre, Pool, log_ratio
from hepad.stats.limits.resonance_likelihood import ResonanceLikelihood

__all__ = ["DataSet"]

FloatArray = npt.NDArray[np.float64]

_BLOCK_NUMBERS = 2_000_000


class DataSet:
    """Counts (n,) and auxiliary measurements (P,), and the fits to them; each starts from its nearest neighbour's."""

    def __init__(
        self, likelihood: ResonanceLikelihood, counts: FloatArray, aux: FloatArray, start: FloatArray, names: str
    ) -> None:
        self._likelihood, self._names = likelihood, names
        self._counts, self._aux = counts[None, :], aux[None, :]
        self._start = start
        self._fixed: dict[float, tuple[FloatArray, float]] = {}
        self._free: tuple[FloatArray, float] | None = None

    def asimov(self) -> DataSet:
        """What is expected, and measured, at the fit of the background alone: its best fit is where it was made."""
        theta = self.fixed(0.0)
        made = DataSet(self._likelihood, self._likelihood.expected(theta[None, :])[0], theta, theta, self._names)
        made._fixed[0.0] = made._free = theta, 0.0  # relative to the saturated model
        return made

    def fixed(self, mu: float) -> FloatArray:
        """Parameters (P,) of the best fit at this mu."""
        return self._fit_fixed(mu)[0]

    def prepare(self, mus: FloatArray) -> None:
        """Fit at these signal strengths (m,) at once, each from its neighbour; what fails is fitted when asked for."""
        new = [float(mu) for mu in mus if mu not in self._fixed]
        if not (new and self._fixed):
            return
        starts = np.stack([self._fixed[min(self._fixed, key=lambda known: abs(known - mu))][0] for mu in new])
        counts, aux = (np.tile(row, (len(new), 1)) for row in (self._counts, self._aux))
        with np.errstate(all="ignore"):  # of trial steps, which are not taken
            fits = self._likelihood.fit(counts, aux, starts, low=np.array(new), high=np.array(new))
        for mu, theta, value, good in zip(new, *fits, strict=True):
            if good:
                self._fixed[mu] = theta, float(value)

    def q_tilde(self, mu: float) -> float:
        """The test statistic q-tilde; `FitFailedError` if a fit does not converge."""
        _, fixed = self._fit_fixed(mu)
        theta, free = self._fit_free(mu)
        return max(2 * (fixed - free), 0.0) if theta[0] < mu else 0.0

    def q_zero(self) -> tuple[float, FloatArray]:
        """The test statistic q0 of a discovery, and the parameters (P,) of the best fit with mu >= 0."""
        theta, free = self._fit_free(1.0)
        return max(2 * (self._fit_fixed(0.0)[1] - free), 0.0), theta

    def pool(self, mu: float, *, toys: int, rng: np.random.Generator) -> Pool:
        """q-tilde at `mu` of toys thrown around the fits to these data at this mu and at mu = 0."""
        return self._pool((mu, mu, 0.0, mu), self.fixed(mu), toys=toys, rng=rng)

    def pool_zero(self, *, toys: int, rng: np.random.Generator) -> Pool:
        """q0 of toys thrown around the best fit to these data and that without a signal."""
        return self._pool((0.0, 0.0, 0.0, np.inf), self._fit_free(1.0)[0], toys=toys, rng=rng)

    def throw(self, truth: float, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Counts (toys, n) and auxiliary measurements (toys, P) around the fit to these data at `truth`."""
        return self._throw(self.centre(self.fixed(truth)), toys=toys, rng=rng)

    def centre(self, theta: FloatArray) -> Centre:
        """What is expected with parameters (P,)."""
        return Centre(self._likelihood.expected(theta[None, :])[0], theta)

    def _throw(self, centre: Centre, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        counts = rng.poisson(centre.means, size=(toys, len(centre.means))).astype(np.float64)
        # Penalties are 1 or 0, and so are the widths of what is measured.
        return counts, rng.normal(centre.aux, self._likelihood.penalty, size=(toys, len(centre.aux)))

    def _pool(
        self, bounds: tuple[float, float, float, float], best: FloatArray, *, toys: int, rng: np.random.Generator
    ) -> Pool:
        """Toys around fits with signal and without, of which mu is fitted in two ranges: low, high, low, high."""
        thetas = best, self.fixed(0.0)
        signal, background = (self.centre(theta) for theta in thetas)
        block = max(1, _BLOCK_NUMBERS // self._counts.size // len(best))
        samples = []
        for theta, centre in zip(thetas, (signal, background), strict=True):
            kept, ratios, failed = [], [], 0
            for begin in range(0, toys, block):
                size = min(block, toys - begin)
                counts, aux = self._throw(centre, toys=size, rng=rng)
                start = np.tile(theta, (size, 1))
                with np.errstate(all="ignore"):  # of trial steps, which are not taken
                    found, fixed, fixed_ok = self._likelihood.fit(counts, aux, start, low=bounds[0], high=bounds[1])
                    _, free, free_ok = self._likelihood.fit(counts, aux, found, low=bounds[2], high=bounds[3])
                good = fixed_ok & free_ok
                failed += int(np.count_nonzero(~good))
                kept.append(np.maximum(2 * (fixed - free), 0.0)[good])
                ratios.append(log_ratio(counts, aux, signal, background, self._likelihood.penalty)[good])
            if sum(map(len, kept)) == 0:
                raise FitFailedError(f"none of the {toys} pseudo-experiments could be fitted")
            samples.append((np.concatenate(kept), np.concatenate(ratios), failed))
        return Pool.of(*samples)

    def _fit_fixed(self, mu: float) -> tuple[FloatArray, float]:
        if mu not in self._fixed:
            starts = [self._start]
            if self._fixed:
                starts.insert(0, self._fixed[min(self._fixed, key=lambda known: abs(known - mu))][0])
            for start in starts:
                result = self._fit(start, mu, mu)
                if result is not None:
                    self._fixed[mu] = result
                    break
            else:
                raise self._failure()
        return self._fixed[mu]

    def _fit_free(self, mu: float) -> tuple[FloatArray, float]:
        """The best fit with mu >= 0, looked for from mu = 0 and from this mu."""
        theta, fixed = self._fit_fixed(mu)
        if self._free is None:
            at_zero = self._fit_fixed(0.0)
            self._free = self._best([self._fit(start, 0.0, np.inf) for start in (at_zero[0], theta)])
        if fixed < self._free[1]:  # a better minimum than the one found without restriction
            self._free = self._best([self._fit(theta, 0.0, np.inf), (theta, fixed)])
        return self._free

    def _fit(self, start: FloatArray, low: float, high: float) -> tuple[FloatArray, float] | None:
        with np.errstate(all="ignore"):  # of trial steps, which are not taken
            theta, values, converged = self._likelihood.fit(self._counts, self._aux, start[None, :], low=low, high=high)
        return (theta[0], float(values[0])) if converged[0] else None

    def _best(self, attempts: Sequence[tuple[FloatArray, float] | None]) -> tuple[FloatArray, float]:
        good = [attempt for attempt in attempts if attempt is not None]
        if not good:
            raise self._failure()
        return min(good, key=lambda attempt: attempt[1])

    def _failure(self) -> FitFailedError:
        return FitFailedError(
            f"{self._names}: a fit of signal and background did not converge; try fewer parameters or another range"
        )
