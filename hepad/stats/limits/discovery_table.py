"""Model-independent limits of a signal region, as collaborations tabulate them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtr

from hepad.errors import UsageError
from hepad.stats.limits.calculator import set_limit
from hepad.stats.limits.cls import Calculator, LimitResult, known, known_list
from hepad.stats.limits.discovery import Excess, local_excess
from hepad.stats.limits.limits import CountingExperiment, LimitModel
from hepad.stats.limits.published import PublishedExperiment

__all__ = ["DiscoveryLimits", "discovery_limits", "fitted_limits"]


@dataclass(frozen=True)
class DiscoveryLimits:
    """One row of the tables that ATLAS makes with HistFitter (arXiv:1410.1280).

    `limit` is on the number of signal events, S95. `clb` is the confidence level of the background-only hypothesis at
    the observed limit, `excess` the discovery p-value p(s = 0), at most 0.5, with Z; None without any background, when
    events are impossible without a signal. Without data `observed`, `clb` and `excess` are None. `luminosity` in fb-1,
    or None.
    """

    name: str
    observed: float | None
    background: float
    background_error: float
    limit: LimitResult
    clb: float | None
    excess: Excess | None
    luminosity: float | None = None

    @property
    def visible_fb(self) -> float | None:
        """Limit on cross section x acceptance x efficiency in fb: S95 over the luminosity."""
        if self.luminosity is None or self.limit.observed is None:
            return None
        return self.limit.observed / self.luminosity

    @property
    def visible_expected_fb(self) -> float | None:
        """The same of the median expected limit."""
        return None if self.luminosity is None else float(self.limit.expected[2]) / self.luminosity

    def to_json(self) -> dict[str, Any]:
        """Plain values; `background_error` is in events."""
        limit = self.limit
        errors = limit.expected_errors
        empty = dict.fromkeys(("p0", "log10_p0", "z", "q0", "mu"))
        return {
            "name": self.name,
            "observed": self.observed,
            "background": self.background,
            "background_error": self.background_error,
            "visible_cross_section_fb": self.visible_fb,
            "visible_cross_section_expected_fb": self.visible_expected_fb,
            "s95_observed": limit.observed,
            "s95_observed_error": known(limit.observed_error),
            "s95_expected": known_list(limit.expected),
            "s95_expected_errors": None if errors is None else known_list(errors),
            "clb": known(self.clb),
            **(empty if self.excess is None else self.excess.to_json()),
            "luminosity_fb": self.luminosity,
            "calculator": limit.calculator,
            "calculator_reason": limit.reason or "as asked for",
            "toys": limit.toys,
            "warnings": list(limit.warnings),
        }


def discovery_limits(
    name: str,
    *,
    observed: float | None,
    background: float,
    background_error: float = 0.0,
    luminosity: float | None = None,
    calculator: Calculator = "auto",
    toys: int = 10_000,
    seed: int = 0,
) -> DiscoveryLimits:
    """The row of a region with `observed` events and a background with its error, both in events.

    The error is log-normal; the signal has none, as its model is not known. Without data (`observed` None) limits are
    expected ones. `InputDataError` for values that are no
    counts, `FitFailedError` if a fit fails.
    """
    if luminosity is not None and not 0 < luminosity < np.inf:
        raise UsageError(f"the luminosity is positive, found {luminosity:g} fb-1")
    if background_error > 0 and not background > 0:
        raise UsageError(f"{name}: a background of {background:g} events cannot have an error of {background_error:g}")
    model = LimitModel(
        np.ones(1),
        np.array([background]),
        None if observed is None else np.array([observed]),
        background_error=background_error / background if background_error else 0.0,
    )
    experiment = CountingExperiment(model)
    limit = set_limit(experiment, calculator, toys=toys, seed=seed, points=(0, 0))
    if experiment.impossible is not None:
        limit = replace(limit, warnings=(*limit.warnings, experiment.impossible))
    if limit.observed is None:
        return DiscoveryLimits(name, None, background, background_error, limit, None, None, luminosity)
    excess = local_excess(experiment, limit, seed=seed) if experiment.impossible is None else None
    clb = _clb(experiment, limit.observed / experiment.scale, limit, seed)
    return DiscoveryLimits(name, observed, background, background_error, limit, clb, excess, luminosity)


def fitted_limits(
    name: str,
    experiment: PublishedExperiment,
    *,
    observed: float | None,
    background: tuple[float, float],
    luminosity: float | None = None,
    calculator: Calculator = "auto",
    toys: int = 1000,
    seed: int = 0,
) -> DiscoveryLimits:
    """The row of a region of a simultaneous fit, whose signal is one event; to be used inside `numpy_backend`.

    `background` is the one that the other bins predict, with its error. "auto" takes asymptotic formulae of the fit,
    and where few events are expected exact sums over the counts of the region alone, whose background is the predicted
    one: a toy takes a fit of all parameters. `FitFailedError` if a fit fails.
    """
    if calculator == "auto" and experiment.few is not None:
        row = discovery_limits(
            name, observed=observed, background=background[0], background_error=background[1], luminosity=luminosity
        )
        reason = f"exact sums over the background that other bins predict, as {experiment.few}"
        return replace(row, limit=replace(row.limit, reason=reason)) if row.limit.calculator == "exact" else row
    limit = set_limit(
        experiment, "asymptotic" if calculator == "auto" else calculator, toys=toys, seed=seed, points=(0, 0)
    )
    if calculator == "auto":
        limit = replace(limit, reason="asymptotic formulae of the simultaneous fit")
    clb, excess = None, None
    if experiment.has_data and limit.observed is not None:
        clb = _clb(experiment, limit.observed / experiment.scale, limit, seed)
        excess = local_excess(experiment, limit, seed=seed) if experiment.impossible is None else None
    return DiscoveryLimits(name, observed, *background, limit, clb, excess, luminosity)


def _clb(experiment: CountingExperiment | PublishedExperiment, mu: float, limit: LimitResult, seed: int) -> float:
    """P(q-tilde >= observed) without signal, at mu; the formula is the denominator of CLs in arXiv:1007.1727."""
    q = experiment.data(mu)
    if limit.toys:
        return min(experiment.throw(mu, toys=limit.toys, seed=seed).tail(q)[0], 1.0)
    if limit.calculator == "exact" and experiment.sums is not None:
        return float(np.exp(experiment.sums.q_tilde(mu)[1].log_tail(q)))
    root = np.sqrt(experiment.posterior(mu))
    distance = np.sqrt(q) - root if q <= root**2 else (q - root**2) / (2 * root)
    return float(ndtr(-distance))
