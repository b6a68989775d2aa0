"""Exact tail probabilities of counting experiments: sums over all counts, integrals over auxiliary measurements.

They are what toys tend to, their number growing: counts and auxiliary measurements fluctuate around the fits to the
data with a signal and without. For given counts a test statistic rises with each auxiliary measurement (or falls, for
discoveries), as more background is measured. So the tail of one of them, the most important, is a Gaussian tail beyond
the place where the statistic reaches that of the data; what is left over the others is smooth, and the trapezoidal rule
converges fast. Both hypotheses share the places at which the statistic is calculated.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, log_ndtr, ndtr, xlogy

from hepad.errors import FitFailedError, UsageError
from hepad.stats.limits.cls import Experiment, LimitResult, Sums, fill_scan, find_limits, least_cls, limit_result
from hepad.stats.limits.likelihood import Likelihood
from hepad.stats.limits.pseudo import Centre

__all__ = ["CountingSums", "Tails", "exact_result"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_REACH = 7.0
"""Standard deviations of counts, and of the measurement that is integrated, on either side: 1e-12 is beyond."""
_STEP = 0.5
"""Widths between the places at which the statistic is calculated for the latter; straight lines are drawn between."""
_OTHER_REACH = 4.5
_OTHER_STEP = 0.9
"""The same for the others: the trapezoidal rule is off by exp(-2 pi^2 / step^2) for a Gaussian."""
_NEGLIGIBLE = -18.0
"""ln of probabilities of counts that are left out, 1e-8, unless the data are as improbable."""
_MOST_COUNTS = 500_000
_MOST_FITS = 60_000
_CHEAP_FITS = 5000
_MOST_FAILED = 1e-3
_TABLE = 48

_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Tails:
    """The distribution of a test statistic: atoms of `log_weights` (m,) whose root (m, j) is known on a grid (j,).

    The grid holds values of a unit Gaussian along which the root rises, or falls if `falls`; a single point of it
    stands for any.
    """

    log_weights: FloatArray
    roots: FloatArray
    grid: FloatArray
    falls: bool = False

    def log_tail(self, q: float) -> float:
        """ln P(statistic >= q); counts that are equal have equal statistics up to rounding and reach it."""
        least = q - 1e-6 * (1 + q)
        return 0.0 if least <= 0 else float(self._log_tails(np.array([np.sqrt(least)]))[0])

    def _log_tails(self, roots: FloatArray) -> FloatArray:
        """ln P(root >= each) (k,) for roots (k,) above 0."""
        if len(self.grid) == 1:
            logs = np.where(self.roots[None, :, 0] >= roots[:, None], 0.0, -np.inf)
        else:
            logs = log_ndtr(-np.stack([self._reached_from(root) for root in roots]))
        with np.errstate(divide="ignore"):
            terms = self.log_weights + logs
            largest = np.maximum(terms.max(axis=1, keepdims=True), -1e300)  # all may be impossible
            sums = np.log(np.sum(np.exp(terms - largest), axis=1)) + largest[:, 0]
            return np.asarray(np.minimum(sums, 0.0), dtype=np.float64)

    def _reached_from(self, root: float) -> FloatArray:
        """From which Gaussian value on each atom (m,) reaches the root, by straight lines between the grid's points."""
        roots, grid = (self.roots[:, ::-1], -self.grid[::-1]) if self.falls else (self.roots, self.grid)
        after = np.sum(roots < root, axis=1)
        rows = np.arange(len(roots))
        high = np.clip(after, 1, len(grid) - 1)
        a, b = roots[rows, high - 1], roots[rows, high]
        part = np.divide(root - a, b - a, out=np.zeros_like(a), where=b > a)
        inside = grid[high - 1] + part * (grid[high] - grid[high - 1])
        return np.where(after == 0, -np.inf, np.where(after == len(grid), np.inf, inside))

    def quantiles(self, levels: FloatArray) -> FloatArray:
        """The smallest statistics (k,) that parts `levels` (k,) do not exceed."""
        if len(self.grid) == 1:
            order = np.argsort(self.roots[:, 0], kind="stable")
            reached = np.cumsum(np.exp(self.log_weights[order]))
            at = np.searchsorted(reached, levels * reached[-1] * (1 - 1e-12))
            return np.asarray(self.roots[order[np.minimum(at, len(order) - 1)], 0] ** 2, dtype=np.float64)
        coarse = np.linspace(0.0, float(self.roots.max()) * (1 + 1e-9), _TABLE)
        tails = np.concatenate([[0.0], self._log_tails(coarse[1:])])
        return np.array([self._refined(coarse, tails, float(np.log1p(-level))) for level in levels]) ** 2

    def _refined(self, roots: FloatArray, tails: FloatArray, wanted: float) -> float:
        """Where the ln of the tail falls through a value, from a table of it."""
        for _ in range(2):
            high = max(int(np.argmax(tails < wanted)), 1)
            roots = np.linspace(roots[high - 1], roots[high], 8)
            inner = self._log_tails(roots[1:-1])
            tails = np.concatenate([tails[high - 1 : high], inner, tails[high : high + 1]])
        high = max(int(np.argmax(tails < wanted)), 1)
        return float(np.interp(-wanted, -np.maximum(tails[high - 1 : high + 1], -745.0), roots[high - 1 : high + 1]))


class CountingSums:
    """Counts (1, n) and auxiliary measurements (1, P) of a likelihood, and the tails around the fits to them."""

    def __init__(self, likelihood: Likelihood, counts: FloatArray, aux: FloatArray) -> None:
        self._likelihood, self._counts, self._aux = likelihood, counts, aux

    @cached_property
    def affordable(self) -> bool:
        """Whether there are few enough outcomes to sum; the signal strength is in natural units."""
        try:
            return self._size(2.0) <= _MOST_FITS
        except (FitFailedError, UsageError):
            return False

    @cached_property
    def cheap(self) -> bool:
        """Whether exact sums take no longer than a second, so that they may be made where formulae would do."""
        return self.affordable and self._size(2.0) <= _CHEAP_FITS

    @property
    def continuous(self) -> bool:
        """Whether auxiliary measurements are integrated over."""
        return bool(np.any(self._likelihood.spread > 0))

    def q_tilde(self, mu: float) -> tuple[Tails, Tails]:
        """The distributions of q-tilde at mu with a signal of this mu and without."""
        signal, background = self._tails(mu, (self._centre(mu), self._centre(0.0)))
        return signal, background

    def q_zero(self) -> Tails:
        """The distribution of q0, the statistic of a discovery, without a signal."""
        return self._tails(None, (self._centre(0.0),))[0]

    def _centre(self, mu: float) -> Centre:
        return self._likelihood.centre(mu, self._counts, self._aux)

    def _outcomes(self, centres: tuple[Centre, ...]) -> FloatArray:
        """All counts (m, n) that matter; `UsageError` if there are too many to list."""
        observed = self._counts[0]
        means = np.stack([centre.means for centre in centres])
        least, most = np.minimum(means.min(axis=0), observed), np.maximum(means.max(axis=0), observed)
        low = np.maximum(np.floor(least - _REACH * np.sqrt(least) - 3), 0.0)
        high = np.ceil(most + _REACH * np.sqrt(most) + 10)
        # Data need not be whole numbers; their neighbours are.
        if np.prod(high - low + 1) > _MOST_COUNTS:
            raise UsageError("there are too many outcomes for exact sums; use toys")
        axes = [np.arange(a, b + 1) for a, b in zip(low, high, strict=True)]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
        logs = np.stack([_log_poisson(grid, mean) for mean in means])
        least_likely = [float(_log_poisson(observed[None, :], mean)[0]) for mean in means]
        bound = np.array([min(_NEGLIGIBLE, value + _NEGLIGIBLE) for value in least_likely])
        return np.asarray(grid[np.any(logs >= bound[:, None], axis=0)], dtype=np.float64)

    def _varied(self, mu: float | None) -> _Mask:
        """Which auxiliary measurements (P,) matter: what the signal's change, a discovery's best signal makes good."""
        drawn = self._likelihood.spread > 0
        return drawn & self._likelihood.of_background if mu is None else drawn

    def _lattice(self, mu: float | None, centres: tuple[Centre, ...]) -> tuple[IntArray, list[FloatArray]]:
        """Which measurements (d,) are varied, the most important last, and their places in widths from the data."""
        varied = self._varied(mu)
        impact = np.where(varied, self._likelihood.impact(1.0 if mu is None else mu), -1.0)
        order = np.argsort(impact, kind="stable")[len(varied) - int(np.count_nonzero(varied)) :]
        axes = []
        for at in order:
            reach, step = (_REACH, _STEP) if at == order[-1] else (_OTHER_REACH, _OTHER_STEP)
            pulls = [(centre.aux[at] - self._aux[0, at]) / self._likelihood.spread[at] for centre in centres]
            low, high = min(0.0, *pulls) - reach, max(0.0, *pulls) + reach
            axes.append(np.arange(np.floor(low / step), np.ceil(high / step) + 1) * step)
        return order, axes

    def _size(self, mu: float) -> int:
        """How many fits q-tilde at mu needs."""
        centres = self._centre(mu), self._centre(0.0)
        _, axes = self._lattice(mu, centres)
        return len(self._outcomes(centres)) * int(np.prod([len(axis) for axis in axes]))

    def _tails(self, mu: float | None, centres: tuple[Centre, ...]) -> list[Tails]:
        """The distributions of q-tilde at mu, or of q0 if None, around centres."""
        outcomes = self._outcomes(centres)
        order, axes = self._lattice(mu, centres)
        logs = [_log_poisson(outcomes, centre.means) for centre in centres]
        if len(order) == 0:
            roots = self._roots(mu, outcomes, np.tile(self._aux, (len(outcomes), 1)))[:, None]
            return [Tails(log, roots, np.zeros(1)) for log in logs]
        sigma = self._likelihood.spread[order]
        pulls = [(centre.aux - self._aux[0])[order] / sigma for centre in centres]
        others = np.array(list(product(*axes[:-1])))  # (k, d - 1), one empty row if there are none
        parts = [_log_gauss(others - pull[:-1], _OTHER_STEP) for pull in pulls]
        weights = [log[:, None] + part for log, part in zip(logs, parts, strict=True)]
        row, other = np.nonzero(np.any([w >= w.max() + _NEGLIGIBLE for w in weights], axis=0) | self._at_data(others))
        main = axes[-1]
        aux = np.tile(self._aux[0], (len(row), len(main), 1))
        aux[..., order[:-1]] += (others[other] * sigma[:-1])[:, None, :]
        aux[..., order[-1]] += sigma[-1] * main
        counts = np.repeat(outcomes[row], len(main), axis=0)
        roots = self._roots(mu, counts, aux.reshape(len(counts), -1)).reshape(-1, len(main))
        falls = mu is None
        # The statistic is monotonic; what rounding says against it is not looked at.
        way = slice(None, None, -1 if falls else 1)
        roots = np.maximum.accumulate(roots[:, way], axis=1)[:, way]
        return [Tails(w[row, other], roots, main - pull[-1], falls) for w, pull in zip(weights, pulls, strict=True)]

    @staticmethod
    def _at_data(others: FloatArray) -> _Mask:
        """Places (1, k) near the data's, which are kept however improbable they are."""
        return np.asarray(np.all(np.abs(others) <= 2, axis=1)[None, :])

    def _roots(self, mu: float | None, counts: FloatArray, aux: FloatArray) -> FloatArray:
        """Roots (m,) of q-tilde at mu, or of q0."""
        if mu is None:
            q, _, converged = self._likelihood.q_zero(counts, aux)
        else:
            q, converged = self._likelihood.q_tilde(mu, counts, aux)
        if np.mean(~converged) > _MOST_FAILED:
            raise FitFailedError(f"{np.count_nonzero(~converged)} of {len(q)} fits of exact sums did not converge")
        # Of those that did not, neighbours tell the statistic, which is monotonic.
        return np.where(converged, np.sqrt(q), 0.0)


def exact_result(experiment: Experiment, sums: Sums, *, points: int = 10) -> LimitResult:
    """Limits by exact sums over the outcomes of an experiment."""
    levels = ndtr(np.array([2.0, 1.0, 0.0, -1.0, -2.0]))

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        signal, background = sums.q_tilde(mu)

        def ratio(q: float) -> float:
            return float(np.exp(signal.log_tail(q) - background.log_tail(q)))

        least = least_cls(experiment, mu)
        expected = np.array([max(ratio(q), least) for q in background.quantiles(levels)])
        return (max(ratio(experiment.data(mu)), least) if experiment.has_data else None), expected

    limits, tested = find_limits(cls, precision=3e-4)
    fill_scan(tested, cls, limits, 0 if sums.continuous else points)
    return limit_result(limits, tested, experiment.scale, calculator="exact", remarks=experiment.remarks)


def _log_gauss(places: FloatArray, step: float) -> FloatArray:
    """ln of what places (k, d), in steps, stand for (k,) of a unit Gaussian in d dimensions."""
    d = places.shape[1]
    return np.asarray(-0.5 * np.sum(places**2, axis=1) + d * np.log(step / np.sqrt(2 * np.pi)), dtype=np.float64)


def _log_poisson(counts: FloatArray, means: FloatArray) -> FloatArray:
    """ln of the probability (m,) of counts (m, n)."""
    return np.asarray(np.sum(xlogy(counts, means) - means - gammaln(counts + 1), axis=1), dtype=np.float64)
