"""The fit to the data of a pyhf workspace: parameters with errors and correlations, and the yields they give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from iminuit import Minuit

from hepad.errors import FitFailedError
from hepad.stats.limits.published import PublishedExperiment

__all__ = ["FittedChannel", "FittedParameter", "PostFit", "post_fit", "yield_errors"]

FloatArray = npt.NDArray[np.float64]
Kind = Literal["constrained", "gamma", "free", "fixed"]

_AT_ZERO = 1e-4
"""A q0 below this puts the best signal strength within a hundredth of its error of its bound at 0."""
_NEAR_BOUND = 1e-3
_TOLERANCE = 0.01
"""Minuit stops at an estimated distance of 2e-5 from the minimum of -2 ln L: within 0.5 % of the errors."""


@dataclass(frozen=True)
class FittedParameter:
    """One parameter after the fit; constrained ones have the `centre` and `width` of their constraint.

    `kind` is "constrained" for systematic uncertainties and the luminosity, "gamma" for factors of single bins
    (staterror, shapesys), "free" for parameters without a constraint, the signal strength among them, and "fixed" for
    those that the fit does not move. `at_bound`: the value lies at a bound of its range, and the error means little.
    """

    name: str
    kind: Kind
    value: float
    error: float
    centre: float | None = None
    width: float | None = None
    at_bound: bool = False

    @property
    def pull(self) -> float | None:
        """(value - centre) / width; None without a constraint."""
        return None if self.centre is None or not self.width else (self.value - self.centre) / self.width

    @property
    def pull_error(self) -> float | None:
        """The error after the fit over that before; None without a constraint."""
        return None if self.centre is None or not self.width else self.error / self.width

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "kind": self.kind,
            "value": self.value,
            "error": self.error,
            "centre": self.centre,
            "width": self.width,
            "pull": self.pull,
            "pull_error": self.pull_error,
            "at_bound": self.at_bound,
        }


@dataclass(frozen=True)
class FittedChannel:
    """Observed counts (n,) of one channel, the yields (n,) of its samples, and the error (n,) of their sum."""

    name: str
    observed: FloatArray
    samples: dict[str, FloatArray]
    errors: FloatArray

    @property
    def total(self) -> FloatArray:
        """The sum of the samples (n,)."""
        return np.asarray(np.sum(list(self.samples.values()), axis=0), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "name": self.name,
            "observed": self.observed.tolist(),
            "samples": {name: yields.tolist() for name, yields in self.samples.items()},
            "total": self.total.tolist(),
            "error": self.errors.tolist(),
        }


@dataclass(frozen=True)
class PostFit:
    """Parameters and channels of a fit; `poi_at_zero`: the signal strength is at 0, errors are those with it fixed."""

    parameters: tuple[FittedParameter, ...]
    channels: tuple[FittedChannel, ...]
    twice_nll: float
    poi_at_zero: bool

    def to_json(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "twice_nll": self.twice_nll,
            "poi_at_zero": self.poi_at_zero,
            "parameters": [parameter.to_json() for parameter in self.parameters],
            "channels": [channel.to_json() for channel in self.channels],
        }


def post_fit(experiment: PublishedExperiment) -> PostFit:
    """Refine the fit to the data with the signal strength >= 0, and take errors and yields from its Hessian.

    Minuit starts at the minimum that the limits use; pyhf's own backend is left as it is. Use it inside
    `numpy_backend`. `FitFailedError` if Minuit finds no minimum, or one whose Hessian is not
    positive, or if yields are not finite within the errors.
    """
    model, values = experiment.model, experiment.observed
    poi = model.config.poi_index
    at_zero = experiment.excess()[0] < _AT_ZERO
    start = experiment.best_fit(mu=0.0 if at_zero else None)
    fixed = experiment.likelihood.fixed.copy()
    fixed[poi] |= at_zero
    bounds = [tuple(pair) for pair in model.config.suggested_bounds()]
    bounds[poi] = (0.0, np.inf)
    curvature = np.diag(experiment.likelihood.information(start, values))
    # Migrad's own guess of the step would be a tenth of a value, nothing for a nuisance parameter at 0.
    steps = 1 / np.sqrt(np.where(curvature > 0, curvature, 100.0))
    minuit = _minimise(lambda theta: experiment.likelihood.twice_nll(theta, values), start, steps, fixed, bounds)
    theta = np.array(minuit.values)
    # Not minuit.errors: for parameters with bounds those are distances in its inner coordinates, off by a percent.
    covariance = np.array(minuit.covariance)
    covariance[fixed, :] = covariance[:, fixed] = 0.0
    return PostFit(
        parameters=_parameters(model, theta, np.sqrt(np.diag(covariance)), fixed, bounds),
        channels=_channels(model, values, theta, covariance),
        twice_nll=_twice_nll(model, theta, values),
        poi_at_zero=at_zero,
    )


def _minimise(
    cost: Callable[[FloatArray], float],
    start: FloatArray,
    steps: FloatArray,
    fixed: npt.NDArray[np.bool_],
    bounds: list[tuple[float, float]],
) -> Minuit:
    with np.errstate(all="ignore"):
        minuit = Minuit(cost, start)
        minuit.errordef = Minuit.LEAST_SQUARES  # of -2 ln L
        minuit.limits, minuit.fixed, minuit.tol = bounds, fixed, _TOLERANCE
        minuit.errors = steps
        for strategy in (1, 2):
            minuit.strategy = strategy
            minuit.migrad()
            if minuit.valid:
                minuit.hesse()
            if minuit.valid and minuit.accurate and np.all(np.isfinite(minuit.covariance)):
                return minuit
    raise FitFailedError("the fit of the workspace for errors after the fit did not converge in Minuit")


def _twice_nll(model: Any, theta: FloatArray, values: FloatArray) -> float:
    """-2 ln L with all its constants, as pyhf has it."""
    return float(-2 * np.ravel(model.logpdf(theta, values))[0])


def _parameters(
    model: Any,
    theta: FloatArray,
    errors: FloatArray,
    fixed: npt.NDArray[np.bool_],
    bounds: list[tuple[float, float]],
) -> tuple[FittedParameter, ...]:
    config = model.config
    gammas = {name for name, kind in config.modifiers if kind in ("staterror", "shapesys")}
    found = []
    for name in config.par_order:
        paramset, where = config.param_set(name), config.par_slice(name)
        indices = range(where.start, where.stop)
        centres: list[float | None] = [None] * len(indices)
        widths: list[float | None] = [None] * len(indices)
        if paramset.constrained:
            scale = np.asarray(paramset.factors if paramset.pdf_type == "poisson" else 1.0, dtype=np.float64)
            # A bin whose uncertainty is zero has a factor that is fixed, and a constraint without a width.
            with np.errstate(all="ignore"):
                ratio = np.asarray(paramset.auxdata) / scale
            centres, widths = list(ratio), [float(width) for width in np.ravel(paramset.width())]
        for i, centre, width in zip(indices, centres, widths, strict=True):
            constrained = centre is not None and width is not None and not fixed[i]
            kind: Kind = "gamma" if name in gammas else "constrained" if constrained else "free"
            found.append(
                FittedParameter(
                    name=name if paramset.is_scalar else f"{name}[{i - where.start}]",
                    kind="fixed" if fixed[i] else kind,
                    value=float(theta[i]),
                    error=float(errors[i]),
                    centre=float(centre) if constrained and centre is not None else None,
                    width=float(width) if constrained and width is not None else None,
                    at_bound=_near(theta[i], bounds[i]),
                )
            )
    return tuple(found)


def _near(value: float, bounds: tuple[float, float]) -> bool:
    low, high = bounds
    reach = _NEAR_BOUND * (high - low if np.isfinite(high) else 1.0)
    return bool(value - low < reach or high - value < reach)


def _channels(model: Any, values: FloatArray, theta: FloatArray, covariance: FloatArray) -> tuple[FittedChannel, ...]:
    config = model.config
    by_sample = np.asarray(model.main_model.expected_data(theta, return_by_sample=True), dtype=np.float64)
    errors = yield_errors(model, theta, covariance)
    present = {channel["name"]: {s["name"] for s in channel["samples"]} for channel in model.spec["channels"]}
    return tuple(
        FittedChannel(
            name=name,
            observed=values[where],
            samples={s: by_sample[i, where] for i, s in enumerate(config.samples) if s in present[name]},
            errors=errors[where],
        )
        for name, where in config.channel_slices.items()
    )


def yield_errors(model: Any, theta: FloatArray, covariance: FloatArray) -> FloatArray:
    """Errors of the total yields: the covariance with differences over one error up and down, as cabinetry does."""
    errors = np.sqrt(np.diag(covariance))
    moved = np.flatnonzero(errors > 0)
    slopes = np.zeros((len(np.asarray(model.expected_actualdata(theta))), len(moved)))
    for column, i in enumerate(moved):
        step = np.zeros_like(theta)
        step[i] = errors[i]
        up, down = (np.asarray(model.expected_actualdata(theta + sign * step)) for sign in (1, -1))
        slopes[:, column] = (up - down) / 2
    correlation = covariance[np.ix_(moved, moved)] / np.outer(errors[moved], errors[moved])
    if not np.all(np.isfinite(slopes)):
        raise FitFailedError("the yields of the workspace are not finite within the errors of its parameters")
    variances = np.einsum("bi,ij,bj->b", slopes, correlation, slopes)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)), dtype=np.float64)
