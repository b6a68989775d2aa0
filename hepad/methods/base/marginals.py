"""Numbers of any shape to normal ones, each by itself, and back: what a flow learns is then how they hang together.

The cumulative distribution of a sample is followed by the normal quantile. Values that many events share, such as
multiplicities or a mass of zero, are spread over their part of it, so that what comes back has them as often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import State

__all__ = ["Marginals", "noise_of"]

_KNOTS = 400
_DEEPEST = 4.5
"""Knots are as dense in the normal number as in the probability, up to so many standard deviations."""
_SHARED = 10
"""Numbers of which so many events have each value, on the average, are counts."""
_LEAST = 1e-9
"""The probability of what is beyond all that was seen: 6 standard deviations."""

Array = npt.NDArray[np.float64]
_NAMES = ("value", "below", "upto")


@dataclass(frozen=True)
class Marginals:
    """For each of d numbers the values of its knots, rising, and the probability below and up to each: (d, knots) all.

    Probability rises linearly between knots. A row that has fewer repeats its last.
    """

    value: Array
    below: Array
    upto: Array

    @classmethod
    def of(cls, x: npt.NDArray[Any], weight: Array) -> Marginals:
        """Those of n > 0 events x (n, d) of positive weight."""
        columns = [_knots(np.asarray(column, dtype=np.float64), weight) for column in x.T]
        most = max(len(column[0]) for column in columns)
        padded = [[np.pad(part, (0, most - len(part)), mode="edge") for part in column] for column in columns]
        return cls(*(np.array(part) for part in zip(*padded, strict=True)))

    def normal(self, x: npt.NDArray[Any], noise: Array) -> Array:
        """The normal numbers (n, d) of x; of those of a shared value `noise` (n, d), within 0 and 1, chooses one."""
        found = np.empty(x.shape)
        for place, (value, below, upto) in enumerate(zip(self.value, self.below, self.upto, strict=True)):
            column = np.asarray(x[:, place], dtype=np.float64)
            knot = np.searchsorted(value, column).clip(max=len(value) - 1)
            shared = below[knot] + noise[:, place] * (upto[knot] - below[knot])
            between = np.interp(column, value.repeat(2), _both(below, upto))
            found[:, place] = np.where(value[knot] == column, shared, between)
        return np.asarray(ndtri(found.clip(_LEAST, 1 - _LEAST)))

    def values(self, z: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """The x (n, d) of normal numbers."""
        found = np.empty(z.shape, dtype=np.float32)
        for place, (value, below, upto) in enumerate(zip(self.value, self.below, self.upto, strict=True)):
            probability = ndtr(np.asarray(z[:, place], dtype=np.float64))
            found[:, place] = np.interp(probability, _both(below, upto), value.repeat(2))
        return found

    def state(self) -> State:
        """The knots."""
        return {name: np.array(getattr(self, name)) for name in _NAMES}

    @classmethod
    def restored(cls, state: Mapping[str, npt.NDArray[Any]], size: int, origin: str) -> Marginals:
        """What `state` gave of `size` numbers; `CardError` that names what does not fit."""
        knots = np.asarray(state.get("value", np.empty(0))).shape[-1:]
        check_arrays(dict.fromkeys(_NAMES, (size, *knots)), state, origin)
        return cls(*(np.asarray(state[name], dtype=np.float64) for name in _NAMES))


def noise_of(*columns: npt.NDArray[Any]) -> Array:
    """Numbers within 0 and 1, as many of an event as it has `columns`, that follow from all of them by their bits.

    Equal events have equal numbers, whatever is around them; the least change of one makes them others. The columns
    (n,) may be of any kind that float64 holds.
    """
    bits = [np.ascontiguousarray(column, dtype=np.float64).view(np.uint64) for column in columns]
    state = np.zeros(len(bits[0]), dtype=np.uint64)
    for column in bits:
        state = _mixed(state ^ column)
    found = np.empty((len(state), len(bits)))
    for place in range(len(bits)):
        state = _mixed(state)
        found[:, place] = (state >> np.uint64(11)) + 0.5
    return np.asarray(found * 2.0**-53)


def _mixed(state: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """A step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014)."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed


def _both(below: Array, upto: Array) -> Array:
    return np.maximum.accumulate(np.stack([below, upto], axis=1).ravel())  # not even rounding makes it fall


def _knots(column: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Some of the values of a sample, and the probability below and up to each; of what only one event has the middle.

    Unless each is shared by many on the whole: there is nothing between counts.
    """
    value, place, count = np.unique(column, return_inverse=True, return_counts=True)
    share = np.bincount(place, weights=weight / weight.sum())
    upto = np.cumsum(share)
    middle = upto - share / 2
    wanted = np.concatenate([np.linspace(0, 1, _KNOTS), ndtr(np.linspace(-_DEEPEST, _DEEPEST, _KNOTS))])
    places = (np.searchsorted(middle, wanted).clip(max=len(value) - 1), np.flatnonzero(share > 1 / _KNOTS), [0, -1])
    kept = np.unique(np.arange(len(value))[np.concatenate(places)])
    # A value that two events of many have by chance is no more a value of its own than others.
    own = (count > 1) & ((share > 1 / _KNOTS) | (len(kept) == len(value)))
    own |= _SHARED * len(value) <= len(column) and len(kept) == len(value)
    spread = np.where(own, share / 2, 0.0)
    return value[kept], (middle - spread)[kept], (middle + spread)[kept]
