"""Smooth background functions of a mass: log-linear families and their integrals over bins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hepad.cards.fit import FitCard
from hepad.errors import InputDataError

__all__ = ["BackgroundFunction", "quadrature"]

FloatArray = npt.NDArray[np.float64]

_NODES = 5
"""Gauss-Legendre nodes per bin: exact to better than 1e-9 for bins of a tenth of the mass."""


def _dijet(x: FloatArray, n: int) -> list[FloatArray]:
    log_x = np.log(x)
    return [np.ones_like(x), np.log1p(-x), *(log_x**power for power in range(1, n - 1))]


def _dijet_root(x: FloatArray, n: int) -> list[FloatArray]:
    return [*_dijet(x, n - 1), np.log(x) / np.sqrt(x)]


def _ua2(x: FloatArray, n: int) -> list[FloatArray]:
    return [np.ones_like(x), np.log(x), *(x**power for power in range(1, n - 1))]


def _moddijet(x: FloatArray, n: int) -> list[FloatArray]:
    return [np.ones_like(x), np.log1p(-np.cbrt(x)), *(np.log(x) ** power for power in range(1, n - 1))]


def _power(x: FloatArray, n: int) -> list[FloatArray]:
    return [np.ones_like(x), *(np.log(x) ** power for power in range(1, n))]


def _exponential(x: FloatArray, n: int) -> list[FloatArray]:
    return [np.ones_like(x), *(x**power for power in range(1, n))]


_FAMILIES: dict[str, Callable[[FloatArray, int], list[FloatArray]]] = {
    "dijet": _dijet,
    "dijet_root": _dijet_root,
    "moddijet": _moddijet,
    "ua2": _ua2,
    "power": _power,
    "exponential": _exponential,
}


@dataclass(frozen=True)
class BackgroundFunction:
    """A density of events per GeV whose logarithm is linear in its parameters.

    With x = m / sqrt_s (both in GeV), `dijet` is p1 (1-x)^p2 x^(p3 + p4 ln x + p5 ln^2 x + ...), the function of
    arXiv:1910.08447; `dijet_root` is p1 (1-x)^p2 x^(p3 + p4 ln x + p5/sqrt(x)), the alternative of arXiv:2307.01612;
    `moddijet` is p1 (1-x^(1/3))^p2 x^(p3 + p4 ln x + ...), of the diphoton search arXiv:1606.03833 and, with three
    parameters, CMS's alternative in arXiv:2206.09997; `ua2` is p1 x^p2 exp(p3 x + p4 x^2 + ...), an alternative in
    arXiv:1804.03496 (with three parameters CMS's other alternative in arXiv:2206.09997);
    `power` is p1 x^(p2 + p3 ln x + ...), with three parameters the function of arXiv:1606.04093;
    `exponential` is p1 exp(p2 x + p3 x^2 + ...), of arXiv:1408.7084.
    p1 is in events per GeV, the others are dimensionless.
    All exponents carry their sign: a falling spectrum has a negative p3 (dijet, moddijet) or p2 (the others). CMS
    writes its dijet function, arXiv:1911.03947, with the opposite signs of p3 and p4.
    """

    name: str
    family: str
    n_parameters: int
    sqrt_s: float

    @classmethod
    def from_card(cls, card: FitCard) -> BackgroundFunction:
        """The function that a fit card names."""
        return cls(name=card.name, family=card.family, n_parameters=card.parameters, sqrt_s=card.sqrt_s)

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """`p1` to `pN`."""
        return tuple(f"p{i + 1}" for i in range(self.n_parameters))

    def features(self, mass: npt.ArrayLike) -> FloatArray:
        """The features (..., n_parameters) in which ln f is linear, for masses (...) in GeV between 0 and sqrt_s."""
        x = np.asarray(mass, dtype=np.float64) / self.sqrt_s
        if np.any(x <= 0) or np.any(x >= 1):
            raise InputDataError(f"{self.name} is defined for masses between 0 and {self.sqrt_s:g} GeV only")
        return np.stack(_FAMILIES[self.family](x, self.n_parameters), axis=-1)

    def density(self, mass: npt.ArrayLike, parameters: npt.ArrayLike) -> FloatArray:
        """Events per GeV at masses (...) in GeV for parameters (n_parameters,)."""
        values = np.asarray(parameters, dtype=np.float64)
        linear = np.concatenate([[np.log(values[0])], values[1:]])
        return np.asarray(np.exp(self.features(mass) @ linear), dtype=np.float64)

    def expected(self, edges: npt.ArrayLike, parameters: npt.ArrayLike) -> FloatArray:
        """Expected events (n,) in bins of edges (n+1,) in GeV: the integral of the density over each bin."""
        nodes, weights = quadrature(np.asarray(edges, dtype=np.float64))
        return np.asarray(np.sum(self.density(nodes, parameters) * weights, axis=1), dtype=np.float64)


def quadrature(edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Gauss-Legendre nodes and weights, both (n, 5), for bins of edges (n+1,); units of the edges."""
    points, weights = np.polynomial.legendre.leggauss(_NODES)
    half = np.diff(edges)[:, None] / 2
    centre = (edges[:-1] + edges[1:])[:, None] / 2
    return centre + half * points, half * weights
