"""Quantiles of a score, and how they follow another quantity, such as the mass of an event.

Koenker, Bassett, "Regression quantiles", Econometrica 46 (1978) 33: the polynomial below which a fraction q of the
events lies at any x is that of the smallest sum of pinball losses, q max(r, 0) + (1 - q) max(-r, 0) of the residuals r.
It is found exactly, as the solution of a linear programme, the dual of which has one constraint a coefficient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from hepad.errors import FitFailedError

__all__ = ["quantile_polynomials", "weighted_quantile"]

_Floats = npt.NDArray[np.float64]

_FEW = 1000


def weighted_quantile(values: _Floats, weight: _Floats, fraction: float) -> float:
    """The lowest of the values (n,) up to which lies at least this fraction of the positive weights (n,)."""
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weight[order])
    place = int(np.searchsorted(upto, fraction * upto[-1] * (1 - 1e-12)))
    return float(values[order[min(place, len(values) - 1)]])


def quantile_polynomials(x: _Floats, y: _Floats, weight: _Floats, fractions: Sequence[float], degree: int) -> _Floats:
    """The coefficients (fractions, degree + 1), the constant first, of the quantiles of y (n,) given x (n,).

    Below each curve is the fraction of the weight, but for the events on it, as many as there are coefficients at most
    unless values are shared. x had best be between -1 and 1. `FitFailedError` if there are fewer events than that.
    """
    if len(np.unique(x)) <= degree:
        raise FitFailedError(f"{len(np.unique(x))} different values are too few for a polynomial of degree {degree}")
    powers = np.vander(x, degree + 1, increasing=True)
    middle, spread = float(np.mean(y)), float(np.std(y)) or 1.0
    # In units of the mean weight and of the spread, as the tolerances of the solver are absolute.
    events = _Events(powers, (y - middle) / spread, weight * (len(y) / weight.sum()))
    coefficients = spread * np.stack([_curve(events, fraction) for fraction in fractions])
    coefficients[:, 0] += middle
    return np.asarray(coefficients)


@dataclass(frozen=True)
class _Events:
    """Powers of x (n, coefficients), y (n,) and weights (n,)."""

    powers: _Floats
    y: _Floats
    weight: _Floats

    def take(self, rows: npt.NDArray[Any] | slice) -> _Events:
        """Some of them."""
        return _Events(self.powers[rows], self.y[rows], self.weight[rows])

    def balance(self, fraction: float) -> _Floats:
        """What the solution of the dual sums to: the powers of the weight that is to be above the curve."""
        return np.asarray((1 - fraction) * (self.powers.T @ self.weight))


def _curve(events: _Events, fraction: float) -> _Floats:
    """One curve: the events far from that of a part of them are on their side of it, which is seen to afterwards.

    After Portnoy, Koenker, Stat. Sci. 12 (1997) 279: it saves the solver most of the events.
    """
    n = len(events.y)
    if n <= _FEW:
        return _solved(events, events.balance(fraction), fraction)
    pilot = events.take(slice(None, None, -(-n // _FEW)))
    residual = events.y - events.powers @ _solved(pilot, pilot.balance(fraction), fraction)
    kept = 2 * _FEW
    while kept < n:
        near = np.abs(residual) <= np.partition(np.abs(residual), kept)[kept]
        above = ~near & (residual > 0)
        rest = events.balance(fraction) - events.powers[above].T @ events.weight[above]
        curve = _solution(events.take(near), rest)
        if curve is not None and (np.sign(events.y - events.powers @ curve) == np.sign(residual))[~near].all():
            return curve
        kept *= 2
    return _solved(events, events.balance(fraction), fraction)


def _solved(events: _Events, balance: _Floats, fraction: float) -> _Floats:
    found = _solution(events, balance)
    if found is None:
        raise FitFailedError(f"the {fraction:g} quantile of {len(events.y)} events was not found")
    return found


def _solution(events: _Events, balance: _Floats) -> _Floats | None:
    """The solution of the dual, whose multipliers are the coefficients; None if there is none."""
    bounds: Any = np.stack([np.zeros(len(events.y)), events.weight], axis=1)  # a sequence of pairs, to the types
    result = linprog(-events.y, A_eq=events.powers.T, b_eq=balance, bounds=bounds, method="highs-ds")
    return -np.asarray(result.eqlin.marginals) if result.success else None
