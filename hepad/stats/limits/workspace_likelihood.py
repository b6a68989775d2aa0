"""The likelihood of a pyhf model relative to the saturated one, and its minimum, proved by its distance to go.

-2 ln L of a workspace grows with its counts: at 10^6 events a bin its numerical derivatives are noise, and pyhf's
minimiser reports success anywhere. Relative to the saturated model (arXiv:1007.1727's constant) it stays as large as
the number of bins, and with the Jacobian of the yields its gradient keeps its digits. pyhf computes the yields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from iminuit import Minuit
from scipy.optimize import lsq_linear, minimize
from scipy.special import xlogy

from hepad.errors import FitFailedError

__all__ = ["Bounds", "Fit", "WorkspaceLikelihood", "maximise"]

FloatArray = npt.NDArray[np.float64]
Fit = tuple[FloatArray, float]
"""Parameters (P,) and -2 ln L relative to the saturated model."""
Bounds = tuple[FloatArray, FloatArray]
"""Lower and upper ends (P,); equal ones hold a parameter."""

_STEP = 1e-5
"""Of a parameter for the differences of yields, relative to it where it is large."""
_LEAST = 1e-300
_LEAST_VARIANCE = 1e-9
_STEEP = 1e3
"""How -2 ln L grows below zero yields, where there is no likelihood: faster than an empty bin's falls."""
_CLOSE = 1e-8
"""-2 ln L above its minimum: a ten-thousandth of a standard deviation; Asimov data move with the parameters."""
_CLOSE_ENOUGH = 1e-3
"""What the other minimisers are asked for: a thirtieth of a standard deviation."""
_STEPS = 60
_UPDATES = 6
"""Uses of one Jacobian; of few parameters a new one costs no more."""
_KEPT = 8
_LITTLE = 0.03
"""Of the distance at the last Jacobian: closer than this an updated one does not know where the minimum is."""
_HALVINGS = 30


class WorkspaceLikelihood:
    """-2 ln L of a pyhf model: Poisson counts of bins and of auxiliary measurements, normal constraints.

    Constraints of parameters that are fixed are constant, and left out. `values` (bins + auxiliary,) are in pyhf's
    order.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        config = model.config
        self.fixed = np.array(config.suggested_fixed(), dtype=bool)
        self._bins = int(sum(config.channel_nbins.values()))
        poisson: list[tuple[int, int, float]] = []  # auxiliary counts: place in values, parameter, factor
        normal: list[tuple[int, int, float]] = []  # place in values, parameter, width
        at = self._bins
        for name in config.auxdata_order:
            paramset, where = config.param_set(name), config.par_slice(name)
            is_normal = paramset.pdf_type == "normal"
            scales = np.ravel(paramset.width() if is_normal else paramset.factors)
            for parameter, scale in zip(range(where.start, where.stop), scales, strict=True):
                if not self.fixed[parameter]:
                    (normal if is_normal else poisson).append((at, parameter, float(scale)))
                at += 1
        self._poisson, self._normal = _columns(poisson), _columns(normal)
        self._known: dict[bytes, FloatArray] = {}

    def expected(self, theta: FloatArray) -> FloatArray:
        """Yields (bins + Poisson constraints,); the last few are kept, as fits come back to their parameters."""
        key = theta.tobytes()
        if key not in self._known:
            while len(self._known) >= _KEPT:
                self._known.pop(next(iter(self._known)))
            self._known[key] = self._yields(theta)
        return self._known[key]

    def _yields(self, theta: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):  # interpolations overflow far from the minimum
            yields = np.asarray(self.model.main_model.expected_data(theta), dtype=np.float64)
        _, parameters, factors = self._poisson
        return np.concatenate([yields, theta[parameters] * factors])

    def twice_nll(self, theta: FloatArray, values: FloatArray) -> float:
        """-2 ln (L / L saturated); it grows steeply where a yield is negative, and is infinite where it is none."""
        counts, expected = self._counts(values), self.expected(theta)
        if not np.all(np.isfinite(expected)):
            return float("inf")
        mean = np.maximum(expected, _LEAST)
        main = mean - counts + xlogy(counts, np.where(counts > 0, counts, 1.0)) - xlogy(counts, mean)
        places, parameters, widths = self._normal
        pulls = (values[places] - theta[parameters]) / widths
        return float(2 * main.sum() + pulls @ pulls - _STEEP * np.minimum(expected, 0.0).sum())

    def jacobian(self, theta: FloatArray, moving: npt.NDArray[np.intp]) -> FloatArray:
        """Derivatives (bins + Poisson constraints, moving) of the yields: as many evaluations as parameters move."""
        expected = self.expected(theta)
        slopes = np.empty((len(expected), len(moving)))
        for column, i in enumerate(moving):
            moved = theta.copy()
            moved[i] += _STEP * max(1.0, abs(theta[i]))
            slopes[:, column] = (self._yields(moved) - expected) / (moved[i] - theta[i])
        return slopes

    def linearised(
        self, theta: FloatArray, values: FloatArray, moving: npt.NDArray[np.intp], jacobian: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Residuals (R,) in standard deviations, and minus their derivatives (R, moving)."""
        expected = self.expected(theta)
        error = np.sqrt(np.maximum(expected, _LEAST_VARIANCE))
        places, parameters, widths = self._normal
        constraints = (parameters[:, None] == moving) / widths[:, None]
        residuals = [(self._counts(values) - expected) / error, (values[places] - theta[parameters]) / widths]
        return np.concatenate(residuals), np.concatenate([jacobian / error[:, None], constraints])

    def information(self, theta: FloatArray, values: FloatArray) -> FloatArray:
        """Fisher's information (P, P), in which the observed counts do not enter."""
        every = np.arange(len(theta))
        _, slopes = self.linearised(theta, values, every, self.jacobian(theta, every))
        return np.asarray(slopes.T @ slopes, dtype=np.float64)

    def negative(self, theta: FloatArray) -> str | None:
        """Which bin has a negative yield, in words; None if there is none."""
        yields = np.asarray(self.model.expected_actualdata(theta), dtype=np.float64)
        bad = np.flatnonzero(~(yields >= -1e-9))
        return None if len(bad) == 0 else f"{yields[bad[0]]:.4g} events in {self.name_of(int(bad[0]))}"

    def name_of(self, at: int) -> str:
        """A bin in words."""
        for name, where in self.model.config.channel_slices.items():
            if where.start <= at < where.stop:
                return f"bin {at - where.start + 1} of channel {name!r}"
        raise IndexError(at)

    def _counts(self, values: FloatArray) -> FloatArray:
        return np.concatenate([values[: self._bins], values[self._poisson[0]]])


def maximise(likelihood: WorkspaceLikelihood, values: FloatArray, start: FloatArray, bounds: Bounds) -> Fit:
    """The best parameters within bounds; `FitFailedError` unless the minimum of -2 ln L is proved.

    Steps of scoring: the yields are linearised, and the step is that of least squares within the bounds. What it
    would still gain is the distance to the minimum. SLSQP and Minuit have a try where it does not end.
    """
    low, high = bounds
    theta = np.clip(start, low, high)
    theta, distance = _scoring(likelihood, values, theta, bounds, _STEPS)
    if not distance <= _CLOSE:
        for other in (_slsqp, _minuit):
            again = other(likelihood, values, theta, bounds)
            if likelihood.twice_nll(again, values) <= likelihood.twice_nll(theta, values):
                theta, distance = _scoring(likelihood, values, again, bounds, 5)
            if distance <= _CLOSE_ENOUGH:
                break
        else:
            raise FitFailedError(f"-2 ln L is still {distance:.2g} above its minimum after three minimisers")
    return theta, likelihood.twice_nll(theta, values)


def _scoring(
    likelihood: WorkspaceLikelihood, values: FloatArray, theta: FloatArray, bounds: Bounds, steps: int
) -> tuple[FloatArray, float]:
    """Parameters (P,) after at most so many Jacobians, and by how much -2 ln L was above its minimum at the last.

    Between them the Jacobian is updated by Broyden's rule (Math. Comp. 19 (1965) 577) instead of P evaluations, as
    long as that brings -2 ln L down much; what ends the search is always a new one.
    """
    moving = np.flatnonzero(bounds[1] > bounds[0])
    distance = 0.0
    for _ in range(steps if len(moving) else 0):
        jacobian, distance = likelihood.jacobian(theta, moving), float("inf")
        for update in range(min(_UPDATES, 1 + len(moving) // 4)):
            residuals, slopes = likelihood.linearised(theta, values, moving, jacobian)
            if not (np.all(np.isfinite(residuals)) and np.all(np.isfinite(slopes))):
                return theta, distance
            step = _least_squares(slopes, residuals, *(end[moving] - theta[moving] for end in bounds))
            # The gain of the linearised problem is that of -2 ln L to second order.
            gain = float(residuals @ residuals - np.sum((residuals - slopes @ step) ** 2))
            distance = gain if update == 0 else distance
            if gain <= max(_CLOSE, 0.0 if update == 0 else _LITTLE * distance):
                break
            trial = _lower(likelihood, values, theta, _put(theta, moving, step, bounds) - theta)
            if trial is None:
                break
            _update(jacobian, likelihood.expected(trial) - likelihood.expected(theta), (trial - theta)[moving], slopes)
            theta = trial
        if update == 0:
            break
    return theta, distance


def _lower(
    likelihood: WorkspaceLikelihood, values: FloatArray, theta: FloatArray, step: FloatArray
) -> FloatArray | None:
    """Parameters (P,) along the step (P,) where -2 ln L is lower than at theta, None if there are none."""
    here = likelihood.twice_nll(theta, values)
    trials = (theta + step / 2**halving for halving in range(_HALVINGS))
    return next((trial for trial in trials if likelihood.twice_nll(trial, values) < here), None)


def _update(jacobian: FloatArray, change: FloatArray, step: FloatArray, slopes: FloatArray) -> None:
    """Let the Jacobian give the change of yields that the step made; parameters count in standard deviations."""
    metric = np.einsum("ri,ri->i", slopes, slopes) * step
    length = float(metric @ step)
    if length > 0:
        jacobian += np.outer(change - jacobian @ step, metric / length)


def _least_squares(slopes: FloatArray, residuals: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The step (moving,) within low and high that makes residuals - slopes @ step smallest."""
    scale = np.sqrt(np.einsum("ri,ri->i", slopes, slopes))
    scale[scale == 0] = 1.0  # such a parameter changes nothing: its step is 0
    step = np.linalg.lstsq(slopes / scale, residuals, rcond=1e-10)[0]
    if np.any(step < low * scale) or np.any(step > high * scale):
        step = lsq_linear(slopes / scale, residuals, (low * scale, high * scale), method="bvls").x
    return np.asarray(step / scale, dtype=np.float64)


def _slsqp(likelihood: WorkspaceLikelihood, values: FloatArray, theta: FloatArray, bounds: Bounds) -> FloatArray:
    cost, scale, moving, ends = _scaled(likelihood, values, theta, bounds)
    found = minimize(cost, np.zeros(len(moving)), method="SLSQP", bounds=ends, options={"maxiter": 300, "ftol": 1e-9})
    return _put(theta, moving, scale * found.x, bounds)


def _minuit(likelihood: WorkspaceLikelihood, values: FloatArray, theta: FloatArray, bounds: Bounds) -> FloatArray:
    cost, scale, moving, ends = _scaled(likelihood, values, theta, bounds)
    minuit = Minuit(cost, np.zeros(len(moving)))
    minuit.errordef, minuit.limits, minuit.errors, minuit.strategy = Minuit.LEAST_SQUARES, ends, 0.5, 2
    minuit.migrad()
    return _put(theta, moving, scale * np.array(minuit.values), bounds)


def _scaled(
    likelihood: WorkspaceLikelihood, values: FloatArray, theta: FloatArray, bounds: Bounds
) -> tuple[Callable[[FloatArray], float], FloatArray, npt.NDArray[np.intp], list[tuple[float, float]]]:
    """-2 ln L of steps in standard deviations, these, which parameters they move, and their ends."""
    low, high = bounds
    moving = np.flatnonzero(high > low)
    curvature = np.diag(likelihood.information(theta, values))[moving]
    scale = np.where(curvature > 0, 1 / np.sqrt(np.where(curvature > 0, curvature, 1.0)), 1.0)

    def cost(steps: FloatArray) -> float:
        value = likelihood.twice_nll(_put(theta, moving, scale * np.asarray(steps), bounds), values)
        return value if np.isfinite(value) else 1e12

    ends = np.stack([low[moving] - theta[moving], high[moving] - theta[moving]], axis=1) / scale[:, None]
    return cost, scale, moving, [(float(a), float(b)) for a, b in ends]


def _put(theta: FloatArray, moving: npt.NDArray[np.intp], steps: FloatArray, bounds: Bounds) -> FloatArray:
    moved = theta.copy()
    moved[moving] += np.where(np.isfinite(steps), steps, 0.0)
    return np.asarray(np.clip(moved, *bounds), dtype=np.float64)


def _columns(rows: list[tuple[int, int, float]]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    places, parameters, scales = zip(*rows, strict=True) if rows else ((), (), ())
    return np.array(places, dtype=np.intp), np.array(parameters, dtype=np.intp), np.array(scales, dtype=np.float64)
