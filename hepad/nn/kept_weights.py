"""Weights that a scorer keeps as arrays, and that torch draws when they are first asked for; no torch in here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from hepad.nn.arrays import check_arrays
from hepad.nn.scorer import State

__all__ = ["KeptWeights"]


class KeptWeights(ABC):
    """The part of a `Scorer` that has its weights: a model says which there are, and what it makes of them."""

    name: ClassVar[str]
    _weights: State | None = None

    @property
    def untrained(self) -> bool:
        """Whether it has no weights yet: torch draws them when they are first asked for."""
        return self._weights is None

    def state(self) -> State:
        """Copies of the weights as contiguous float32 arrays."""
        return {name: array.copy() for name, array in self._trained().items()}

    def load_state(self, state: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take weights written by `state`; `CardError` that names a missing, unknown or misshapen tensor."""
        shapes = self._shapes()
        check_arrays(shapes, state, f"weights of {self.name}")
        with np.errstate(over="ignore", invalid="ignore"):  # of weights that no training gives; `scores` says so
            self._take({name: np.array(state[name], dtype=np.float32, order="C") for name in shapes})

    @abstractmethod
    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """The names of the weights in torch's module, in its order, with their shapes."""

    @abstractmethod
    def _drawn(self) -> State:
        """The untrained weights, those of seed 0, from torch, which is imported now."""

    @abstractmethod
    def _set_weights(self, weights: State) -> None:
        """Make of these weights what scoring needs."""

    def _take(self, weights: State) -> None:
        self._set_weights(weights)
        self._weights = weights

    def _trained(self) -> State:
        if self._weights is None:
            self._take(self._drawn())
        assert self._weights is not None  # noqa: S101  just taken
        return self._weights
