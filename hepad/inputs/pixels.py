"""Sums of energies in the pixels of images of eta and phi: what inputs that are images share."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.inputs.layout import Layout

__all__ = ["event_of", "phi_bin", "pixel_names", "summed", "transverse"]

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


def event_of(offsets: _Ints) -> _Ints:
    """The event, from 0, of each object of a collection with offsets (n+1,)."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def phi_bin(phi: _Floats, bins: int, first: float = 0.0) -> _Ints:
    """In which of `bins` around the beam each phi is; bin 0 begins at `first`. All in radians."""
    found: _Ints = np.floor(np.mod((phi - first) / (2 * np.pi), 1) * bins).astype(np.int64) % bins
    return found


def summed(pixel: _Ints, energy: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Images of a shape from energies and the places of their pixels in it, flattened; added in double precision."""
    return np.bincount(pixel, energy, minlength=prod(shape)).astype(np.float32).reshape(shape)


def transverse(towers: Mapping[str, npt.NDArray[Any]], name: str, eta: npt.NDArray[np.float64]) -> npt.NDArray[Any]:
    """Transverse energies of towers in GeV: `et` of the whole tower, `em` and `had` of its parts."""
    if name == "et":
        return np.asarray(towers["pt"], dtype=np.float64)
    return np.asarray(towers["eem" if name == "em" else "ehad"], dtype=np.float64) / np.cosh(eta)


def pixel_names(layout: Layout) -> npt.NDArray[Any]:
    """The names of the pixels of an image, of its shape: `et[3,5]`."""
    _, eta, phi = layout.shape
    names = [f"{channel}[{i},{j}]" for channel in layout.features for i in range(eta) for j in range(phi)]
    return np.array(names).reshape(layout.shape)
