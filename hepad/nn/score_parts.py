"""Scores of a reconstruction taken apart: what each number of an event adds, in double precision.

Parts have the shape of the event's numbers, (n, ...). They sum to the score, less a baseline that a perfect
reconstruction has too: 1 for `dice`, 0 for all others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.nn.score_rules import LEAST_OVERLAP, LEAST_PROBABILITY

__all__ = ["PARTS"]

_Rows = npt.NDArray[Any]
_Parts = npt.NDArray[np.float64]


def _sse(x: _Parts, y: _Parts) -> _Parts:
    return np.asarray(np.square(x - y))


def _sae(x: _Parts, y: _Parts) -> _Parts:
    return np.abs(x - y)


def _mean(rule: Callable[[_Parts, _Parts], _Parts]) -> Callable[[_Parts, _Parts], _Parts]:
    return lambda x, y: np.asarray(rule(x, y) / x[0].size)


def _sae_mask(x: _Parts, y: _Parts) -> _Parts:
    return np.asarray((x > 0) != (y > 0), dtype=np.float64)


def _bce(x: _Parts, y: _Parts) -> _Parts:
    p = np.clip(y, LEAST_PROBABILITY, 1 - LEAST_PROBABILITY)
    return np.asarray(-(x * np.log(p) + (1 - x) * np.log1p(-p)))


def _dice(x: _Parts, y: _Parts) -> _Parts:
    """(sum x^2 + sum y^2) / (2 sum x y) = 1 + sum (x - y)^2 / (2 sum x y)."""
    axes = tuple(range(1, x.ndim))
    overlap = np.maximum(2 * (x * y).sum(axis=axes, keepdims=True), LEAST_OVERLAP)
    return np.asarray(np.square(x - y) / overlap)


def _pixel_sum(x: _Parts, y: _Parts) -> _Parts:  # noqa: ARG001  all rules of a reconstruction are alike
    return np.array(y)


PARTS: dict[str, Callable[[_Parts, _Parts], _Parts]] = {
    "mse": _mean(_sse),
    "mae": _mean(_sae),
    "sse": _sse,
    "sae": _sae,
    "sae_mask": _sae_mask,
    "bce": _bce,
    "dice": _dice,
    "pixel_sum": _pixel_sum,
}
"""By the names of `hepad.nn.score_rules.RECONSTRUCTION`, of double-precision input and reconstruction."""
