"""Sums over pairs and triplets of the particles of jets, compiled; `hepad.inputs.jet_features` says what they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64, int64, njit, types

from hepad.jit import compiled

__all__ = ["correlations"]

_offsets = types.Array(int64, 1, "C", readonly=True)
_numbers = types.Array(float64, 1, "C", readonly=True)


@njit
def _distance(eta: Any, phi: Any, i: Any, j: Any) -> Any:
    turn = abs(phi[i] - phi[j]) % (2 * math.pi)
    turn = min(turn, 2 * math.pi - turn)
    return math.hypot(eta[i] - eta[j], turn)


@compiled(float64[:, ::1](_offsets, _numbers, _numbers, _numbers, int64))
def correlations(offsets: Any, pt: Any, eta: Any, phi: Any, limit: Any) -> Any:
    """Energy correlation functions e2 and e3 at beta = 1 (arXiv:1305.0007), of shape (jets, 2).

    Sums over pairs and triplets of the first `limit` particles of a jet of products of their shares of the pT of all
    its particles and of their distances in eta and phi.
    """
    found = np.zeros((len(offsets) - 1, 2))
    distance = np.zeros((limit, limit))
    for jet in range(len(offsets) - 1):
        start, stop = offsets[jet], offsets[jet + 1]
        total = 0.0
        for i in range(start, stop):
            total += pt[i]
        if total <= 0.0:
            continue
        n = min(stop - start, limit)
        for i in range(n):
            for j in range(i):
                distance[i, j] = _distance(eta, phi, start + i, start + j)
        for i in range(n):
            for j in range(i):
                pair = pt[start + i] / total * pt[start + j] / total * distance[i, j]
                found[jet, 0] += pair
                inner = 0.0
                for k in range(j):
                    inner += pt[start + k] / total * distance[i, k] * distance[j, k]
                found[jet, 1] += pair * inner
    return found
