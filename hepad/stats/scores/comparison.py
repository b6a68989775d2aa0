"""Is one model better than another on the same events? Paired bootstrap differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Difference", "log_rejection", "paired_difference"]

Floats = npt.NDArray[np.float64]

_TWO_SIDED = (0.025, 0.15865525393145707, 0.8413447460685429, 0.975)


@dataclass(frozen=True)
class Difference:
    """A difference with its bootstrap error, its 68 % and 95 % percentile intervals and a two-sided p-value.

    `std` is None if a replica is infinite, an end of an interval is None if it is. `training_std` is the standard
    deviation of the difference of the means over trainings, None where a model was trained once.
    """

    value: float
    std: float | None
    low68: float | None
    high68: float | None
    low95: float | None
    high95: float | None
    p_value: float
    training_std: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """The difference in JSON types."""
        return dict(vars(self))


def paired_difference(
    a: Sequence[float], b: Sequence[float], drawn_a: Sequence[Floats], drawn_b: Sequence[Floats]
) -> Difference:
    """The mean over the trainings of model a minus that of model b.

    `a` and `b` hold one value a training; `drawn_a` and `drawn_b` hold its bootstrap replicas, each of shape (r,).
    Replica i of all of them must be of the same draw of events: what the models have in common then cancels, and the
    error is smaller than that of two independent samples. The p-value is twice the smaller fraction of replicas at or
    beyond zero, with one added to counts and replicas so that it is never 0 (A. C. Davison and D. V. Hinkley, Bootstrap
    Methods and their Application, 1997, chapter 4): it cannot be less than 2 / (r + 1).
    `ValueError` if the shapes differ or r < 2.
    """
    shapes = {np.shape(values) for values in (*drawn_a, *drawn_b)}
    if not a or not b or len(a) != len(drawn_a) or len(b) != len(drawn_b) or len(shapes) != 1:
        raise ValueError("a paired difference needs the replicas of every training, all of one shape")
    with np.errstate(invalid="ignore"):
        drawn = np.mean(drawn_a, axis=0) - np.mean(drawn_b, axis=0)
    if drawn.ndim != 1 or len(drawn) < 2:
        raise ValueError(f"a paired difference needs at least 2 replicas, got shape {drawn.shape}")
    drawn = np.where(np.isnan(drawn), 0.0, drawn)  # both infinite: no difference is seen
    low95, low68, high68, high95 = (_finite(np.quantile(drawn, q, method="nearest")) for q in _TWO_SIDED)
    beyond = min(np.count_nonzero(drawn <= 0), np.count_nonzero(drawn >= 0))
    return Difference(
        float(np.mean(a) - np.mean(b)),
        float(drawn.std(ddof=1)) if np.isfinite(drawn).all() else None,
        low68,
        high68,
        low95,
        high95,
        min(1.0, 2 * (float(beyond) + 1) / (len(drawn) + 1)),
        _training_std(a, b),
    )


def log_rejection(survives: npt.ArrayLike) -> Floats:
    """The natural logarithm of the rejection 1 / eps_b: -ln(eps_b), of the same shape; infinite where eps_b is 0."""
    with np.errstate(divide="ignore"):
        return -np.log(np.asarray(survives, dtype=np.float64))


def _training_std(a: Sequence[float], b: Sequence[float]) -> float | None:
    if len(a) < 2 and len(b) < 2:
        return None
    return float(np.sqrt(sum(np.var(x, ddof=1) / len(x) for x in (a, b) if len(x) > 1)))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
