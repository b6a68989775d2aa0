"""Acceptances of weighted events with their errors, and what a shifted threshold does to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from scipy.special import betaincinv

__all__ = ["Acceptance", "Sums", "clopper_pearson", "generated_sums", "weighted_acceptance"]

ONE_SIGMA = 0.6826894921370859
"""Content of the central interval of one standard deviation."""


@dataclass(frozen=True)
class Sums:
    """Events and the sums of their weights and squared weights."""

    events: int
    weight: float
    weight2: float

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.events + other.events, self.weight + other.weight, self.weight2 + other.weight2)


@dataclass(frozen=True)
class Acceptance:
    """A fraction of weighted events, `error` its statistical standard deviation, `low` and `high` its 68.3 % interval.

    `upper_95` is the one-sided upper bound at 95 % CL, the answer where nothing passes. `model_error` is the largest
    change of the value when the threshold moves by its own uncertainty, None where that is not known. The value may
    leave [0, 1] if weights are negative, the interval never does.
    """

    value: float
    error: float
    low: float
    high: float
    upper_95: float
    events: int
    model_error: float | None = None

    def to_json(self) -> dict[str, Any]:
        """All numbers, in JSON types."""
        return dict(vars(self))


def weighted_acceptance(passed: Sums, total: Sums, *, model_error: float | None = None) -> Acceptance:
    """The weighted fraction a = W_p / W of events that pass, among `total`, which holds those that pass.

    To first order its variance is ((1-a)^2 sum_p w^2 + a^2 sum_f w^2) / W^2, with p the events that pass and f those
    that do not, whatever the signs of the weights: the error of a ratio of correlated sums, which ROOT's
    TH1::Divide with option "B" computes, and for equal weights the binomial a(1-a)/n. The interval is that of
    Clopper and Pearson (Biometrika 26 (1934) 404) for the effective number of events W^2 / sum w^2 (R. D. Cousins,
    K. E. Hymes and J. Tucker, arXiv:0905.3831, compare it with others). Where the first-order error vanishes, at
    a = 0 and 1, `error` is the length of that interval. `ValueError` if the weights of all events do not sum to more
    than zero.
    """
    if not (math.isfinite(total.weight) and total.weight > 0 and total.weight2 > 0):
        raise ValueError(f"the weights of all events sum to {total.weight:g}: there is no fraction of them")
    value = passed.weight / total.weight
    failed = max(total.weight2 - passed.weight2, 0.0)
    error = math.sqrt((1 - value) ** 2 * passed.weight2 + value**2 * failed) / total.weight
    effective = total.weight**2 / total.weight2
    count = min(max(value, 0.0), 1.0) * effective
    low, high = clopper_pearson(count, effective)
    if passed.events in {0, total.events}:
        error = max(error, high - low)
    upper = clopper_pearson(count, effective, content=0.90)[1]  # its upper tail holds 5 %
    return Acceptance(value, error, low, high, upper, passed.events, model_error)


def clopper_pearson(passed: float, total: float, *, content: float = ONE_SIGMA) -> tuple[float, float]:
    """The central interval of a fraction from `passed` of `total` events, numbers that need not be whole.

    For whole numbers it covers the true fraction with at least the given probability.
    """
    tail = (1 - content) / 2
    failed = total - passed
    low = 0.0 if passed <= 0 else float(betaincinv(passed, failed + 1, tail))
    high = 1.0 if failed <= 0 else float(betaincinv(passed + 1, failed, 1 - tail))
    return low, high


def generated_sums(read: Sums, events: int | None, weight: float | None) -> Sums:
    """The sums over all generated events, of which `read` are those that are in the files.

    `events` and `weight` are what the files say was generated, for files that hold only some of it; None where they
    do not say. What is not known of the missing events is taken to be as in those that are there, per event.
    """
    if weight is not None and read.weight > 0:
        scale = weight / read.weight
    elif events is not None and read.events > 0:
        scale = events / read.events
    else:
        return read
    count = round(read.events * scale) if events is None else events
    return Sums(count, read.weight * scale, read.weight2 * scale)
