"""Fits of a signal on smooth backgrounds to one data set: test statistics of it and of pseudo-experiments around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from hepad.errors import FitFailedError
from hepad.stats.resonance_likelihood import ResonanceLikelihood

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

    def fixed(self, mu: float) -> FloatArray:
        """Parameters (P,) of the best fit at this mu."""
        return self._fit_fixed(mu)[0]

    def q_tilde(self, mu: float) -> float:
        """The test statistic q-tilde; `FitFailedError` if a fit does not converge."""
        _, fixed = self._fit_fixed(mu)
        theta, free = self._fit_free(mu)
        return max(2 * (fixed - free), 0.0) if theta[0] < mu else 0.0

    def q_zero(self) -> tuple[float, FloatArray]:
        """The test statistic q0 of a discovery, and the parameters (P,) of the best fit with mu >= 0."""
        theta, free = self._fit_free(1.0)
        return max(2 * (self._fit_fixed(0.0)[1] - free), 0.0), theta

    def sample(self, mu: float, truth: float, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """q-tilde at `mu` of toys thrown at `truth` around the fit to these data, and how many fits failed."""
        return self._sample(mu, truth, (0.0, mu), toys=toys, rng=rng)

    def sample_zero(self, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
        """q0 of toys thrown without signal around the fit to these data, and how many fits failed."""
        return self._sample(0.0, 0.0, (0.0, np.inf), toys=toys, rng=rng)

    def throw(self, truth: float, *, toys: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Counts (toys, n) and auxiliary measurements (toys, P) around the fit to these data at `truth`."""
        centre = self.fixed(truth)
        means = self._likelihood.expected(centre[None, :])[0]
        counts = rng.poisson(means, size=(toys, len(means))).astype(np.float64)
        return counts, rng.normal(centre, self._likelihood.penalty, size=(toys, len(centre)))

    def _sample(
        self, mu: float, truth: float, bounds: tuple[float, float], *, toys: int, rng: np.random.Generator
    ) -> tuple[FloatArray, int]:
        centre = self.fixed(truth)
        block = max(1, _BLOCK_NUMBERS // self._counts.size // len(centre))
        kept, failed = [], 0
        for begin in range(0, toys, block):
            size = min(block, toys - begin)
            counts, aux = self.throw(truth, toys=size, rng=rng)
            start = np.tile(centre, (size, 1))
            with np.errstate(all="ignore"):  # of trial steps, which are not taken
                theta, fixed, fixed_ok = self._likelihood.fit(counts, aux, start, low=mu, high=mu)
                _, free, free_ok = self._likelihood.fit(counts, aux, theta, low=bounds[0], high=bounds[1])
            good = fixed_ok & free_ok
            failed += int(np.count_nonzero(~good))
            kept.append(np.maximum(2 * (fixed - free), 0.0)[good])
        values = np.concatenate(kept)
        if len(values) == 0:
            raise FitFailedError(f"none of the {toys} pseudo-experiments at mu = {truth:g} could be fitted")
        return values, failed

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
