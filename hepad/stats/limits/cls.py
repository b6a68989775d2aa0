"""CLs from test statistics (arXiv:1007.1727), and the limits where it falls through 0.05.

Nothing here knows a likelihood: models give their test statistic q-tilde as a function of the signal strength.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from scipy.optimize import toms748
from scipy.special import log_ndtr

from hepad.errors import FitFailedError

__all__ = [
    "ALPHA",
    "Calculator",
    "ClsFunction",
    "Experiment",
    "FitsAtOnce",
    "LimitResult",
    "Scan",
    "Sums",
    "Tail",
    "asymptotic_bands",
    "asymptotic_cls",
    "asymptotic_result",
    "fill_scan",
    "find_limits",
    "known",
    "known_list",
    "least_cls",
    "limit_result",
]

FloatArray = npt.NDArray[np.float64]
Calculator = Literal["auto", "asymptotic", "toys", "exact"]
Scan = dict[float, tuple[float | None, FloatArray]]
"""Observed CLs (None without data) and expected CLs (5,) for -2 to 2 standard deviations, by tested signal strength.

NaN stands for a CLs that the pseudo-experiments cannot tell, as none is as far out.
"""

ClsFunction = Callable[[float], tuple[float | None, FloatArray]]

ALPHA = 0.05
_MAX_DOUBLINGS = 40
_BISECTIONS = 8


@dataclass(frozen=True)
class LimitResult:
    """Upper limits at 95 % CL on the signal strength mu, a multiple of the signal given.

    `observed` is None without data; `expected` (5,) are for -2, -1, 0, 1, 2 standard deviations of the background.
    `poi` (m,) are the tested mu, `cls_observed` (m,) or None and `cls_expected` (m, 5) the CLs there.
    `calculator` is "asymptotics", "exact" or "toys"; `toys` is their number per hypothesis and mu, 0 for the others.
    Limits from toys have statistical errors. What toys cannot tell is NaN: expected limits, CLs, and errors where the
    toys do not scatter. `reason` says why this calculator was used, empty if it was asked for.
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


class Tail(Protocol):
    """The distribution of a test statistic."""

    def log_tail(self, q: float) -> float:
        """ln P(statistic >= q)."""
        ...

    def quantiles(self, levels: FloatArray) -> FloatArray:
        """The statistics (k,) that are reached with these probabilities (k,)."""
        ...


class Sums(Protocol):
    """Exact sums over the outcomes of a counting experiment; `hepad.stats.limits.exact` makes them."""

    @property
    def affordable(self) -> bool:
        """Whether there are few enough outcomes to sum."""
        ...

    @property
    def cheap(self) -> bool:
        """Whether they take no longer than a second."""
        ...

    @property
    def continuous(self) -> bool:
        """Whether auxiliary measurements are integrated over."""
        ...

    def q_tilde(self, mu: float) -> tuple[Tail, Tail]:
        """The distributions of q-tilde at mu with a signal of this mu and without."""
        ...

    def q_zero(self) -> Tail:
        """The distribution of q0, the statistic of a discovery, without a signal."""
        ...


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

    @property
    def few(self) -> str | None:
        """Why asymptotic formulae do not hold, None if they do."""

    @property
    def signal_events(self) -> float:
        """All signal events at a signal strength of one."""

    @property
    def sums(self) -> Sums | None:
        """What exact sums are made with, None for an experiment that is no counting."""

    @property
    def known_background(self) -> bool:
        """Whether nothing but its counts is uncertain of the background."""

    def excess(self) -> tuple[float, float]:
        """q0 of the observed counts, the test statistic of a discovery, and the best mu >= 0."""


@runtime_checkable
class FitsAtOnce(Protocol):
    """An experiment whose fits at many signal strengths take less time together."""

    def prepare(self, mus: FloatArray) -> None:
        """Make the fits that the test statistics at these signal strengths (m,) need, and keep them."""


def asymptotic_result(experiment: Experiment, *, points: int = 40, floor: bool | None = None) -> LimitResult:
    """Limits by asymptotic formulae; `points` more than needed are tested for the curves of CLs.

    With `floor` (None: where the background is known) CLs is at least `least_cls`, which formulae do not know; it is
    asked for where toys cannot tell.
    """
    floored = experiment.known_background if floor is None else floor

    def cls(mu: float) -> tuple[float | None, FloatArray]:
        least = least_cls(experiment, mu) if floored else 0.0
        expected = np.maximum(asymptotic_bands(experiment.prior(mu)), least)
        if not experiment.has_data:
            return None, expected
        return max(asymptotic_cls(experiment.data(mu), experiment.posterior(mu)), least), expected

    limits, tested = find_limits(cls)
    fill_scan(tested, cls, limits, points, experiment.prepare if isinstance(experiment, FitsAtOnce) else None)
    remarks = experiment.remarks
    if experiment.few is not None:
        use = "" if floor else ", use toys"
        remarks += (f"{experiment.few}: asymptotic limits are unreliable below 10{use}",)
    least = -np.log(ALPHA) / experiment.signal_events if floored else 0.0
    if any(limit is not None and limit <= least * (1 + 1e-3) for limit in limits):
        remarks += ("asymptotic formulae give limits below 3.00 signal events, which no counting can: 3.00 is shown",)
    return limit_result(limits, tested, experiment.scale, calculator="asymptotics", remarks=remarks)


def least_cls(experiment: Experiment, mu: float) -> float:
    """The smallest CLs that counting permits, exp(-s) for s signal events: no limit is below 3.00 events.

    With this probability the signal adds no event, so that P(A | s + b) >= exp(-s) P(A | b) for whatever A. Auxiliary
    measurements that fluctuate, around values that differ with and without a signal, would else fall short of it.
    """
    return float(np.exp(-mu * experiment.signal_events))


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


def find_limits(cls: ClsFunction, *, precision: float = 1e-4) -> tuple[list[float | None], Scan]:
    """Where CLs falls through 0.05: observed (None without data) and five expected, in units of about one.

    The bracket doubles until every curve has fallen or cannot be told any more; no range is asked of the user. A limit
    is NaN if its curve cannot be told before it has fallen; if that is the observed one the expected stay None. Also
    returns every point tested.
    """
    points: Scan = {}

    def at(mu: float, curve: int) -> float:
        if mu not in points:
            points[mu] = cls(mu)
        return _value(points[mu], curve)

    at(1.0, 0)
    curves = range(1 if points[1.0][0] is None else 0, 6)
    for factor in (2.0, 0.5):
        mu = 1.0
        for _ in range(_MAX_DOUBLINGS):
            values = [at(mu, curve) for curve in curves]
            if all(np.isnan(value) or (value < ALPHA) == (factor > 1) for value in values):
                break
            mu *= factor
        else:
            raise FitFailedError("CLs does not cross 0.05 at any signal strength")
    limits: list[float | None] = [None] * 6
    for curve in curves:
        limits[curve] = _crossing(lambda mu, c=curve: at(mu, c), points, curve, precision)  # type: ignore[misc]
        if curve == 0 and np.isnan(limits[0] or 0.0):
            break  # without an observed limit there is no result: the others are not looked for
    return limits, points


def _crossing(curve: Callable[[float], float], points: Scan, number: int, precision: float) -> float:
    """Where one curve falls through 0.05, between tested points; NaN if no point below it could be told."""
    known = {mu: _value(point, number) for mu, point in points.items() if not np.isnan(_value(point, number))}
    above = [mu for mu, value in known.items() if value >= ALPHA]
    if not above:
        return float("nan")
    low = max(above)
    high = min((mu for mu, value in known.items() if value < ALPHA and mu > low), default=np.nan)
    if np.isnan(high):
        # Not to be told from somewhere on; it may have fallen just before.
        low, high = _last_told(curve, low, min(mu for mu in points if mu > low))
    if np.isnan(high):
        return float("nan")

    def distance(mu: float) -> float:
        return float(np.log(max(curve(mu), 1e-300) / ALPHA))  # nearly a straight line

    with np.errstate(divide="ignore", invalid="ignore"):  # of equal values on a step, which it looks past
        return float(toms748(distance, low, high, rtol=precision, xtol=1e-9))


def _last_told(curve: Callable[[float], float], low: float, unknown: float) -> tuple[float, float]:
    """Bracket of the crossing between a point above 0.05 and one that cannot be told; NaN if there is none."""
    for _ in range(_BISECTIONS):
        middle = (low + unknown) / 2
        value = curve(middle)
        if np.isnan(value):
            unknown = middle
        elif value < ALPHA:
            return low, middle
        else:
            low = middle
    return low, float("nan")


def fill_scan(
    points: Scan,
    cls: ClsFunction,
    limits: list[float | None],
    count: int,
    prepare: Callable[[FloatArray], None] | None = None,
) -> None:
    """Add evenly spaced points to the scan, for its curves; `prepare` is told of all of them (m,) before."""
    found = [limit for limit in limits if limit is not None and not np.isnan(limit)]
    if count == 0 or not found:
        return
    top = 1.3 * max(found)
    mus = np.linspace(top / count, top, count)
    if prepare is not None:
        prepare(mus)
    for mu in map(float, mus):
        if mu not in points:
            points[mu] = cls(mu)


def limit_result(
    limits: list[float | None],
    points: Scan,
    scale: float,
    *,
    calculator: str,
    remarks: tuple[str, ...],
    toys: int = 0,
    errors: list[float] | None = None,
) -> LimitResult:
    """Put the scan into the units of the given signal, sorted by mu; `errors` are of the limits that there are."""
    tested = sorted(points)
    observed = [points[mu][0] for mu in tested]
    with_data = limits[0] is not None
    expected = np.array([limit for limit in limits[1:] if limit is not None])
    told = ~np.isnan(expected)
    # Bands of few counts coincide; the search ends within its precision of them.
    expected[told] = np.maximum.accumulate(expected[told])
    return LimitResult(
        observed=None if limits[0] is None else limits[0] * scale,
        expected=expected * scale,
        poi=np.array(tested) * scale,
        cls_observed=np.array(observed, dtype=np.float64) if with_data else None,
        cls_expected=np.array([points[mu][1] for mu in tested]),
        calculator=calculator,
        toys=toys,
        warnings=remarks,
        observed_error=errors[0] * scale if errors is not None and with_data else None,
        expected_errors=None if errors is None else np.array(errors[1 if with_data else 0 :]) * scale,
    )


def known(value: float | None) -> float | None:
    """A number for JSON: None for one that cannot be told."""
    return None if value is None or not np.isfinite(value) else float(value)


def known_list(values: FloatArray) -> list[Any]:
    """The same of an array (...), as nested lists."""
    return [known_list(each) if each.ndim else known(float(each)) for each in values]
