"""A plane of two numbers of events, in which background and signals are: contours of the one, the line between both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.nn.scorer import State

__all__ = ["Plane"]

_Floats = npt.NDArray[np.float64]

_MOST = 1500
"""Events of background that the contours are made of."""
_BLOCK = 2048
_DEGREES = 3.0
"""Of freedom of the kernels, Student's: far from all events there is still a slope, as Gaussian ones would not have."""
_TINY = 1e-9


@dataclass(frozen=True)
class Plane:
    """`middle` and `scale` (2,) make the numbers of background of order one; `line` (2,) points from there to signals,
    `points` (m, 2) are events of background, scaled, and `weight` (m,) theirs.
    """

    middle: _Floats
    scale: _Floats
    line: _Floats
    points: _Floats
    weight: _Floats

    @classmethod
    def of(cls, background: tuple[_Floats, _Floats], signal: tuple[_Floats, _Floats]) -> Plane:
        """Of points (n, 2) and their weights (n,): the line is Fisher's, both covariances counting alike."""
        (points, weight), (others, of_others) = background, signal
        middle = np.average(points, axis=0, weights=weight)
        scale = np.sqrt(np.average(np.square(points - middle), axis=0, weights=weight)).clip(_TINY)
        own, other = (points - middle) / scale, (others - middle) / scale
        covariance = _covariance(own, weight) + _covariance(other, of_others) + _TINY * np.eye(2)
        line = np.linalg.solve(covariance, np.average(other, axis=0, weights=of_others))
        every = slice(None, None, -(-len(own) // _MOST))
        kept = weight[every]
        unit = np.asarray(line / max(float(np.hypot(*line)), _TINY), dtype=np.float64)
        return cls(middle, scale, unit, own[every], kept / kept.sum())

    def along(self, points: _Floats) -> _Floats:
        """How far points (n, 2) are along the line, in units of background's width; (n,)."""
        x, y = self._scaled(points)
        return np.asarray(self.line[0] * x + self.line[1] * y)

    def contour(self, points: _Floats) -> _Floats:
        """Minus the logarithm of background's density at points (n, 2), above that where it is densest; (n,).

        On the side of the line that is away from the signals it is taken negative.
        """
        depth = self._depth(points) - self._densest
        return np.asarray(np.copysign(np.maximum(depth, 0), self.along(points)))

    @cached_property
    def _densest(self) -> float:
        return float(self._depth(self.points * self.scale + self.middle).min())

    def _depth(self, points: _Floats) -> _Floats:
        x, y = self._scaled(points)
        found = np.empty(len(x))
        width = len(self.points) ** (-1 / 6)  # Silverman's, in two dimensions
        # Kernels of background's own shape: what is correlated has narrow ones across.
        a, b, c = _whitener(self.points, self.weight) / width
        u, v = a * self.points[:, 0], b * self.points[:, 0] + c * self.points[:, 1]
        for start in range(0, len(x), _BLOCK):
            rows = slice(start, start + _BLOCK)
            p, q = (a * x[rows])[:, None], (b * x[rows] + c * y[rows])[:, None]
            kernels = (1 + (np.square(p - u) + np.square(q - v)) / _DEGREES) ** (-(_DEGREES + 2) / 2)
            found[rows] = -np.log((kernels * self.weight).sum(axis=1))
        return found

    def _scaled(self, points: _Floats) -> tuple[_Floats, _Floats]:
        x, y = ((points - self.middle) / self.scale).T
        return x, y

    def state(self) -> State:
        """All of it, as arrays."""
        return {name: np.array(getattr(self, name)) for name in self.__dataclass_fields__}

    @staticmethod
    def shapes(state: Mapping[str, npt.NDArray[Any]], prefix: str) -> dict[str, tuple[int, ...]]:
        """The names and shapes that the arrays of `state` must have, of those whose names begin so."""
        size = np.asarray(state.get(f"{prefix}weight", np.empty(0))).shape[:1]
        return {"middle": (2,), "scale": (2,), "line": (2,), "points": (*size, 2), "weight": size}

    @classmethod
    def restored(cls, state: Mapping[str, npt.NDArray[Any]]) -> Plane:
        """What `state` gave."""
        return cls(*(np.asarray(state[name], dtype=np.float64) for name in cls.__dataclass_fields__))


def _covariance(points: _Floats, weight: _Floats) -> _Floats:
    return np.asarray(np.cov(points.T, aweights=weight, ddof=0))


def _whitener(points: _Floats, weight: _Floats) -> _Floats:
    """Numbers a, b, c (3,) for which a x and b x + c y are uncorrelated and of width one."""
    (xx, xy), (_, yy) = _covariance(points, weight)
    width = np.sqrt(max(xx, _TINY))
    rest = np.sqrt(max(yy - xy**2 / max(xx, _TINY), _TINY))
    return np.array([1 / width, -xy / (max(xx, _TINY) * rest), 1 / rest])
