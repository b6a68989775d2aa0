"""Upper limits on a signal: CLs with q-tilde (arXiv:1007.1727), asymptotic or from toys, and the pyhf workspace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq, toms748
from scipy.special import log_ndtr, ndtr

from hepad.errors import FitFailedError, InputDataError, UsageError
from hepad.stats.likelihood import Ingredients, Likelihood

__all__ = [
    "LimitModel",
    "LimitResult",
    "Scan",
    "asymptotic_bands",
    "asymptotic_cls",
    "asymptotic_limits",
    "build_workspace",
    "fill_scan",
    "find_limits",
    "limit_result",
    "low_count_warning",
    "sensitivity",
    "toy_cls",
    "toy_limits",
    "toy_quantiles",
    "toy_warnings",
]

FloatArray = npt.NDArray[np.float64]
Scan = dict[float, tuple[float | None, FloatArray]]
"""Observed CLs (None without data) and expected CLs (5,) for -2 to 2 standard deviations, by tested signal strength."""

ClsFunction = Callable[[float], tuple[float | None, FloatArray]]

_ALPHA = 0.05
_LOW_COUNT = 10.0
_MAX_DOUBLINGS = 40


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
                raise InputDataError(f"{what} must be finite and not negative, found {values.min():g}")
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


@dataclass(frozen=True)
class LimitResult:
    """Upper limits at 95 % CL on the signal strength mu, a multiple of the signal given.

    `observed` is None without data; `expected` (5,) are for -2, -1, 0, 1, 2 standard deviations of the background.
    `poi` (m,) are the tested mu, `cls_observed` (m,) or None and `cls_expected` (m, 5) the CLs there.
    `toys` is the number of pseudo-experiments per hypothesis and mu, 0 for asymptotic formulae.
    """

    observed: float | None
    expected: FloatArray
    poi: FloatArray
    cls_observed: FloatArray | None
    cls_expected: FloatArray
    calculator: str
    toys: int
    warnings: tuple[str, ...]


def build_workspace(model: LimitModel) -> dict[str, Any]:
    """A pyhf workspace (plain JSON) of one channel; without data its observations are the background expectation.

    The parameter of interest is `mu`; its range reaches ten times past the expected sensitivity.
    """
    background: list[dict[str, Any]] = []
    signal: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
    if model.background_error > 0:
        background.append(_normsys("background_error", model.background_error))
    statistical = model.statistical_errors
    if statistical is not None:
        background.append({"name": "background_statistics", "type": "staterror", "data": statistical.tolist()})
    if model.signal_error > 0:
        signal.append(_normsys("signal_error", model.signal_error))
    if model.luminosity_error > 0:
        signal.append(_normsys("luminosity", model.luminosity_error))
    observed = model.background if model.observed is None else model.observed
    scale = sensitivity(model)
    mu = {"name": "mu", "inits": [scale], "bounds": [[0.0, 10 * scale]]}
    return {
        "channels": [
            {
                "name": "channel",
                "samples": [
                    {"name": "signal", "data": model.signal.tolist(), "modifiers": signal},
                    {"name": "background", "data": model.background.tolist(), "modifiers": background},
                ],
            }
        ],
        "observations": [{"name": "channel", "data": observed.tolist()}],
        "measurements": [{"name": "limit", "config": {"poi": "mu", "parameters": [mu]}}],
        "version": "1.0.0",
    }


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


def asymptotic_limits(model: LimitModel) -> LimitResult:
    """Observed and expected CLs upper limits with the asymptotic q-tilde; `FitFailedError` if a fit fails.

    Without data the background expectation stands in for them (the Asimov data set).
    """
    scale = sensitivity(model)
    # The fits see a signal that is natural in size; the results are in units of the signal given.
    likelihood = Likelihood(_ingredients(model.scaled(scale)))
    counts, aux = likelihood.observed(model.observed)
    asimov_counts, asimov_aux = likelihood.asimov(0.0, counts, aux)

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        q_asimov = _single(likelihood.q_tilde(mu, asimov_counts, asimov_aux))
        expected = asymptotic_bands(q_asimov)
        if model.observed is None:
            return None, expected
        return asymptotic_cls(_single(likelihood.q_tilde(mu, counts, aux)), q_asimov), expected

    limits, points = find_limits(cls)
    fill_scan(points, cls, limits, 40)
    return limit_result(limits, points, scale, toys=0, remarks=low_count_warning(model))


def asymptotic_cls(q: float, q_asimov: float) -> float:
    """CLs of a q-tilde, given that of the Asimov data set without signal (arXiv:1007.1727)."""
    if q_asimov <= 0:  # no sensitivity at all
        return 1.0
    root_asimov = np.sqrt(q_asimov)
    distance = np.sqrt(q) - root_asimov
    if distance > 0:  # its equation 66, the other branch of q-tilde
        distance = (q - q_asimov) / (2 * root_asimov)
    return float(np.exp(log_ndtr(-distance - root_asimov) - log_ndtr(-distance)))


def asymptotic_bands(q_asimov: float) -> FloatArray:
    """CLs (5,) expected without signal at -2 to 2 standard deviations, from q-tilde of the Asimov data set."""
    shifts = np.array([2.0, 1.0, 0.0, -1.0, -2.0])
    return np.asarray(np.exp(log_ndtr(-np.sqrt(q_asimov) - shifts) - log_ndtr(-shifts)), dtype=np.float64)


def toy_limits(model: LimitModel, *, toys: int, seed: int = 0) -> LimitResult:
    """The same limits from `toys` pseudo-experiments per hypothesis and tested mu, in place of asymptotic formulae.

    Counts and auxiliary measurements fluctuate around the fit to the data at the tested mu and at mu = 0. The same
    seed serves at every mu, so that CLs changes smoothly with it.
    """
    scale = sensitivity(model)
    likelihood = Likelihood(_ingredients(model.scaled(scale)))
    counts, aux = likelihood.observed(model.observed)
    failed = 0

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        nonlocal failed
        rng = np.random.default_rng(seed)
        sampled = []
        for truth in (mu, 0.0):
            q, lost = likelihood.sample_q_tilde(mu, truth, counts, aux, toys=toys, rng=rng)
            failed += lost
            sampled.append(q)
        signal, background = sampled
        expected = np.array([toy_cls(q, signal, background) for q in toy_quantiles(background)])
        if model.observed is None:
            return None, expected
        return toy_cls(_single(likelihood.q_tilde(mu, counts, aux)), signal, background), expected

    limits, points = find_limits(cls, precision=2e-3)  # finer than the toys themselves
    fill_scan(points, cls, limits, 10)
    return limit_result(limits, points, scale, toys=toys, remarks=toy_warnings(toys, failed))


def toy_quantiles(background: FloatArray) -> FloatArray:
    """The test statistics (5,) of background toys for limits at -2 to 2 standard deviations.

    The stronger limits (-2) come from downward fluctuations, which have the largest test statistics.
    """
    levels = ndtr([2.0, 1.0, 0.0, -1.0, -2.0])
    return np.asarray(np.quantile(background, levels, method="inverted_cdf"), dtype=np.float64)


def toy_warnings(toys: int, failed: int) -> tuple[str, ...]:
    """What to say of the number of pseudo-experiments and of those whose fits failed."""
    remarks = [f"{failed} pseudo-experiments were left out, their fits did not converge"] if failed else []
    lowest = toys * _ALPHA * float(ndtr(-2.0))  # that decide where the -2 sigma curve crosses 0.05
    if lowest < 10:
        remarks.append(f"the -2 sigma expected limit rests on about {lowest:.0f} pseudo-experiments; use 10000 or more")
    return tuple(remarks)


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


def _single(values: tuple[FloatArray, npt.NDArray[np.bool_]]) -> float:
    """The one test statistic of a fit to data; `FitFailedError` if its fit did not converge."""
    q, converged = values
    if not converged.all():
        raise FitFailedError("a fit of the likelihood did not converge")
    return float(q[0])


def toy_cls(q: float, signal: FloatArray, background: FloatArray) -> float:
    """CLs of a test statistic; 1 if no background toy reaches it, as then nothing can be excluded."""
    # Toys with equal counts have equal statistics up to rounding: they count as reached.
    threshold = q - 1e-6 * (1 + q)
    beyond = float(np.mean(background >= threshold))
    return float(np.mean(signal >= threshold)) / beyond if beyond > 0 else 1.0


def find_limits(cls: ClsFunction, *, precision: float = 1e-4) -> tuple[list[float | None], Scan]:
    """Where CLs falls through 0.05: observed (None without data) and five expected, in units of about one.

    The bracket doubles until every curve has fallen; no range is asked of the user. Also returns every point tested.
    """
    points: Scan = {}

    def at(mu: float, curve: int) -> float:
        if mu not in points:
            points[mu] = cls(mu)
        observed, expected = points[mu]
        return (observed if observed is not None else np.nan) if curve == 0 else float(expected[curve - 1])

    has_data = not np.isnan(at(1.0, 0))
    curves = range(0 if has_data else 1, 6)
    for factor in (2.0, 0.5):
        mu = 1.0
        for _ in range(_MAX_DOUBLINGS):
            reached = [(at(mu, curve) < _ALPHA) == (factor > 1) for curve in curves]
            if all(reached):
                break
            mu *= factor
        else:
            raise FitFailedError("CLs does not cross 0.05 at any signal strength")
    limits: list[float | None] = [None] * 6
    for curve in curves:
        low = max(mu for mu in points if at(mu, curve) >= _ALPHA)
        high = min(mu for mu in points if at(mu, curve) < _ALPHA and mu > low)
        limits[curve] = float(toms748(lambda mu, c=curve: at(mu, c) - _ALPHA, low, high, rtol=precision, xtol=1e-9))
    return limits, points


def fill_scan(points: Scan, cls: ClsFunction, limits: list[float | None], count: int) -> None:
    """Add evenly spaced points to the scan, for its curves."""
    top = 1.3 * max(limit for limit in limits if limit is not None)
    for mu in np.linspace(top / count, top, count):
        points.setdefault(float(mu), cls(float(mu)))


def limit_result(
    limits: list[float | None], points: Scan, scale: float, *, toys: int, remarks: tuple[str, ...]
) -> LimitResult:
    """Put the scan into the units of the given signal, sorted by mu."""
    tested = sorted(points)
    observed = [points[mu][0] for mu in tested]
    return LimitResult(
        observed=None if limits[0] is None else limits[0] * scale,
        expected=np.array([limit for limit in limits[1:] if limit is not None]) * scale,
        poi=np.array(tested) * scale,
        cls_observed=None if limits[0] is None else np.array(observed, dtype=np.float64),
        cls_expected=np.array([points[mu][1] for mu in tested]),
        calculator="toys" if toys else "asymptotics",
        toys=toys,
        warnings=remarks,
    )


def low_count_warning(model: LimitModel) -> tuple[str, ...]:
    """A warning if the background is too small for asymptotic formulae."""
    total = float(model.background.sum())
    if total >= _LOW_COUNT:
        return ()
    return (f"only {total:g} background events are expected: asymptotic limits are unreliable below 10, use toys",)


def _normsys(name: str, error: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": 1 + error, "lo": 1 / (1 + error)}}
