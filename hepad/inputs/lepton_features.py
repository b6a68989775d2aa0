"""Quantities of the four leading leptons of an event, in two pairs: the one nearest to a Z boson, and what is left.

The 15 numbers that ATLAS trains its flows on in events of four leptons or more (arXiv:2508.19778, table of training
variables) are among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import awkward as ak
import numpy as np
import numpy.typing as npt

from hepad.objects.kinematics import object_fields
from hepad.objects.pairs import Z_MASS

__all__ = ["LEPTON_FEATURES", "Leptons", "lepton_fields"]

_Float = npt.NDArray[np.float64]
_Values = tuple[_Float, npt.NDArray[np.bool_]]

_FLAVOURS = ("electrons", "muons")
_NEEDED = {"pt", "eta", "phi", "mass", "charge"}
_PAIRS = np.array([(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
_REST = _PAIRS[::-1]
"""The leptons that are in no pair of the same place of `_PAIRS`."""


@dataclass(frozen=True)
class _Four:
    """The four leading leptons of m events: momenta (m, 4, 4) as x, y, z and energy, and which pair is the Z boson's.

    The pair is the one of same flavour and opposite charge with the mass nearest to the Z boson's; without one, any of
    opposite charge; without that, any.
    """

    momenta: _Float
    pair: npt.NDArray[np.int64]

    def of(self, leptons: npt.NDArray[np.int64]) -> _Float:
        """The summed momentum (m, 4) of leptons (m, k)."""
        taken: _Float = np.take_along_axis(self.momenta, leptons[:, :, None], axis=1).sum(axis=1)
        return taken


class Leptons:
    """The leptons of events, for all quantities of them: the four leading ones are sorted and paired once."""

    def __init__(self, events: ak.Array) -> None:
        self.events = events

    @cached_property
    def four(self) -> tuple[_Four, npt.NDArray[np.bool_]]:
        """The four leading leptons of m events, and the mask (n,) of those that have four."""
        every = ak.concatenate(
            [
                ak.zip({**{name: self.events[flavour][name] for name in sorted(_NEEDED)}, "flavour": place})
                for place, flavour in enumerate(_FLAVOURS)
            ],
            axis=1,
        )
        there = ak.to_numpy(ak.num(every) >= 4)
        few = every[there]
        few = few[ak.argsort(few.pt, axis=1, ascending=False, stable=True)][:, :4]
        shape = (int(there.sum()), 4)
        columns = {name: ak.to_numpy(ak.flatten(few[name])).astype(np.float64).reshape(shape) for name in few.fields}
        pt, eta, phi, mass = (columns[name] for name in ("pt", "eta", "phi", "mass"))
        x, y, z = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        momenta = np.stack([x, y, z, np.sqrt(pt**2 + z**2 + mass**2)], axis=2)
        return _Four(momenta, _z_pair(momenta, columns["charge"], columns["flavour"])), there

    @cached_property
    def met(self) -> _Float:
        """The missing momentum (m, 2) of the events that have four."""
        _, there = self.four
        size, angle = (ak.to_numpy(self.events.met[name])[there].astype(np.float64) for name in ("pt", "phi"))
        return np.stack([size * np.cos(angle), size * np.sin(angle)], axis=1)


def _z_pair(momenta: _Float, charge: _Float, flavour: _Float) -> npt.NDArray[np.int64]:
    first, second = _PAIRS.T
    away = np.abs(_mass(momenta[:, first] + momenta[:, second]) - Z_MASS)
    opposite = charge[:, first] * charge[:, second] < 0
    same = opposite & (flavour[:, first] == flavour[:, second])
    worse = np.where(same, 0, np.where(opposite, 1, 2))
    order = np.lexsort((away, worse), axis=1)
    return np.asarray(order[:, 0], dtype=np.int64)


def _mass(momentum: _Float) -> _Float:
    """The invariant mass of momenta (..., 4)."""
    square = momentum[..., 3] ** 2 - np.square(momentum[..., :3]).sum(axis=-1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def _pt(momentum: _Float) -> _Float:
    return np.hypot(momentum[..., 0], momentum[..., 1])


def _transverse_mass(momentum: _Float, met: _Float) -> _Float:
    """That of a visible system (m, 4), with its mass, and massless missing momentum (m, 2)."""
    energy = np.hypot(_mass(momentum), _pt(momentum)) + np.hypot(met[:, 0], met[:, 1])
    square = energy**2 - np.square(momentum[:, :2] + met).sum(axis=1)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))


def _system(four: _Four, name: str) -> _Float:
    if name == "leptons":
        return np.asarray(four.momenta.sum(axis=1))
    return four.of((_PAIRS if name == "zpair" else _REST)[four.pair])


def _quantity(leptons: Leptons, name: str, what: Callable[[_Float], _Float]) -> _Values:
    four, there = leptons.four
    return what(_system(four, name)), there


def _mt(leptons: Leptons, name: str) -> _Values:
    four, there = leptons.four
    return _transverse_mass(_system(four, name), leptons.met), there


def _three(leptons: Leptons, which: Callable[..., Any]) -> _Values:
    """Of the masses of the Z boson's pair with either of the other two leptons."""
    four, there = leptons.four
    pair, rest = _PAIRS[four.pair], _REST[four.pair]
    masses = [_mass(four.of(np.column_stack([pair, rest[:, place]]))) for place in (0, 1)]
    return which(np.stack(masses), axis=0), there


def _count(leptons: Leptons) -> _Values:
    events = leptons.events
    number = sum(ak.to_numpy(ak.num(events[flavour])) for flavour in _FLAVOURS)
    return np.asarray(number, dtype=np.float64), np.ones(len(events), dtype=np.bool_)


def _ht(leptons: Leptons) -> _Values:
    events = leptons.events
    momenta = [ak.to_numpy(ak.sum(ak.values_astype(events[name].pt, np.float64), axis=1)) for name in _FLAVOURS]
    return np.asarray(sum(momenta), dtype=np.float64), np.ones(len(events), dtype=np.bool_)


def _of(name: str) -> dict[str, Callable[[Leptons], _Values]]:
    return {
        "pt": partial(_quantity, name=name, what=_pt),
        "mass": partial(_quantity, name=name, what=_mass),
        "mt": partial(_mt, name=name),
    }


LEPTON_FEATURES: dict[str, dict[str, Callable[[Leptons], _Values]]] = {
    "leptons": {"n": _count, "ht": _ht, **_of("leptons")},
    "zpair": _of("zpair"),
    "otherpair": _of("otherpair"),
    "zpair+lepton": {"heaviest": partial(_three, which=np.max), "lightest": partial(_three, which=np.min)},
}
"""By the name of a system of leptons what there is of it."""


def lepton_fields(what: str) -> dict[str, set[str]]:
    """The collections and properties that must be read for a quantity."""
    fields = object_fields(_FLAVOURS, {"pt"} if what in {"n", "ht"} else _NEEDED)
    return {**fields, "met": {"pt", "phi"}} if what == "mt" else fields
