"""How often background alone gives an excess as large: q0 (arXiv:1007.1727), asymptotic or with toys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from hepad.stats.cls import Experiment
from hepad.stats.poisson import significance

__all__ = ["Excess", "format_p", "local_excess", "p_json"]

_LN10 = float(np.log(10.0))


@dataclass(frozen=True)
class Excess:
    """The test statistic `q0`, the best signal strength `mu` >= 0, and the natural logarithm of the p-value `log_p`.

    A deficit has mu = 0, q0 = 0 and, by the convention of collaborations, p = 0.5. `toys` is the number of
    pseudo-experiments behind p, 0 for the asymptotic formula; `p_error` their binomial error.
    """

    q0: float
    mu: float
    log_p: float
    toys: int = 0
    p_error: float | None = None

    @property
    def p_value(self) -> float:
        """The p-value; never 0, `log_p` is exact where it underflows."""
        return max(float(np.exp(self.log_p)), sys.float_info.min)

    @property
    def z(self) -> float:
        """One-sided Gaussian significance, 0 for a deficit."""
        return max(significance(self.log_p) or 0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**p_json("p0", self.log_p), "z": self.z, "q0": self.q0, "mu": self.mu} | (
            {"p0_error": self.p_error, "p0_toys": self.toys} if self.toys else {}
        )


def local_excess(experiment: Experiment, *, toys: int = 0, seed: int = 0) -> Excess:
    """The excess in the observed counts; with `toys` p is (k+1)/(n+1) for k of n that are at least as large.

    p is at most 0.5 as q0 is 0 for every deficit. `FitFailedError` if a fit fails.
    """
    q0, mu = experiment.excess()
    q0 = q0 if mu > 0 else 0.0
    strength = mu * experiment.scale
    if toys == 0:
        return Excess(q0, strength, float(log_ndtr(-np.sqrt(q0))))
    thrown, _ = experiment.throw_excess(toys=toys, seed=seed)
    n = len(thrown)
    # Toys with equal counts have equal statistics up to rounding: they count as reached.
    reached = int(np.count_nonzero(thrown >= q0 - 1e-6 * (1 + q0)))
    p = (reached + 1) / (n + 1)
    return Excess(q0, strength, float(np.log(min(p, 0.5))), n, float(np.sqrt(p * (1 - min(p, 1.0)) / n)))


def p_json(name: str, log_p: float) -> dict[str, float]:
    """A p-value that is never 0, and its decadic logarithm, which is exact where the former underflows."""
    return {name: max(float(np.exp(log_p)), sys.float_info.min), f"log10_{name}": log_p / _LN10}


def format_p(log_p: float) -> str:
    """A p-value for people: a power of ten where it underflows, never 0."""
    return f"{np.exp(log_p):.4g}" if log_p > -700 else f"10^{log_p / _LN10:.1f}"
