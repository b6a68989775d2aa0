"""How often background alone gives an excess as large: q0 (arXiv:1007.1727), asymptotic or with toys."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import log_ndtr

from hepad.stats.counts.poisson import significance
from hepad.stats.limits.cls import LimitResult
from hepad.stats.limits.pseudo import ToyExperiment

__all__ = ["Excess", "format_p", "local_excess", "p_json"]

_LN10 = float(np.log(10.0))
_HALF = float(np.log(0.5))


@dataclass(frozen=True)
class Excess:
    """The test statistic `q0`, the best signal strength `mu` >= 0, and the natural logarithm of the p-value `log_p`.

    A deficit has mu = 0, q0 = 0 and, by the convention of collaborations, p = 0.5. `toys` is the number of
    pseudo-experiments, per hypothesis, behind p, 0 for formulae and exact sums; `p_error` is their statistical error.
    `bound` says that p is an upper bound, as no toy was as far out.
    """

    q0: float
    mu: float
    log_p: float
    toys: int = 0
    p_error: float | None = None
    bound: bool = False

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
            {"p0_error": self.p_error, "p0_toys": self.toys, "p0_is_bound": self.bound} if self.toys else {}
        )

    def words(self) -> tuple[str, str]:
        """p and Z for people, with "<" and ">" where they are bounds."""
        return f"{'<' * self.bound}{format_p(self.log_p)}", f"{'>' * self.bound}{self.z:.2f}"


def local_excess(experiment: ToyExperiment, like: LimitResult | None = None, *, seed: int = 0) -> Excess:
    """The excess in the observed counts, calculated as a limit was, by the asymptotic formula if None.

    p is at most 0.5 as q0 is 0 for every deficit. Toys are thrown with the signal that fits the data best, too, and
    weighed (`pseudo`): p has an error, but no end at one over their number. `FitFailedError` if a fit fails.
    """
    q0, mu = experiment.excess()
    q0 = q0 if mu > 0 else 0.0
    strength = mu * experiment.scale
    if like is not None and like.calculator == "exact" and experiment.sums is not None:
        return Excess(q0, strength, min(experiment.sums.q_zero().log_tail(q0), _HALF))
    if like is None or like.toys == 0:
        return Excess(q0, strength, float(log_ndtr(-np.sqrt(q0))))
    if q0 <= 0:
        return Excess(q0, strength, _HALF, like.toys)
    p, error = experiment.throw_excess(toys=like.toys, seed=seed).tail(q0)
    if np.isnan(p):
        return Excess(q0, strength, float(np.log(1 / (like.toys + 1))), like.toys, bound=True)
    return Excess(q0, strength, min(float(np.log(p)), _HALF), like.toys, error)


def p_json(name: str, log_p: float) -> dict[str, float]:
    """A p-value that is never 0, and its decadic logarithm, which is exact where the former underflows."""
    return {name: max(float(np.exp(log_p)), sys.float_info.min), f"log10_{name}": log_p / _LN10}


def format_p(log_p: float) -> str:
    """A p-value for people: a power of ten where it underflows, never 0."""
    return f"{np.exp(log_p):.4g}" if log_p > -700 else f"10^{log_p / _LN10:.1f}"
