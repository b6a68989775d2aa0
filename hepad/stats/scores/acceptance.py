"""Acceptances of weighted events with their errors, and what a shifted threshold does to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

__all__ = ["Acceptance", "Sums", "clopper_pearson", "generated_sums", "weighted_acceptance"]

ONE_SIGMA = 0.6826894921370859
"""Content of the central interval of one standard deviation."""


@dataclass(frozen=True)
class Sums:
    """Events, the sums of their weights and squared weights, and the size of the sum of the negative weights.

    `negative` is None where it is not known; then intervals hold whether the weights differ in size or in sign.
    """

    events: int
    weight: float
    weight2: float
    negative: float | None = None

    def __add__(self, other: Sums) -> Sums:
        known = None if self.negative is None or other.negative is None else self.negative + other.negative
        return Sums(self.events + other.events, self.weight + other.weight, self.weight2 + other.weight2, known)

    def __sub__(self, part: Sums) -> Sums:
        """The sums without those of a part, none below zero by rounding but the weight."""
        known = None if self.negative is None or part.negative is None else max(self.negative - part.negative, 0.0)
        weight2 = max(self.weight2 - part.weight2, 0.0)
        return Sums(max(self.events - part.events, 0), self.weight - part.weight, weight2, known)

    def scaled(self, events: int, scale: float) -> Sums:
        """As many events as said, their sums scaled."""
        known = None if self.negative is None else self.negative * scale
        return Sums(events, self.weight * scale, self.weight2 * scale, known)


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
    TH1::Divide with option "B" computes, and for equal weights the binomial a(1-a)/n. Where it vanishes, at a = 0 and
    1, `error` is the length of the interval. `ValueError` if the weights of all events do not sum to more than zero.

    The interval is that of Clopper and Pearson (Biometrika 26 (1934) 404) for the effective numbers n_p and n_f of
    the events that pass and that fail, each a Poisson number of weight w = sum w^2 / sum |w| (G. Bohm and G. Zech,
    arXiv:1309.1287): given n_p + n_f, n_p is binomial with pi = p w_f / (p w_f + (1-p) w_p), p the fraction wanted. It
    is exact where all that pass have one weight and all that fail another. Negative weights change the scale of the
    interval to that of `error`. What it cannot know is that heavier events than those that passed could have passed;
    where none has, they are taken to weigh as all do.
    """
    if not (math.isfinite(total.weight) and total.weight > 0 and total.weight2 > 0):
        raise ValueError(f"the weights of all events sum to {total.weight:g}: there is no fraction of them")
    failed = total - passed
    value = passed.weight / total.weight
    error = math.sqrt(_variance(value, passed, failed)) / total.weight
    low, high = _interval(passed, failed, ONE_SIGMA)
    if passed.events in {0, total.events}:
        error = max(error, high - low)
    upper = _interval(passed, failed, 0.90)[1]  # its upper tail holds 5 %
    return Acceptance(value, error, low, high, upper, passed.events, model_error)


def _interval(passed: Sums, failed: Sums, content: float) -> tuple[float, float]:
    """The central interval of the fraction that passes, within 0 and 1; of both readings if signs are not known."""
    if passed.negative is not None and failed.negative is not None:
        readings = [(passed.weight + 2 * passed.negative, failed.weight + 2 * failed.negative)]
    else:
        readings = [
            (abs(passed.weight), abs(failed.weight)),
            (math.sqrt(passed.events * passed.weight2), math.sqrt(failed.events * failed.weight2)),
        ]
    ends = [_interval_of(passed, failed, absolute, content) for absolute in readings]
    return max(min(low for low, _ in ends), 0.0), min(max(high for _, high in ends), 1.0)


def _interval_of(passed: Sums, failed: Sums, absolute: tuple[float, float], content: float) -> tuple[float, float]:
    """The ends for sums of absolute weights of those that pass and fail; they may leave [0, 1]."""
    parts, weight, whole = (passed, failed), passed.weight + failed.weight, sum(absolute)
    n_p, n_f = (a**2 / s.weight2 if s.events and s.weight2 > 0 else 0.0 for a, s in zip(absolute, parts, strict=True))
    mean = (passed.weight2 + failed.weight2) / whole
    w_p, w_f = (a / n if n > 0 else mean for a, n in zip(absolute, (n_p, n_f), strict=True))
    ends = [w_p * p / (w_p * p + w_f * (1 - p)) for p in clopper_pearson(n_p, n_p + n_f, content=content)]
    # So far all weights counted with their size: their signs move the value, and scale what is around it.
    value, unsigned, scale = passed.weight / weight, absolute[0] / whole, whole / weight
    if (variance := _variance(unsigned, passed, failed)) > 0:
        scale *= math.sqrt(_variance(value, passed, failed) / variance)
    value = min(max(value, 0.0), 1.0)
    return value + scale * (ends[0] - unsigned), value + scale * (ends[1] - unsigned)


def _variance(value: float, passed: Sums, failed: Sums) -> float:
    """The first-order variance of a fraction, times the squared sum of weights."""
    return (1 - value) ** 2 * passed.weight2 + value**2 * failed.weight2


def clopper_pearson(passed: float, total: float, *, content: float = ONE_SIGMA) -> tuple[float, float]:
    """The central interval of a fraction from `passed` of `total` events, numbers that need not be whole.

    For whole numbers it covers the true fraction with at least the given probability.
    """
    from scipy.special import betaincinv

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
    return read.scaled(count, scale)
