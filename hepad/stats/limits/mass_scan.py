"""An excess at any mass: the local p-value against the mass, and what so many looks make of the smallest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import log_ndtr

from hepad.errors import FitFailedError, UsageError
from hepad.stats.counts.poisson import significance
from hepad.stats.limits.discovery import p_json
from hepad.stats.limits.resonance import ResonanceModel

__all__ = ["GlobalExcess", "global_excess", "gross_vitells", "upcrossings"]

FloatArray = npt.NDArray[np.float64]

_LEVEL = 0.5
"""q0 of which upcrossings are counted: low, so that there are many (EPJC 70 (2010) 525, arXiv:1005.1891)."""


@dataclass(frozen=True)
class GlobalExcess:
    """The global p-value of the largest q0 of a scan, after Gross and Vitells (arXiv:1005.1891).

    `upcrossings` is the mean number of times that a scan of background alone crosses q0 = 0.5 upwards, with its
    `upcrossings_error`, counted in `toys` pseudo-experiments of which `failed` were left out. `log_p` is the natural
    logarithm of the global p. `direct_p`, (k+1)/(n+1) for the k toys with a largest q0 as large, is the check; it is an
    upper bound if there is none.
    """

    q0: float
    upcrossings: float
    upcrossings_error: float
    log_p: float
    direct_p: float
    toys: int
    failed: int

    @property
    def direct_is_bound(self) -> bool:
        """Whether no toy has a q0 as large."""
        return self.direct_p <= 1 / (self.toys + 1)

    @property
    def z(self) -> float:
        """One-sided Gaussian significance, 0 if the p-value is above one half."""
        return max(significance(self.log_p) or 0.0, 0.0)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "method": "Gross-Vitells, arXiv:1005.1891",
            **p_json("p", self.log_p),
            "z": self.z,
            "q0": self.q0,
            "upcrossings": self.upcrossings,
            "upcrossings_error": self.upcrossings_error,
            "level": _LEVEL,
            "direct_p": self.direct_p,
            "direct_p_is_bound": self.direct_is_bound,
            "toys": self.toys,
            "failed_toys": self.failed,
        }


def global_excess(
    models: Sequence[ResonanceModel],
    largest: float,
    *,
    toys: int,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> GlobalExcess:
    """The global p-value of the `largest` q0 of a scan over models that differ in their signal, in rising mass.

    The same `toys` pseudo-experiments of background alone are fitted with each signal. `progress` is told each model
    done. `FitFailedError` if no toy can be fitted everywhere.
    """
    if toys < 1:
        raise UsageError(f"a global p-value needs pseudo-experiments, found {toys}")
    rng = np.random.default_rng(seed)
    counts, aux = models[0].throw_background(toys, rng)
    scans = np.zeros((toys, len(models)))
    good = np.ones(toys, dtype=np.bool_)
    start = None
    for i, model in enumerate(models):
        scans[:, i], converged, start = model.q_zero_of(counts, aux, start)
        good &= converged
        if progress is not None:
            progress(i)
    if not good.any():
        raise FitFailedError(f"none of the {toys} pseudo-experiments could be fitted at every mass")
    kept = scans[good]
    crossings = upcrossings(kept, _LEVEL)
    mean = float(crossings.mean())
    reached = int(np.count_nonzero(kept.max(axis=1) >= largest))
    return GlobalExcess(
        q0=largest,
        upcrossings=mean,
        upcrossings_error=float(np.sqrt(max(mean, 1 / len(kept)) / len(kept))),
        log_p=gross_vitells(largest, mean),
        direct_p=(reached + 1) / (len(kept) + 1),
        toys=len(kept),
        failed=toys - len(kept),
    )


def upcrossings(scans: FloatArray, level: float) -> FloatArray:
    """How often each scan (T, m) crosses the level upwards, (T,)."""
    return np.asarray(np.sum((scans[:, :-1] <= level) & (scans[:, 1:] > level), axis=1), dtype=np.float64)


def gross_vitells(q0: float, mean_upcrossings: float, *, level: float = _LEVEL) -> float:
    """ln of the global p-value of q0, given the mean number of upcrossings of the `level`; at most 0.

    p = p_local(q0) + <N(level)> exp(-(q0 - level) / 2), equations 3 and 4 of arXiv:1005.1891 for one degree of
    freedom, with the half chi-square of a signal that is not negative.
    """
    local = float(log_ndtr(-np.sqrt(q0)))
    with np.errstate(divide="ignore"):
        trials = float(np.log(mean_upcrossings)) - (q0 - level) / 2
    return min(float(np.logaddexp(local, trials)), 0.0)
