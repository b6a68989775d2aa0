"""Weights as numpy arrays by name, checked before they are used; no torch in here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hepad.errors import CardError

__all__ = ["check_arrays", "grouped"]


def grouped(
    arrays: Mapping[str, npt.NDArray[Any]], names: Iterable[str]
) -> tuple[dict[str, dict[str, npt.NDArray[Any]]], dict[str, npt.NDArray[Any]]]:
    """The arrays `name/inner` of each of the names, by what is behind the slash, and all that belong to none."""
    groups: dict[str, dict[str, npt.NDArray[Any]]] = {name: {} for name in names}
    rest = {}
    for name, array in arrays.items():
        group, _, inner = name.partition("/")
        if inner and group in groups:
            groups[group][inner] = np.asarray(array)
        else:
            rest[name] = np.asarray(array)
    return groups, rest


def check_arrays(shapes: Mapping[str, tuple[int, ...]], arrays: Mapping[str, npt.NDArray[Any]], origin: str) -> None:
    """Raise `CardError` unless the arrays have exactly the given names and shapes and hold finite numbers."""
    missing, unknown = sorted(shapes.keys() - arrays.keys()), sorted(arrays.keys() - shapes.keys())
    if missing:
        raise CardError(f"{origin}: tensor {missing[0]!r} is missing")
    if unknown:
        raise CardError(f"{origin}: unknown tensor {unknown[0]!r}")
    for name, shape in shapes.items():
        array = np.asarray(arrays[name])
        if array.shape != shape:
            raise CardError(f"{origin}: tensor {name!r} has shape {array.shape}, expected {shape}")
        if array.dtype.kind != "f" or not (np.abs(array) <= np.finfo(np.float32).max).all():
            raise CardError(f"{origin}: tensor {name!r} must hold finite floating-point numbers")
