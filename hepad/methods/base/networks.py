"""The table of what was trained, as an array of the state of a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError
from hepad.methods.base.contract import Network
from hepad.nn.scorer import State

__all__ = ["networks_of", "networks_shapes", "networks_state"]

_NAME = "networks"
_COLUMNS = 6


def networks_state(networks: Sequence[Network]) -> State:
    """The table."""
    return {_NAME: np.array([astuple(network) for network in networks], dtype=np.float64)}


def networks_shapes(networks: Sequence[Network]) -> dict[str, tuple[int, ...]]:
    """The name and the shape of the table of these."""
    return {_NAME: (len(networks), _COLUMNS)}


def networks_of(state: Mapping[str, npt.NDArray[Any]], method: str) -> tuple[Network, ...]:
    """What the table in a state says; `CardError` if it is none."""
    table = np.asarray(state.get(_NAME, np.empty(0)))
    if table.ndim != 2 or table.shape[1] != _COLUMNS or not np.isfinite(table).all():
        raise CardError(f"{method}: tensor '{_NAME}' must be a table of {_COLUMNS} columns")
    return tuple(Network(int(a), int(b), int(c), int(d), float(e), bool(f)) for a, b, c, d, e, f in table)
