"""CLs from test statistics (arXiv:1007.1727), asymptotic or from toys, and the limits where it falls through 0.05.

Nothing here knows a likelihood: models give their test statistic q-tilde as a function of the signal strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import toms748
from scipy.special import log_ndtr, ndtr

from hepad.errors import FitFailedError

__all__ = [
    "Calculator",
    "Experiment",
    "LimitResult",
    "Samples",
    "Scan",
    "asymptotic_bands",
    "asymptotic_cls",
    "asymptotic_result",
    "fill_scan",
    "find_limits",
    "limit_result",
    "toy_cls",
    "toy_quantiles",
    "toy_result",
    "toy_warnings",
]

FloatArray = npt.NDArray[np.float64]
Calculator = Literal["auto", "asymptotic", "toys"]
Scan = dict[float, tuple[float | None, FloatArray]]
"""Observed CLs (None without data) and expected CLs (5,) for -2 to 2 standard deviations, by tested signal strength."""

ClsFunction = Callable[[float], tuple[float | None, FloatArray]]
Statistic = Callable[[float], float]

_ALPHA = 0.05
_MAX_DOUBLINGS = 40
_RESAMPLINGS = 50
_APART = 0.1


class Samples(NamedTuple):
    """q-tilde of toys thrown with the tested signal (t,) and without one (u,), and how many fits failed."""

    signal: FloatArray
    background: FloatArray
    failed: int


@dataclass(frozen=True)
class LimitResult:
    """Upper limits at 95 % CL on the signal strength mu, a multiple of the signal given.

    `observed` is None without data; `expected` (5,) are for -2, -1, 0, 1, 2 standard deviations of the background.
    `poi` (m,) are the tested mu, `cls_observed` (m,) or None and `cls_expected` (m, 5) the CLs there.
    `toys` is the number of pseudo-experiments per hypothesis and mu, 0 for asymptotic formulae; limits from toys have
    statistical errors. `reason` says why this calculator was used, empty if it was asked for.
    """

    observed: float | None
    expected: FloatArray
    poi: FloatArray
    cls_observed: FloatArray | None
    cls_expected: FloatArray
    calculator: str
    toys: int
    warnings: tuple[str, ...]
    observed_error: float | None = None
    expected_errors: FloatArray | None = None
    reason: str = ""


class Experiment(Protocol):
    """A model with its data, if there are any; signal strengths are in units of `scale`, where they are about one."""

    @property
    def scale(self) -> float:
        """The mu, in units of the signal given, of which signal strengths here are multiples."""

    @property
    def has_data(self) -> bool:
        """Whether there are observed counts."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What to warn of."""

    def data(self, mu: float) -> float:
        """q-tilde of the observed counts; `FitFailedError` if a fit fails."""

    def posterior(self, mu: float) -> float:
        """q-tilde of the Asimov data of the background-only fit to the observed counts."""

    def prior(self, mu: float) -> float:
        """q-tilde of the Asimov data on which the expected limits rest; often the same."""

    def throw(self, mu: float, *, toys: int, seed: int) -> Samples:
        """q-tilde at mu of pseudo-experiments with a signal of this mu and without; equal seeds, equal toys."""

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts, the test statistic of a discovery, and the best mu >= 0."""

    def throw_excess(self, *, toys: int, seed: int) -> tuple[FloatArray, int]:
        """q0 of pseudo-experiments without signal, and how many fits failed."""


def asymptotic_result(experiment: Experiment, *, points: int = 40) -> LimitResult:
    """Limits by asymptotic formulae; `points` more than needed are tested for the curves of CLs."""

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        expected = asymptotic_bands(experiment.prior(mu))
        return (
            asymptotic_cls(experiment.data(mu), experiment.posterior(mu)) if experiment.has_data else None
        ), expected

    limits, tested = find_limits(cls)
    fill_scan(tested, cls, limits, points)
    return limit_result(limits, tested, experiment.scale, toys=0, remarks=experiment.remarks)


def toy_result(experiment: Experiment, *, toys: int, seed: int = 0, points: int = 10) -> LimitResult:
    """Limits from `toys` pseudo-experiments per hypothesis and tested mu, with their statistical errors.

    The same seed serves at every mu, so that CLs changes smoothly with it.
    """
    thrown: dict[float, Samples] = {}
    data = experiment.data if experiment.has_data else None

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        sample = thrown[mu] = experiment.throw(mu, toys=toys, seed=seed)
        expected = np.array([toy_cls(q, *sample[:2]) for q in toy_quantiles(sample.background)])
        return (None if data is None else toy_cls(data(mu), *sample[:2])), expected

    limits, tested = find_limits(cls, precision=2e-3)  # finer than the toys themselves
    fill_scan(tested, cls, limits, points)
    failed = sum(sample.failed for sample in thrown.values())
    errors = [None if mu is None else _toy_error(mu, curve, tested, thrown, data) for curve, mu in enumerate(limits)]
    remarks = tuple(text for text in experiment.remarks if "use toys" not in text) + toy_warnings(toys, failed)
    return limit_result(limits, tested, experiment.scale, toys=toys, remarks=remarks, errors=errors)


def _toy_error(limit: float, curve: int, tested: Scan, thrown: dict[float, Samples], data: Statistic | None) -> float:
    """The standard deviation of a limit by resampling the toys there, over the slope of CLs."""
    at = min(tested, key=lambda mu: abs(mu - limit))
    sample = thrown[at]
    q = data(at) if curve == 0 and data is not None else None
    rng = np.random.default_rng(curve)
    values = []
    for _ in range(_RESAMPLINGS):
        signal = rng.choice(sample.signal, len(sample.signal))
        background = rng.choice(sample.background, len(sample.background))
        values.append(toy_cls(toy_quantiles(background)[curve - 1] if q is None else q, signal, background))
    low = max((mu for mu in tested if mu <= limit * (1 - _APART)), default=at)
    high = min((mu for mu in tested if mu >= limit * (1 + _APART)), default=at)
    least = 1 / len(sample.signal)  # CLs falls nearly exponentially: so does this, even where no toy is left
    logs = [np.log(max(_value(tested[mu], curve), least)) for mu in (low, high)]
    slope = (logs[0] - logs[1]) / (high - low) * _ALPHA if high > low else 0.0
    return float(np.std(values) / slope) if slope > 0 else float("inf")


def _value(point: tuple[float | None, FloatArray], curve: int) -> float:
    observed, expected = point
    if curve == 0:
        return float("nan") if observed is None else observed
    return float(expected[curve - 1])


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


def toy_cls(q: float, signal: FloatArray, background: FloatArray) -> float:
    """CLs of a test statistic; 1 if no background toy reaches it, as then nothing can be excluded."""
    # Toys with equal counts have equal statistics up to rounding: they count as reached.
    threshold = q - 1e-6 * (1 + q)
    beyond = float(np.mean(background >= threshold))
    return float(np.mean(signal >= threshold)) / beyond if beyond > 0 else 1.0


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


def find_limits(cls: ClsFunction, *, precision: float = 1e-4) -> tuple[list[float | None], Scan]:
    """Where CLs falls through 0.05: observed (None without data) and five expected, in units of about one.

    The bracket doubles until every curve has fallen; no range is asked of the user. Also returns every point tested.
    """
    points: Scan = {}

    def at(mu: float, curve: int) -> float:
        if mu not in points:
            points[mu] = cls(mu)
        return _value(points[mu], curve)

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
    if count == 0:
        return
    top = 1.3 * max(limit for limit in limits if limit is not None)
    for mu in np.linspace(top / count, top, count):
        points.setdefault(float(mu), cls(float(mu)))


def limit_result(
    limits: list[float | None],
    points: Scan,
    scale: float,
    *,
    toys: int,
    remarks: tuple[str, ...],
    errors: list[float | None] | None = None,
) -> LimitResult:
    """Put the scan into the units of the given signal, sorted by mu."""
    tested = sorted(points)
    observed = [points[mu][0] for mu in tested]
    return LimitResult(
        observed=None if limits[0] is None else limits[0] * scale,
        # Bands of few counts coincide; the search ends within its precision of them.
        expected=np.maximum.accumulate([limit for limit in limits[1:] if limit is not None]) * scale,
        poi=np.array(tested) * scale,
        cls_observed=None if limits[0] is None else np.array(observed, dtype=np.float64),
        cls_expected=np.array([points[mu][1] for mu in tested]),
        calculator="toys" if toys else "asymptotics",
        toys=toys,
        warnings=remarks,
        observed_error=None if errors is None or errors[0] is None else errors[0] * scale,
        expected_errors=None if errors is None else np.array([e for e in errors[1:] if e is not None]) * scale,
    )
