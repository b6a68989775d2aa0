"""Upper limits on a signal in counts: CLs with q-tilde (arXiv:1007.1727), by exact sums, formulae or toys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.limits.cls import LimitResult, asymptotic_result
from hepad.stats.limits.exact import CountingSums, exact_result
from hepad.stats.limits.likelihood import Ingredients, Likelihood
from hepad.stats.limits.pseudo import Pool, toy_result

__all__ = [
    "FEW_EVENTS",
    "CountingExperiment",
    "LimitModel",
    "LimitResult",
    "asymptotic_limits",
    "effective_counts",
    "exact_limits",
    "few_of",
    "low_counts",
    "sensitivity",
    "toy_limits",
]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FEW_EVENTS = 10.0
"""Below about this many events asymptotic formulae are unreliable."""
_MOST = 1e15
"""Events: of more, double precision does not tell one from none, and no fit converges."""
_ROUNDING = 1e-9
"""How far apart, relative to one plus -ln L, fits that find the same minimum may be."""
_DECISIVE = 3.0
"""A single event whose likelihood ratio is e^3 = 20 or more decides: what it weighs beyond makes no difference."""


@dataclass(frozen=True)
class LimitModel:
    """Yields (n,) of signal and background, observed counts (n,) or None, and what is uncertain.

    `background_variances` (n,) are those of the background's finite statistics. The relative errors are log-normal
    (kappa = 1 + error) and common to all bins; the luminosity's acts on the signal only, as a background estimated
    from data does not depend on it.
    """

    signal: FloatArray
    background: FloatArray
    observed: FloatArray | None = None
    background_variances: FloatArray | None = None
    background_error: float = 0.0
    signal_error: float = 0.0
    luminosity_error: float = 0.0

    def __post_init__(self) -> None:
        for what in ("signal", "background", "observed", "background_variances"):
            values = getattr(self, what)
            if values is None:
                continue
            if values.shape != self.signal.shape or values.ndim != 1:
                raise InputDataError(f"{what} has {values.size} bins, the signal has {self.signal.size}")
            if not np.all(np.isfinite(values)) or np.any(values < 0):
                raise InputDataError(f"{what} must be finite and not negative, found {_worst(values)}")
            if what != "background_variances" and np.any(values > _MOST):
                raise InputDataError(f"{what} of {values.max():g} events cannot be fitted: give {_MOST:g} at most")
        if self.signal.sum() <= 0:
            raise InputDataError("the signal is zero: there is nothing to set a limit on")
        for what in ("background_error", "signal_error", "luminosity_error"):
            value = getattr(self, what)
            if not np.isfinite(value) or value < 0:
                raise UsageError(f"{what.replace('_', ' ')} is relative and not negative, found {value:g}")
        if len(self.signal) > 1 and self.observed is not None and np.any((self.background <= 0) & (self.observed > 0)):
            raise InputDataError("the background is zero in a bin with observed events; merge bins")

    @property
    def statistical_errors(self) -> FloatArray | None:
        """Absolute errors (n,) of the background from its finite statistics, None if there are none."""
        if self.background_variances is None or not np.any(self.background_variances > 0):
            return None
        return np.asarray(np.sqrt(self.background_variances), dtype=np.float64)

    def scaled(self, factor: float) -> LimitModel:
        """The same model with its signal multiplied by `factor`."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return LimitModel(**{**fields, "signal": self.signal * factor})


def sensitivity(model: LimitModel) -> float:
    """The mu at which the signal is roughly two standard deviations away: the natural scale of the problem."""
    variance = model.background + (model.background_error * model.background) ** 2
    if model.background_variances is not None:
        variance = variance + model.background_variances
    filled = model.signal > 0
    s, v = model.signal[filled], variance[filled]
    n = 0.0 if model.observed is None else float(np.sum(model.observed[filled] - model.background[filled]))
    excess = max(n, 0.0) / float(s.sum())

    def distance(log_mu: float) -> float:
        mu = np.exp(log_mu)
        return float(np.sum((mu * s) ** 2 / (v + mu * s))) - 4.0

    top = np.log(4.0 / s.max()) + 1.0  # here one bin alone would do without background
    while distance(top) < 0:
        top += 2.0
    bottom = top
    while distance(bottom) > 0:
        bottom -= 2.0
    return float(np.exp(brentq(distance, bottom, top))) + excess


class CountingExperiment:
    """A `LimitModel` and its data as a `cls.Experiment`: the fits see a signal that is natural in size.

    Without data the background expectation stands in for them (the Asimov data set). `bin_errors` (n,) are relative
    log-normal errors of the background that each bin has to itself.
    """

    def __init__(self, model: LimitModel, bin_errors: FloatArray | None = None) -> None:
        errors = np.zeros_like(model.background) if bin_errors is None else bin_errors
        self.scale = sensitivity(model)
        self.has_data = model.observed is not None
        self.few = low_counts(model)
        self.remarks: tuple[str, ...] = ()
        self.signal_events = self.scale * float(model.signal.sum())
        self.known_background = model.background_error == 0 and model.statistical_errors is None and not errors.any()
        self._likelihood = Likelihood(_ingredients(model.scaled(self.scale), errors))
        self._counts, self._aux = self._likelihood.observed(model.observed)
        self._fits = _Fits(self._likelihood, self._counts, self._aux)
        empty = self.has_data and bool(np.any((model.background <= 0) & (self._counts[0] > 0)))
        self.impossible = "there are events where no background is expected: no p-value is defined" if empty else None
        self.sums: CountingSums | None = CountingSums(self._likelihood, self._counts, self._aux)

    def prepare(self, mus: FloatArray) -> None:
        """Fit at these signal strengths (m,) at once, which takes little longer than at one."""
        self._fits.prepare(mus)

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts."""
        return self._fits.q_tilde(mu, 0)

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to the observed counts."""
        return self._fits.q_tilde(mu, 1)

    def prior(self, mu: float) -> float:
        """The same: the expectation is fitted to the data, as HistFactory's convention is."""
        return self.posterior(mu)

    def throw(self, mu: float, *, toys: int, seed: int) -> Pool:
        """q-tilde of toys around the fits to the data at this mu and at mu = 0, auxiliary measurements alike."""
        rng = np.random.default_rng(seed)
        return self._likelihood.pool_q_tilde(mu, self._counts, self._aux, toys=toys, rng=rng)

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts and the best mu >= 0."""
        q, best, converged = self._likelihood.q_zero(self._counts, self._aux)
        return _single((q, converged)), float(best[0])

    def throw_excess(self, *, toys: int, seed: int) -> Pool:
        """q0 of toys around the fits to the data with the best mu and without a signal."""
        rng, best = np.random.default_rng(seed), self.excess()[1]
        return self._likelihood.pool_q_zero(best, self._counts, self._aux, toys=toys, rng=rng)


class _Fits:
    """Fits to counts (1, n) with auxiliary measurements (1, P), row 0, and to their Asimov data without signal, row 1.

    Both are made at once, as they are asked for at the same mu, and kept.
    """

    def __init__(self, likelihood: Likelihood, counts: FloatArray, aux: FloatArray) -> None:
        rows = zip((counts, aux), likelihood.asimov(0.0, counts, aux), strict=True)
        self._counts, self._aux = (np.concatenate(pair) for pair in rows)
        self._likelihood = likelihood
        self._fixed: dict[float, tuple[FloatArray, BoolArray]] = {}
        self._free: tuple[FloatArray, FloatArray, BoolArray] | None = None

    def q_tilde(self, mu: float, row: int) -> float:
        """The test statistic q-tilde of one row; `FitFailedError` if its fits did not converge."""
        fixed, fixed_ok = self._at(mu)
        best, free, free_ok = self._best(mu, fixed)
        return _single((np.where(best < mu, np.maximum(2 * (fixed - free), 0.0), 0.0), fixed_ok & free_ok), row)

    def prepare(self, mus: FloatArray) -> None:
        """Make the fits at fixed mu for all of these (m,)."""
        new = [float(mu) for mu in mus if mu not in self._fixed]
        if new:
            shape, at = (len(new), len(self._counts)), np.repeat(new, len(self._counts))
            counts, aux = (np.tile(rows, (len(new), 1)) for rows in (self._counts, self._aux))
            _, values, converged = self._likelihood.fit(counts, aux, low=at, high=at)
            self._fixed |= zip(new, zip(values.reshape(shape), converged.reshape(shape), strict=True), strict=True)

    def _at(self, mu: float) -> tuple[FloatArray, BoolArray]:
        if mu not in self._fixed:
            _, values, converged = self._likelihood.fit(self._counts, self._aux, low=mu, high=mu)
            self._fixed[mu] = values, converged
        return self._fixed[mu]

    def _best(self, mu: float, fixed: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
        """The best fits with mu >= 0, looked for again from a mu that is better than they are."""
        if self._free is None:
            self._free = self._likelihood.fit_free(self._counts, self._aux)
        best, values, converged = self._free
        worse = fixed < values - _ROUNDING * (1 + np.abs(values))
        if np.any(worse):
            others, lower, good = self._likelihood.fit_free(self._counts, self._aux, mu)
            better = worse & good & (lower < values)
            best, values = np.where(better, others, best), np.where(better, lower, values)
            self._free = best, values, converged
        return self._free


def asymptotic_limits(model: LimitModel) -> LimitResult:
    """Observed and expected CLs upper limits with the asymptotic q-tilde; `FitFailedError` if a fit fails.

    Without data the background expectation stands in for them (the Asimov data set).
    """
    return asymptotic_result(CountingExperiment(model))


def toy_limits(model: LimitModel, *, toys: int, seed: int = 0) -> LimitResult:
    """The same limits from `toys` pseudo-experiments per hypothesis and tested mu, in place of asymptotic formulae.

    Counts and auxiliary measurements fluctuate around the fit to the data at the tested mu and at mu = 0. The same
    seed serves at every mu, so that CLs changes smoothly with it.
    """
    return toy_result(CountingExperiment(model), toys=toys, seed=seed)


def exact_limits(model: LimitModel) -> LimitResult:
    """The same limits by sums over all counts that can be observed, and integrals over auxiliary measurements.

    `UsageError` if there are too many bins for it.
    """
    experiment = CountingExperiment(model)
    assert experiment.sums is not None  # noqa: S101  it is made with them
    return exact_result(experiment, experiment.sums)


def low_counts(model: LimitModel) -> str | None:
    """Where the sensitivity comes from, fewer than about ten events: what to say of them; None if there are enough."""
    return few_of(sensitivity(model) * model.signal, model.background, model.observed)


def few_of(signal: FloatArray, background: FloatArray, observed: FloatArray | None) -> str | None:
    """The same for a signal (n,) of about two standard deviations on a background (n,), and counts (n,) or None."""
    kind = "effective " if len(signal) > 1 else ""
    expected = effective_counts(signal, background, background)
    expected = min(expected, effective_counts(signal, background, background + signal))
    if expected < FEW_EVENTS:
        return f"only {expected:.2g} {kind}background events are expected{' under the signal' if kind else ''}"
    seen = expected if observed is None else effective_counts(signal, background, observed)
    return (
        f"only {seen:.2g} {kind}events are observed{' under the signal' if kind else ''}" if seen < FEW_EVENTS else None
    )


def effective_counts(signal: FloatArray, background: FloatArray, counts: FloatArray) -> float:
    """How many events a test for the signal (n,) rests on, of expected or observed counts (n,).

    The likelihood ratio weighs each event of a bin with w = ln(1 + s / b). Their sum is as skew as a Poisson number of
    mean (sum w^2 n)^3 / (sum w^3 n)^2, which is n itself for a single bin: formulae that take it for Gaussian hold as
    well as for a counting experiment of this mean. Many events in bins that tell nothing do not count.
    """
    weight = np.minimum(np.log1p(signal / np.maximum(background, 1e-12)), _DECISIVE)
    weight /= max(float(weight.max()), 1e-290)  # whose size cancels, and whose cube may underflow
    second, third = (float(np.sum(weight**power * counts)) for power in (2, 3))
    return second * (second / third) ** 2 if third > 0 else 0.0


def _ingredients(model: LimitModel, bin_errors: FloatArray | None = None) -> Ingredients:
    """The yields and errors that the likelihood is made of."""
    statistical = model.statistical_errors
    relative = np.zeros_like(model.background)
    if statistical is not None:
        np.divide(statistical, model.background, out=relative, where=model.background > 0)
    n = len(model.signal)
    common = np.full((1, n), 1 + model.background_error) if model.background_error > 0 else np.ones((0, n))
    own = np.eye(n)[np.flatnonzero(bin_errors)] * bin_errors + 1 if bin_errors is not None else np.ones((0, n))
    # Two factors on one and the same yield are one: only the sum of their logarithms can be known.
    on_signal = np.hypot(np.log1p(model.signal_error), np.log1p(model.luminosity_error))
    return Ingredients(
        signal=model.signal,
        background=model.background,
        background_relative=relative,
        signal_kappas=() if on_signal == 0 else (float(np.exp(on_signal)),),
        background_kappas=np.concatenate([common, own]),
    )


def _worst(values: FloatArray) -> str:
    """The value that is not a yield, with what to do about negative ones."""
    if not np.all(np.isfinite(values)):
        return f"{values[~np.isfinite(values)][0]:g}"
    at = int(np.argmin(values))
    where = f" in bin {at + 1} of {len(values)}; negative weights prevail there: merge bins" if len(values) > 1 else ""
    return f"{values[at]:g}{where}"


def _single(values: tuple[FloatArray, BoolArray], row: int = 0) -> float:
    """One test statistic of fits to data; `FitFailedError` if its fit did not converge."""
    q, converged = values
    if not converged[row]:
        raise FitFailedError("a fit of the likelihood did not converge")
    return float(q[row])
