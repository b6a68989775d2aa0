"""Upper limits on a signal in one channel of counts: CLs with q-tilde (arXiv:1007.1727), asymptotic or from toys."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.cls import Calculator, LimitResult, Samples, asymptotic_result, toy_result
from hepad.stats.likelihood import Ingredients, Likelihood

__all__ = [
    "FEW_EVENTS",
    "CountingExperiment",
    "LimitModel",
    "LimitResult",
    "asymptotic_limits",
    "choose_calculator",
    "low_counts",
    "sensitivity",
    "toy_limits",
]

FloatArray = npt.NDArray[np.float64]

FEW_EVENTS = 10.0
"""Below about this many events asymptotic formulae are unreliable."""


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
        if self.signal.sum() <= 0:
            raise InputDataError("the signal is zero: there is nothing to set a limit on")
        for what in ("background_error", "signal_error", "luminosity_error"):
            value = getattr(self, what)
            if not np.isfinite(value) or value < 0:
                raise UsageError(f"{what.replace('_', ' ')} is relative and not negative, found {value:g}")
        if self.observed is not None and np.any((self.background <= 0) & (self.observed > 0)):
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

    Without data the background expectation stands in for them (the Asimov data set).
    """

    def __init__(self, model: LimitModel) -> None:
        self.scale = sensitivity(model)
        self.has_data = model.observed is not None
        few = low_counts(model)
        self.remarks = () if few is None else (f"{few}: asymptotic limits are unreliable below 10, use toys",)
        self._likelihood = Likelihood(_ingredients(model.scaled(self.scale)))
        self._counts, self._aux = self._likelihood.observed(model.observed)
        self._asimov = self._likelihood.asimov(0.0, self._counts, self._aux)

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts."""
        return _single(self._likelihood.q_tilde(mu, self._counts, self._aux))

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to the observed counts."""
        return _single(self._likelihood.q_tilde(mu, *self._asimov))

    def prior(self, mu: float) -> float:
        """The same: the expectation is fitted to the data, as HistFactory's convention is."""
        return self.posterior(mu)

    def throw(self, mu: float, *, toys: int, seed: int) -> Samples:
        """q-tilde of toys around the fits to the data at this mu and at mu = 0, auxiliary measurements alike."""
        rng = np.random.default_rng(seed)
        signal, lost = self._likelihood.sample_q_tilde(mu, mu, self._counts, self._aux, toys=toys, rng=rng)
        background, lost_too = self._likelihood.sample_q_tilde(mu, 0.0, self._counts, self._aux, toys=toys, rng=rng)
        return Samples(signal, background, lost + lost_too)

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts and the best mu >= 0."""
        q, best, converged = self._likelihood.q_zero(self._counts, self._aux)
        return _single((q, converged)), float(best[0])

    def throw_excess(self, *, toys: int, seed: int) -> tuple[FloatArray, int]:
        """q0 of toys around the background-only fit to the data."""
        return self._likelihood.sample_q_zero(self._counts, self._aux, toys=toys, rng=np.random.default_rng(seed))


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


def low_counts(model: LimitModel) -> str | None:
    """Where the signal is, fewer than about ten events: what to say of them; None if there are enough.

    "Where the signal is" are the bins that hold 90 % of it, the largest first.
    """
    order = np.argsort(-model.signal, kind="stable")
    held = np.cumsum(model.signal[order]) / model.signal.sum()
    bins = order[: int(np.searchsorted(held, 0.9)) + 1]
    expected = float(model.background[bins].sum())
    where = " under the signal" if len(model.signal) > 1 else ""
    if expected < FEW_EVENTS:
        return f"only {expected:.3g} background events are expected{where}"
    if model.observed is not None and float(model.observed[bins].sum()) < FEW_EVENTS:
        return f"only {float(model.observed[bins].sum()):.3g} events are observed{where}"
    return None


def choose_calculator(wanted: Calculator, few: str | None) -> tuple[bool, str]:
    """Whether to throw toys, and why if that was left to us: they are for low counts."""
    if wanted != "auto":
        return wanted == "toys", ""
    if few is None:
        return False, "asymptotic formulae, as ten events or more are expected and observed where the signal is"
    return True, f"toys, as {few}; asymptotic formulae need about {FEW_EVENTS:g}"


def _ingredients(model: LimitModel) -> Ingredients:
    """The yields and errors that the likelihood is made of."""
    statistical = model.statistical_errors
    relative = np.zeros_like(model.background)
    if statistical is not None:
        np.divide(statistical, model.background, out=relative, where=model.background > 0)
    return Ingredients(
        signal=model.signal,
        background=model.background,
        background_relative=relative,
        signal_kappas=tuple(1 + e for e in (model.signal_error, model.luminosity_error) if e > 0),
        background_kappas=tuple(1 + e for e in (model.background_error,) if e > 0),
    )


def _worst(values: FloatArray) -> str:
    """The value that is not a yield, with what to do about negative ones."""
    if not np.all(np.isfinite(values)):
        return f"{values[~np.isfinite(values)][0]:g}"
    at = int(np.argmin(values))
    where = f" in bin {at + 1} of {len(values)}; negative weights prevail there: merge bins" if len(values) > 1 else ""
    return f"{values[at]:g}{where}"


def _single(values: tuple[FloatArray, npt.NDArray[np.bool_]]) -> float:
    """The one test statistic of a fit to data; `FitFailedError` if its fit did not converge."""
    q, converged = values
    if not converged.all():
        raise FitFailedError("a fit of the likelihood did not converge")
    return float(q[0])
