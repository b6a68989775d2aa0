"""The cells of rapidity-mass matrices as a compiled loop over events; `hepad.inputs.rmm` says what they are."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import bool_, float32, float64, int64, njit, types

from hepad.jit import compiled

__all__ = ["fill_cells"]

ANGLE = 0.15
"""Factor on the rapidity cells, which brings them to the size of the masses (arXiv:1805.11650)."""

_integers = types.Array(int64, 1, "C", readonly=True)
_table = types.Array(int64, 2, "C", readonly=True)
_numbers = types.Array(float64, 1, "C", readonly=True)


@njit
def _momentum(pt: Any, eta: Any, phi: Any, mass: Any, p: Any) -> None:
    """Fill `p` with px, py, pz, E, E_T and rapidity; a negative mass stands for a negative square."""
    pz = pt * math.sinh(eta)
    squared = pt * pt + pz * pz
    energy = math.sqrt(max(squared + mass * abs(mass), 0.0))
    transverse = math.sqrt(max(pt * pt + mass * abs(mass), 0.0))
    p[0], p[1], p[2], p[3] = pt * math.cos(phi), pt * math.sin(phi), pz, energy
    p[4] = energy * pt / math.sqrt(squared) if pt > 0 else 0.0
    p[5] = math.asinh(pz / transverse) if transverse > 0 else 0.0


@njit
def _cosh_minus_one(x: Any) -> Any:
    """Without the loss of digits that a difference has where x is small."""
    half = math.sinh(0.5 * x)
    return 2.0 * half * half


@njit
def _pair_mass(a: Any, b: Any) -> Any:
    """Invariant mass of two momenta, minus the root where the square is negative."""
    x, y, z, e = a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]
    squared = e * e - (x * x + y * y + z * z)
    return math.sqrt(squared) if squared >= 0 else -math.sqrt(-squared)


@njit
def _transverse_mass(a: Any, met: Any, met_x: Any, met_y: Any) -> Any:
    """Of one momentum and the missing one; 0 if that is 0, or where the square is negative."""
    if met == 0:
        return 0.0
    e, x, y = a[4] + met, a[0] + met_x, a[1] + met_y
    return math.sqrt(max(e * e - (x * x + y * y), 0.0))


@njit
def _imbalance(before: Any, own: Any) -> Any:
    """Of two transverse energies."""
    return (before - own) / (before + own) if before + own > 0 else 0.0


@njit
def _store(cells: Any, known: Any, k: Any, value: Any) -> None:
    """Put a value in its place, if it has one."""
    if k >= 0:
        cells[k], known[k] = value, True


@compiled(
    types.void(
        _table, _table, _integers, _numbers, _numbers, _numbers, _numbers, _numbers, _numbers, _numbers,
        _table, float32[:, ::1], bool_[:, ::1],
    )
)  # fmt: skip
def fill_cells(  # noqa: PLR0917  numba knows no groups of arguments
    starts: Any,
    counts: Any,
    slots: Any,
    pt: Any,
    eta: Any,
    phi: Any,
    mass: Any,
    met: Any,
    met_phi: Any,
    sqrt_s: Any,
    place: Any,
    cells: Any,
    known: Any,
) -> None:
    """Fill the cells of all events, and which of them belong to objects that are there; both must come zeroed.

    Objects of type t of event i are `counts[i, t]` entries of the flat columns from `starts[i, t]` on; they get the
    rows from `slots[t]` on. `place[r, c]` is where the cell goes among those of its event, negative for nowhere.
    """
    p = np.empty((len(place), 6))
    row = np.empty(len(place), np.int64)
    leading = np.empty(len(place), np.bool_)
    for i in range(len(starts)):
        n = 0
        for t in range(len(slots)):
            for k in range(counts[i, t]):
                j = starts[i, t] + k
                _momentum(pt[j], eta[j], phi[j], mass[j], p[n])
                row[n], leading[n] = slots[t] + k, k == 0
                n += 1
        scale, own, there = 1.0 / sqrt_s[i], cells[i], known[i]
        missing, x, y = met[i], met[i] * math.cos(met_phi[i]), met[i] * math.sin(met_phi[i])
        _store(own, there, place[0, 0], missing * scale)
        for a in range(n):
            r = row[a]
            _store(own, there, place[0, r], _transverse_mass(p[a], missing, x, y) * scale)
            _store(own, there, place[r, 0], ANGLE * _cosh_minus_one(p[a, 5]))
            _store(own, there, place[r, r], p[a, 4] * scale if leading[a] else _imbalance(p[a - 1, 4], p[a, 4]))
            for b in range(a):
                _store(own, there, place[row[b], r], _pair_mass(p[b], p[a]) * scale)
                _store(own, there, place[r, row[b]], ANGLE * _cosh_minus_one(0.5 * (p[a, 5] - p[b, 5])))
