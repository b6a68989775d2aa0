"""What pseudo-experiments tell of tail probabilities: one rule for limits, CLb and discovery p-values alike.

Pseudo-experiments are thrown under two hypotheses and pooled; each counts with its probability under the hypothesis in
question over that of the pool (multiple importance sampling with the balance heuristic, E. Veach and L. Guibas,
SIGGRAPH 1995, p. 419). Both tails are then estimated without bias wherever one of the two samples reaches, no estimate
is 0, and a CLs of 0.05 rests on all toys in the tail and not on the few that were thrown with the signal. Where no toy
reaches the data there is no estimate: NaN, never 1, 0 or infinity.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit, ndtr

from hepad.errors import FitFailedError
from hepad.stats.limits.cls import ALPHA, Experiment, LimitResult, Scan, fill_scan, find_limits, least_cls, limit_result

__all__ = ["Centre", "Pool", "ToyExperiment", "ToysCannotTellError", "log_ratio", "toy_result"]

FloatArray = npt.NDArray[np.float64]

_RESAMPLINGS = 50
_APART = 0.1
_FEW_TOYS = 10
_FEWEST_TOYS = 2
_PRECISION = 1e-3
"""Relative, of the search for limits: less than the toys scatter, unless they are all alike."""
_LEVELS = ndtr(np.array([2.0, 1.0, 0.0, -1.0, -2.0]))
"""Parts of background toys with a test statistic below those of the limits at -2 to 2 standard deviations.

The stronger limits (-2) come from downward fluctuations, which have the largest test statistics.
"""


class ToysCannotTellError(FitFailedError):
    """No pseudo-experiment is as far out as the data."""


class Centre(NamedTuple):
    """Expected counts (n,) and auxiliary measurements (P,) around which pseudo-experiments are thrown."""

    means: FloatArray
    aux: FloatArray


def log_ratio(counts: FloatArray, aux: FloatArray, signal: Centre, background: Centre, sigma: FloatArray) -> FloatArray:
    """ln of the probability with a signal over that without (T,), of counts (T, n) and auxiliary measurements (T, P).

    The latter are Gaussian with widths `sigma` (P,), 0 for those that are not drawn.
    """
    means = np.maximum(signal.means, 1e-290), np.maximum(background.means, 1e-290)
    ratio = counts @ np.log(means[0] / means[1]) - float(np.sum(means[0] - means[1]))
    drawn = sigma > 0
    pulls = [((aux - centre.aux)[:, drawn] / sigma[drawn]) ** 2 for centre in (background, signal)]
    return np.asarray(ratio + 0.5 * np.sum(pulls[0] - pulls[1], axis=1), dtype=np.float64)


class Pool(NamedTuple):
    """A test statistic of toys with a signal (the first `signals`) and without, (t,), and their `ratio` (t,).

    That is the ln of the probability of a toy with a signal over that without.

    `failed` is how many were left out, as their fits did not converge.
    """

    statistic: FloatArray
    ratio: FloatArray
    signals: int
    failed: int

    @classmethod
    def of(cls, signal: tuple[FloatArray, FloatArray, int], background: tuple[FloatArray, FloatArray, int]) -> Pool:
        """One pool of two samples: their statistics, ratios, and failures."""
        both = [np.concatenate(pair) for pair in zip(signal[:2], background[:2], strict=True)]
        return cls(both[0], both[1], len(signal[0]), signal[2] + background[2])

    def beyond(self, q: float) -> npt.NDArray[np.bool_]:
        """Which toys reach q; those with equal counts have equal statistics up to rounding and do."""
        return np.asarray(self.statistic >= q - 1e-6 * (1 + q))

    @property
    def weights(self) -> tuple[FloatArray, FloatArray]:
        """What each toy (t,) adds to a probability with a signal, and without."""
        backgrounds = len(self.statistic) - self.signals
        shifted = self.ratio + np.log(self.signals / backgrounds)
        return expit(shifted) / self.signals, expit(-shifted) / backgrounds

    def cls(self, q: float) -> float:
        """CLs of a test statistic; NaN if no toy reaches it."""
        beyond = self.beyond(q)
        signal, background = (float(weights[beyond].sum()) for weights in self.weights)
        return signal / background if background > 0 else float("nan")

    def tail(self, q: float) -> tuple[float, float]:
        """P(statistic >= q) without a signal and its statistical error; NaN if no toy reaches it."""
        weights = np.where(self.beyond(q), self.weights[1], 0.0)
        if not weights.any():
            return float("nan"), float("nan")
        parts = weights[: self.signals], weights[self.signals :]
        return float(weights.sum()), float(np.sqrt(sum(len(part) * np.var(part) for part in parts)))

    def quantiles(self) -> FloatArray:
        """The test statistics (5,) without a signal for limits at -2 to 2 standard deviations."""
        order = np.argsort(self.statistic, kind="stable")
        reached = np.cumsum(self.weights[1][order])
        at = np.searchsorted(reached, _LEVELS * reached[-1] * (1 - 1e-12))
        return np.asarray(self.statistic[order][np.minimum(at, len(order) - 1)], dtype=np.float64)

    def resampled(self, rng: np.random.Generator) -> Pool:
        """As many toys of each hypothesis, drawn with replacement."""
        total, first = len(self.statistic), self.signals
        drawn = np.concatenate([rng.integers(0, first, first), rng.integers(first, total, total - first)])
        return self._replace(statistic=self.statistic[drawn], ratio=self.ratio[drawn])


class ToyExperiment(Experiment, Protocol):
    """An experiment of which pseudo-experiments can be thrown."""

    def throw(self, mu: float, *, toys: int, seed: int) -> Pool:
        """q-tilde at mu of toys with a signal of this mu and without; equal seeds, equal toys."""

    def throw_excess(self, *, toys: int, seed: int) -> Pool:
        """q0 of toys with the signal that fits the data best and without."""


def toy_result(experiment: ToyExperiment, *, toys: int, seed: int = 0, points: int = 10) -> LimitResult:
    """Limits from `toys` pseudo-experiments per hypothesis and tested mu, with their statistical errors.

    The same seed serves at every mu, so that CLs changes smoothly with it. `ToysCannotTellError` if none is as far out
    as the data where CLs would fall through 0.05; expected limits that they cannot tell are NaN.
    """
    thrown: dict[float, Pool] = {}

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        pool = thrown[mu] = experiment.throw(mu, toys=toys, seed=seed)
        least = least_cls(experiment, mu)
        expected = np.array([np.maximum(pool.cls(q), least) for q in pool.quantiles()])
        # NaN, for what no toy reaches, stays NaN.
        return (float(np.maximum(pool.cls(experiment.data(mu)), least)) if experiment.has_data else None), expected

    limits, tested = find_limits(cls, precision=_PRECISION)
    if limits[0] is not None and np.isnan(limits[0]):
        raise ToysCannotTellError(
            f"none of {toys} pseudo-experiments per hypothesis is as far out as the data, so that toys cannot tell the "
            "limit: use more --toys, or --calculator asymptotic"
        )
    fill_scan(tested, cls, limits, points)
    errors = [_limit_error(mu, curve, tested, thrown, experiment) for curve, mu in enumerate(limits) if mu is not None]
    remarks = experiment.remarks + _warnings(toys, limits, thrown, experiment)
    return limit_result(limits, tested, experiment.scale, calculator="toys", remarks=remarks, toys=toys, errors=errors)


def _limit_error(limit: float, curve: int, tested: Scan, thrown: dict[float, Pool], experiment: Experiment) -> float:
    """The standard deviation of a limit by resampling the toys there, over the slope of CLs; NaN if it is not known."""
    if np.isnan(limit):
        return float("nan")
    at = min(tested, key=lambda mu: abs(mu - limit))
    q = experiment.data(at) if curve == 0 else None
    rng = np.random.default_rng(curve)
    values = []
    for _ in range(_RESAMPLINGS):
        pool = thrown[at].resampled(rng)
        values.append(pool.cls(_data_or_quantile(pool, q, curve)))
    logs = {mu: np.log(_of_curve(point, curve)) for mu, point in tested.items()}
    low = max((mu for mu in tested if mu <= limit * (1 - _APART) and np.isfinite(logs[mu])), default=at)
    high = min((mu for mu in tested if mu >= limit * (1 + _APART) and np.isfinite(logs[mu])), default=at)
    slope = (logs[low] - logs[high]) / (high - low) * ALPHA if high > low else 0.0
    if slope <= 0 or np.count_nonzero(thrown[at].beyond(_data_or_quantile(thrown[at], q, curve))) < _FEWEST_TOYS:
        return float("nan")
    return float(np.hypot(np.nanstd(values) / slope, _PRECISION * limit))


def _data_or_quantile(pool: Pool, q: float | None, curve: int) -> float:
    return float(pool.quantiles()[curve - 1]) if q is None else q


def _of_curve(point: tuple[float | None, FloatArray], curve: int) -> float:
    observed, expected = point
    return float(expected[curve - 1]) if curve else float("nan") if observed is None else observed


def _warnings(
    toys: int, limits: list[float | None], thrown: dict[float, Pool], experiment: Experiment
) -> tuple[str, ...]:
    """What to say of the number of pseudo-experiments and of those whose fits failed."""
    failed = sum(pool.failed for pool in thrown.values())
    remarks = [f"{failed} pseudo-experiments were left out, their fits did not converge"] if failed else []
    if any(limit is not None and np.isnan(limit) for limit in limits):
        remarks.append(f"{toys} pseudo-experiments are too few to tell every expected limit")
    lowest = toys * float(ndtr(-2.0))  # as far out as the -2 sigma limit
    if lowest < _FEW_TOYS:
        remarks.append(f"the -2 sigma expected limit rests on about {lowest:.0f} pseudo-experiments; use 500 or more")
    if limits[0] is not None:
        at = min(thrown, key=lambda mu: abs(mu - (limits[0] or 0.0)))
        reached = int(np.count_nonzero(thrown[at].beyond(experiment.data(at))))
        if reached < _FEW_TOYS:
            remarks.append(f"the observed limit rests on {reached} pseudo-experiments; use more")
    return tuple(remarks)
